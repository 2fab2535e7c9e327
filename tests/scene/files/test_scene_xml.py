import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import trimesh

from vlmrt_dist.errors import MaterialError, SceneError, StorageError
from vlmrt_dist.scene.files import scene_xml
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.model import SceneModel, SceneObject, bounding_bounds
from vlmrt_dist.scene.paper_room import box_room

SECRET = "root:x:0:0:secret"
BOX = trimesh.creation.box([1, 2, 3])
WOOD = '<bsdf type="itu-radio-material" id="wood"><string name="type" value="wood"/></bsdf>'
CUBE = '<shape type="cube" id="mesh-crate"><ref id="wood"/></shape>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a mesh in it, and a secret beside it."""
    (tmp_path / "secret.ply").write_text(SECRET)
    inside = tmp_path / "scene"
    (inside / "meshes").mkdir(parents=True)
    (inside / "meshes" / "box.ply").write_bytes(BOX.export(file_type="ply"))
    (inside / "meshes" / "box.obj").write_text(BOX.export(file_type="obj"))
    return inside


def load(folder: Path, body: str, **options: Any) -> SceneModel:
    path = folder / "scene.xml"
    path.write_text(f'<scene version="2.1.0">{body}</scene>', encoding="utf-8")
    return load_scene(path, **options)


def shape(filename: str = "meshes/box.ply", kind: str = "ply", more: str = "") -> str:
    return (
        f'<shape type="{kind}" id="mesh-crate"><string name="filename" value="{filename}"/>'
        f'<ref id="wood" name="bsdf"/>{more}</shape>'
    )


SMALL_SCENES = [
    "box",
    "box_knife",
    "box_one_screen",
    "box_two_screens",
    "double_reflector",
    "etoile",
    "floor_wall",
    "simple_reflector",
    "simple_street_canyon",
    "simple_street_canyon_with_cars",
    "simple_wedge",
    "triple_reflector",
]
LARGE_SCENES = ["florence", "munich", "san_francisco"]


def test_no_bundled_scene_is_forgotten() -> None:
    with pytest.raises(SceneError) as caught:
        bundled_scene("atlantis")
    listed = str(caught.value).split("it has ")[1].split(", ")
    assert sorted(listed) == sorted(SMALL_SCENES + LARGE_SCENES)


@pytest.mark.parametrize("name", SMALL_SCENES + LARGE_SCENES)
def test_every_bundled_scene_loads(name: str) -> None:
    path = bundled_scene(name)
    model = load_scene(path)
    assert model.num_objects == path.read_text().count("<shape")
    assert model.name == name
    assert np.isfinite(model.conductivity(3.5e9)).all()


def test_what_a_bundled_scene_says() -> None:
    model = load_scene(bundled_scene("simple_street_canyon"), headroom=10.0)
    assert model.names[0] == "building_1"
    assert model.materials[-1] == "concrete"
    assert dict(zip(model.names, model.materials, strict=True))["building_2"] == "brick"
    plain = load_scene(bundled_scene("simple_street_canyon"))
    assert model.bounds[1, 2] == plain.bounds[1, 2] + 10.0
    assert load_scene(bundled_scene("box")).thickness.tolist() == [1.0]


@pytest.mark.parametrize("name", ["..", "munich/../box", "/etc", ""])
def test_names_of_bundled_scenes_are_names(name: str) -> None:
    with pytest.raises(SceneError, match="munich"):
        bundled_scene(name)


def round_trip(model: SceneModel, folder: Path) -> SceneModel:
    return load_scene(model.write(folder))


@pytest.mark.parametrize("num_boxes", [0, 4, 9])
def test_written_rooms_come_back_with_their_key(tmp_path: Path, num_boxes: int) -> None:
    room = box_room(num_boxes)
    again = round_trip(room, tmp_path / "deep" / "room")
    assert again.key == room.key
    np.testing.assert_array_equal(again.bounds, room.bounds)


def test_every_kind_of_material_comes_back(tmp_path: Path) -> None:
    room = box_room().with_materials(
        {"box_marble": "metal"},
        conductivity={"box_wood": 0.1 / 3, "floor": 0.0, "wall_west": 0.3},
        relative_permittivity={"floor": 1.0, "box_concrete": 5.5},
        thickness={"wall_east": 0.1 + 0.2},
    )
    again = round_trip(room, tmp_path)
    assert again.key == room.key
    for one, other in zip(room.objects, again.objects, strict=True):
        assert (one.material, one.conductivity) == (other.material, other.conductivity)


def test_awkward_names_come_back(tmp_path: Path) -> None:
    names = ['<a> & "b"', "mesh-mesh-x", "wood", "itu_wood", "ü α 日本", "a--1"]
    items = []
    for k, name in enumerate(names):
        mesh = BOX.copy().apply_translation([5 * k, 0, 0])
        numbers = {"conductivity": 0.1 * k, "relative_permittivity": 2.0}
        material = "wood" if k % 2 else name
        items.append(SceneObject(name, material, mesh.vertices, mesh.faces, 0.1, **numbers))
    model = SceneModel("s", tuple(items), bounding_bounds(tuple(items)))
    again = round_trip(model, tmp_path)
    assert again.names == model.names
    assert again.materials == model.materials
    assert again.key == model.key


def test_a_name_that_files_take_for_a_parameter_is_not_written(tmp_path: Path) -> None:
    item = SceneObject("$x", "wood", BOX.vertices, BOX.faces)
    with pytest.raises(SceneError, match=r"'\$x'"):
        SceneModel("s", (item,), bounding_bounds((item,))).write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_bundled_scene_comes_back(tmp_path: Path) -> None:
    model = load_scene(bundled_scene("simple_street_canyon_with_cars"))
    assert round_trip(model, tmp_path).key == model.key


def test_a_written_scene_is_plain(tmp_path: Path) -> None:
    room = box_room()
    text = room.write(tmp_path).read_text()
    assert text == room.to_xml()
    assert 'value="meshes/0.ply"' in text
    assert str(tmp_path) not in text
    assert sorted(os.listdir(tmp_path)) == ["meshes", "scene.xml"]
    assert len(os.listdir(tmp_path / "meshes")) == 9


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        box_room().write(tmp_path / "file")


def test_meshes_of_both_kinds(folder: Path) -> None:
    for model in (
        load(folder, WOOD + shape()),
        load(folder, WOOD + shape("meshes/box.obj", "obj")),
    ):
        assert model.names == ("crate",)
        assert model.objects[0].closed
        np.testing.assert_allclose(model.bounds, [[-0.5, -1, -1.5], [0.5, 1, 1.5]])


def test_built_in_shapes_and_transforms_in_order(folder: Path) -> None:
    steps = (
        '<transform name="to_world"><scale x="2" y="3"/><rotate z="1" angle="90"/>'
        '<translate value="10, 0, 1"/></transform>'
    )
    body = f'<shape type="rectangle"><ref id="wood"/>{steps}</shape>' + CUBE
    model = load(folder, WOOD + body)
    assert model.names == ("object_1", "crate")
    np.testing.assert_allclose(model.bounding_boxes[0], [[7, -2, 1], [13, 2, 1]], atol=1e-12)
    np.testing.assert_allclose(model.bounding_boxes[1], [[-1, -1, -1], [1, 1, 1]])
    assert [o.closed for o in model.objects] == [False, True]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ('<matrix value="1 0 0 5  0 1 0 6  0 0 1 7  0 0 0 1"/>', [5, 6, 8]),
        ('<matrix value="0 0 1  0 1 0  1 0 0"/>', [1, 0, 0]),
        ('<rotate x="1" angle="90"/>', [0, -1, 0]),
        ('<rotate value="0 2 0" angle="90"/>', [1, 0, 0]),
        ('<scale value="4"/>', [0, 0, 4]),
        ('<lookat origin="1 2 3" target="4 2 3" up="0 0 1"/>', [2, 2, 3]),
    ],
)
def test_steps_of_a_transform(folder: Path, step: str, expected: list[float]) -> None:
    shape = '<shape type="cube"><transform name="to_world">{}</transform><ref id="wood"/></shape>'
    model = load(folder, WOOD + shape.format(step))
    top = model.objects[0].vertices[model.objects[0].vertices @ [0, 0, 1] >= -9]
    # The middle of the cube's upper face, local (0, 0, 1), wherever it went.
    local = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    np.testing.assert_allclose(top[local[:, 2] == 1].mean(axis=0), expected, atol=1e-12)


def test_transforms_are_mitsubas(folder: Path) -> None:
    steps = (
        '<transform name="to_world"><scale x="2" y="3" z="4"/><rotate y="0.6" z="0.8" angle="40"/>'
        '<translate x="1" y="2" z="3"/><lookat origin="1,2,3" target="4,4,4" up="0,0,1"/>'
        "</transform>"
    )
    code = (
        "from vlmrt_dist.engine.llvm import prepare_engine\nprepare_engine()\n"
        "import mitsuba as mi\nmi.set_variant('scalar_rgb')\n"
        f'shape = mi.load_string(\'<shape version="3.0.0" type="cube">{steps}</shape>\')\n'
        "print(*mi.traverse(shape)['vertex_positions'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    theirs = np.array(run.stdout.split(), dtype=float).reshape(-1, 3)
    body = f'<shape type="cube">{steps}<ref id="wood"/></shape>'
    ours = load(folder, WOOD + body).objects[0].vertices
    apart = np.linalg.norm(theirs[:, None] - ours[None], axis=2)
    assert apart.min(axis=0).max() < 1e-4
    assert apart.min(axis=1).max() < 1e-4


@pytest.mark.parametrize(
    ("bsdf", "material"),
    [
        ('<bsdf type="diffuse" id="m"><rgb name="reflectance" value="1 0 0"/></bsdf>', None),
        ('<bsdf type="diffuse" id="mat-itu_concrete"/>', "concrete"),
        ('<bsdf type="principled" id="itu_wood"/>', "wood"),
        ('<bsdf type="twosided" id="mat-Marble"><bsdf type="diffuse"/></bsdf>', "marble"),
        ('<bsdf type="radio-material" id="mat-itu-brick"/>', "brick"),
        (
            '<bsdf type="itu-radio-material" id="m"><string name="type" value="glass"/></bsdf>',
            "glass",
        ),
        ('<bsdf type="itu-radio-material" id="m"><string name="type" value="jelly"/></bsdf>', None),
        ('<bsdf type="radio-material" id="mat-jelly"/>', None),
    ],
)
def test_materials_by_name(folder: Path, bsdf: str, material: str | None) -> None:
    identifier = bsdf.split('id="')[1].split('"')[0]
    body = bsdf + f'<shape type="cube" id="mesh-crate"><ref id="{identifier}"/></shape>'
    if material:
        assert load(folder, body).materials == (material,)
    else:
        with pytest.raises(MaterialError, match=r"'crate'.*(m|jelly).*plasterboard"):
            load(folder, body)


def test_a_material_by_numbers(folder: Path) -> None:
    numbers = (
        '<float name="relative_permittivity" value="2.5"/><float name="conductivity" value="1e-2"/>'
        '<float name="thickness" value=".2"/><rgb name="color" value="1,0,0"/>'
    )
    bsdf = f'<bsdf type="radio-material" id="mat-jelly">{numbers}</bsdf>'
    body = f'<shape type="cube" id="a">{bsdf}</shape>'
    item = load(folder, body).objects[0]
    assert (item.material, item.relative_permittivity, item.conductivity) == ("jelly", 2.5, 0.01)
    assert item.thickness == 0.2


def test_a_class_for_a_name_that_is_none_of_the_itus(folder: Path) -> None:
    stucco = '<bsdf type="diffuse" id="mat-Stucco.001"/>'
    bricks = (
        '<bsdf type="radio-material" id="bricks"><float name="conductivity" value="1"/>'
        '<float name="thickness" value="0.3"/></bsdf>'
    )
    body = "".join(
        f'{bsdf}<shape type="cube" id="{n}"><ref id="{name}"/></shape>'
        for n, (bsdf, name) in enumerate([(stucco, "mat-Stucco.001"), (bricks, "bricks")])
    )
    with pytest.raises(MaterialError, match=r"--material Stucco\.001=CLASS"):
        load(folder, body)
    room = load(folder, body, materials={"Stucco.001": "itu_plasterboard", "bricks": "brick"})
    assert room.materials == ("plasterboard", "brick")
    assert [o.conductivity for o in room.objects] == [None, None]
    assert room.objects[1].thickness == 0.3
    assert (
        load(folder, body, materials={"mat-Stucco.001": "wood", "bricks": "brick"}).materials[0]
        == "wood"
    )
    with pytest.raises(
        MaterialError, match=r"no material 'plaster'; it has 'Stucco.001', 'bricks', 'wood'"
    ):
        load(
            folder,
            WOOD + body,
            materials={"plaster": "wood", "Stucco.001": "wood", "bricks": "wood"},
        )
    with pytest.raises(MaterialError, match="jelly"):
        load(folder, body, materials={"Stucco.001": "jelly"})


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ('<float name="conductivity" value="-0.1"/>', "conductivity must be finite and 0"),
        ('<float name="relative_permittivity" value="0.9"/>', "relative_permittivity"),
        ('<float name="thickness" value="0"/>', "thickness"),
        ('<float name="scattering_coefficient" value="0.3"/>', "scatters"),
        ('<float name="magic" value="0.3"/>', "magic"),
    ],
)
def test_impossible_materials(folder: Path, number: str, message: str) -> None:
    body = f'<bsdf type="radio-material" id="mat-itu_wood">{number}</bsdf>'
    with pytest.raises(MaterialError, match=message):
        load(folder, body + CUBE.replace('"wood"', '"mat-itu_wood"'))


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "0x10", "1_0", "", "one"])
def test_numbers_are_finite_and_decimal(folder: Path, value: str) -> None:
    body = (
        f'<bsdf type="radio-material" id="wood"><float name="conductivity" value="{value}"/></bsdf>'
    )
    with pytest.raises(SceneError, match="not a finite number"):
        load(folder, body + CUBE)
    step = f'<transform name="to_world"><translate x="{value}"/></transform>'
    with pytest.raises(SceneError, match="not a finite number"):
        load(folder, WOOD + f'<shape type="cube">{step}<ref id="wood"/></shape>')


def test_parameters(folder: Path) -> None:
    body = (
        '<default name="what" value="wood"/><default name="size" value="2"/>'
        '<bsdf type="itu-radio-material" id="m"><string name="type" value="$what"/></bsdf>'
        '<shape type="cube"><transform name="to_world"><scale value="$size"/></transform>'
        '<ref id="m"/></shape>'
    )
    model = load(folder, body)
    assert (model.materials, model.bounds[1, 0]) == (("wood",), 2.0)
    with pytest.raises(SceneError, match=r"\$size has no <default>"):
        load(folder, body.replace('name="size"', 'name="length"'))


def test_parameters_that_double_each_other_stop(folder: Path) -> None:
    body = '<default name="a0" value="xxxxxxxx"/>' + "".join(
        f'<default name="a{i + 1}" value="$a{i}$a{i}$a{i}$a{i}"/>' for i in range(40)
    )
    start = time.perf_counter()
    with pytest.raises(SceneError, match="longer than"):
        load(folder, body + WOOD + CUBE)
    assert time.perf_counter() - start < 2.0


def test_what_renders_is_dropped(folder: Path) -> None:
    visual = (
        '<integrator type="path"><integer name="max_depth" value="8"/></integrator>'
        '<sensor type="perspective"><float name="fov" value="40"/>'
        '<transform name="to_world"><lookat origin="0 0 9" target="0 0 0" up="0 1 0"/></transform>'
        '<film type="hdrfilm"/><sampler type="independent"/></sensor>'
        '<emitter type="constant"><rgb name="radiance" value="1"/></emitter>'
        '<bsdf type="diffuse" id="unused"><texture type="bitmap" name="reflectance">'
        '<string name="filename" value="textures/no-such.png"/></texture></bsdf>'
    )
    assert load(folder, visual + WOOD + CUBE).key == load(folder, WOOD + CUBE).key


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<bsdf type="evil" id="wood"/>' + CUBE, "'evil'.*itu-radio-material"),
        ('<bsdf type="../evil" id="wood"/>' + CUBE, "'../evil'"),
        ('<shape type="evil"><ref id="wood"/></shape>', "'evil'.*rectangle"),
        ('<shape type="sphere"><ref id="wood"/></shape>', "'sphere'"),
        ('<shape type="merge">' + CUBE + "</shape>", "'merge'"),
        ('<integrator type="evil"/>', "'evil' of <integrator>"),
        ('<sensor type="perspective"><film type="evil"/></sensor>', "'evil' of <film>"),
        ('<bsdf type="twosided" id="a"><bsdf type="evil"/></bsdf>', "'evil' of <bsdf>"),
        ('<bsdf type="diffuse" id="a"><texture type="evil"/></bsdf>', "'evil' of <texture>"),
        ('<bsdf type="diffuse" id="a"><texture type="$e"/></bsdf>', r"\$e has no"),
        ('<default name="e" value="evil"/><bsdf type="$e" id="a"/>', "'evil'"),
        ("<bsdf/>", "no attribute 'type'"),
        ('<include filename="../secret.ply"/>', "<include> is not allowed"),
        ('<path value="/etc"/>', "<path> is not allowed"),
        ('<alias id="a" as="b"/>', "<alias> is not allowed"),
        ('<medium type="homogeneous"/>', "<medium> is not allowed"),
        (
            '<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>',
            "not allowed",
        ),
        ("<scene/>", "inside <scene>"),
        ("<scene>" + CUBE + "</scene>", "inside <scene>"),
        ("<texture type='bitmap'>" * 30 + "</texture>" * 30, "levels"),
        (f"<{'a' * 500}/>", "not allowed"),
        ("", "no shape"),
        ('<shape type="cube" id="crate"/>', "'crate' has no material"),
        ('<shape type="cube" id="crate"><ref id="nothing"/></shape>', "'nothing'"),
        ('<shape type="cube"><ref id="wood"/><ref id="wood"/></shape>', "2 materials"),
        ('<shape type="cube"><ref id="wood" name="interior"/></shape>', "refers to"),
        (CUBE + CUBE, "two objects are named 'crate'"),
        ('<shape type="ply" id="crate"><ref id="wood"/></shape>', "names no file"),
        (
            '<shape type="cube"><string name="a" value="b"/><ref id="wood"/></shape>',
            "not understood",
        ),
        (shape(more='<float name="max_smooth_angle" value="3"/>'), "not understood"),
        (shape(more='<transform name="to_world"><matrix value="1 2"/></transform>'), "<matrix>"),
        (shape(more='<transform name="to_world"><rotate angle="3"/></transform>'), "<rotate>"),
        (
            shape(more='<transform name="to_world"><scale value="1e300"/></transform>' * 2),
            "not finite|beyond",
        ),
        (
            shape(
                more='<transform name="to_world"><matrix value="' + "1 " * 16 + '"/></transform>'
            ),
            "affine",
        ),
    ],
)
def test_hostile_and_broken_scenes(folder: Path, body: str, message: str) -> None:
    wood = "" if 'id="wood"/>' in body and "<bsdf" in body and "evil" in body else WOOD
    with pytest.raises((SceneError, MaterialError), match=message) as caught:
        load(folder, wood + body)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/passwd.ply",
        "../secret.ply",
        "meshes/../../secret.ply",
        "meshes/../meshes/box.ply",
        "..\\secret.ply",
        "C:/secret.ply",
        "",
        ".",
        "meshes/box&#10;.ply",
    ],
)
def test_paths_out_of_the_folder(folder: Path, path: str) -> None:
    with pytest.raises(SceneError, match=r"refused|must end in") as caught:
        load(folder, WOOD + shape(path))
    assert SECRET not in str(caught.value)


def test_parameters_cannot_smuggle_a_path(folder: Path) -> None:
    body = '<default name="up" value=".."/>' + WOOD + shape("$up/secret.ply")
    with pytest.raises(SceneError, match="refused"):
        load(folder, body)


@pytest.mark.parametrize("path", ["meshes/none.ply", "meshes", "meshes/box.obj", "box"])
def test_files_that_are_no_mesh(folder: Path, path: str) -> None:
    with pytest.raises(SceneError, match=path):
        load(folder, WOOD + shape(path))


def test_links_may_not_leave_the_folder(folder: Path) -> None:
    (folder / "meshes" / "out.ply").symlink_to(folder.parent / "secret.ply")
    (folder / "away").symlink_to(folder.parent)
    (folder / "meshes" / "in.ply").symlink_to("box.ply")
    (folder / "meshes" / "loop.ply").symlink_to("loop.ply")
    for path in ("meshes/out.ply", "away/secret.ply"):
        with pytest.raises(SceneError, match="leaves the folder") as caught:
            load(folder, WOOD + shape(path))
        assert SECRET not in str(caught.value)
    with pytest.raises(SceneError, match="no such file"):
        load(folder, WOOD + shape("meshes/loop.ply"))
    assert load(folder, WOOD + shape("meshes/in.ply")).num_objects == 1


def test_a_pipe_does_not_hang(folder: Path) -> None:
    os.mkfifo(folder / "meshes" / "pipe.ply")
    with pytest.raises(SceneError, match="not a regular file"):
        load(folder, WOOD + shape("meshes/pipe.ply"))
    with pytest.raises(SceneError, match="not a regular file"):
        load_scene(folder / "meshes" / "pipe.ply")


def test_errors_repeat_nothing_of_a_file(folder: Path) -> None:
    (folder / "meshes" / "secret.ply").write_text(SECRET)
    with pytest.raises(SceneError) as caught:
        load(folder, WOOD + shape("meshes/secret.ply"))
    assert SECRET not in str(caught.value)
    (folder / "scene.xml").write_text(SECRET)
    with pytest.raises(SceneError, match="line 1") as caught:
        load_scene(folder / "scene.xml")
    assert SECRET not in str(caught.value)


def test_limits(folder: Path) -> None:
    size = (folder / "meshes" / "box.ply").stat().st_size
    body = WOOD + shape()
    assert load(folder, body, max_triangles=12, max_bytes=size).num_objects == 1
    with pytest.raises(SceneError, match="more than 11 triangles"):
        load(folder, body, max_triangles=11)
    with pytest.raises(SceneError, match="max_bytes"):
        load(folder, body, max_bytes=size - 1)
    twice = body + shape().replace("crate", "other")
    with pytest.raises(SceneError, match="max_bytes"):
        load(folder, twice, max_bytes=2 * size - 1)


def test_oversized_xml(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_xml, "MAX_XML_BYTES", 1000)
    with pytest.raises(SceneError, match="larger than the limit of 1000"):
        load(folder, WOOD + CUBE + " " * 1000)


def test_non_finite_vertices(folder: Path) -> None:
    for bad in (np.nan, np.inf):
        mesh = BOX.copy()
        mesh.vertices[3, 1] = bad
        content = mesh.export(file_type="ply", encoding="ascii")
        (folder / "meshes" / "bad.ply").write_bytes(content)
        with pytest.raises(SceneError, match="'crate' has a vertex that is not finite"):
            load(folder, WOOD + shape("meshes/bad.ply"))


BOMB = '<!DOCTYPE s [<!ENTITY a "x">{}]>'.format(
    "".join(
        f'<!ENTITY {c} "{"&" + p + ";"}{"&" + p + ";"}">'
        for p, c in zip("abcdefg", "bcdefgh", strict=True)
    )
)
EXTERNAL = '<!DOCTYPE s [<!ENTITY h SYSTEM "file:///etc/passwd">]>'
DTD = '<!DOCTYPE scene SYSTEM "http://127.0.0.1:9/evil.dtd">'


@pytest.mark.parametrize("doctype", [BOMB, EXTERNAL, DTD], ids=["bomb", "external", "dtd"])
def test_entities_and_dtds(tmp_path: Path, doctype: str) -> None:
    path = tmp_path / "scene.xml"
    name = "x" if doctype is DTD else "&h;"
    path.write_text(f'<?xml version="1.0"?>{doctype}<scene version="2">{WOOD}{CUBE}{name}</scene>')
    with pytest.raises(SceneError, match="DOCTYPE and entities are not allowed"):
        load_scene(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0",
        b"<scene>",
        b'<?xml version="1.0" encoding="no-such"?><scene/>',
        b"<scene>\xff</scene>",
        b"<scene a='1' a='2'/>",
        b"<mesh/>",
    ],
)
def test_what_is_no_scene(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scene.xml"
    path.write_bytes(content)
    with pytest.raises(SceneError, match=r"scene\.xml"):
        load_scene(path)


def test_a_scene_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="no such file"):
        load_scene(tmp_path / "none.xml")
    with pytest.raises(SceneError, match=r"regular file|directory"):
        load_scene(tmp_path)


def test_many_elements(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmrt_dist.scene.files.xml_allowlist.MAX_ELEMENTS", 50)
    with pytest.raises(SceneError, match="more than 50 elements"):
        load(folder, WOOD + CUBE + '<emitter type="constant"/>' * 50)


def test_reading_a_scene_loads_no_engine() -> None:
    code = (
        "import sys\nfrom vlmrt_dist.scene.files.scene_xml import *\n"
        "load_scene(bundled_scene('simple_street_canyon')).distance_to_surface([[0, 0, 1]])\n"
        "wrong = {'mitsuba', 'drjit', 'sionna', 'ray', 'trimesh'} & set(sys.modules)\n"
        "assert not wrong, wrong\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_names_are_quoted_in_xml() -> None:
    item = SceneObject('"/><include filename="x', "wood", BOX.vertices, BOX.faces)
    text = SceneModel("s", (item,), bounding_bounds((item,))).to_xml()
    assert "<include" not in text
    assert quoteattr("mesh-" + item.name) in text


@pytest.mark.slow
def test_sionna_reads_what_is_written(tmp_path: Path) -> None:
    room = box_room().with_materials(
        conductivity={"floor": 0.05}, relative_permittivity={"floor": 3.0}
    )
    room.write(tmp_path)
    code = (
        "import sys\nfrom vlmrt_dist.engine.llvm import prepare_engine\nprepare_engine()\n"
        "import sionna.rt as rt\nscene = rt.load_scene(sys.argv[1], merge_shapes=False)\n"
        "for name, o in scene.objects.items():\n"
        "    m, b = o.radio_material, o.mi_mesh.bbox()\n"
        "    electrical = m.conductivity[0], m.relative_permittivity[0], m.thickness[0]\n"
        "    print(name, *electrical, *b.min, *b.max)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "scene.xml")]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows = {name: values for name, *values in map(str.split, run.stdout.splitlines())}
    assert tuple(sorted(rows)) == tuple(sorted(room.names))
    found = np.array([rows[name] for name in room.names], dtype=float)
    electrical = [room.conductivity(3.5e9), room.relative_permittivity(3.5e9), room.thickness]
    np.testing.assert_allclose(found[:, :3], np.stack(electrical, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found[:, 3:], room.bounding_boxes.reshape(9, 6), atol=1e-6)
