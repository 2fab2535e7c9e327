import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.scene.files.documents import BOX, CUBE, SECRET, WOOD, load, shape
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.files import scene_xml
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene

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

LARGEST_SCENE = "san_francisco"
LARGE_SCENES = ["florence", "munich", LARGEST_SCENE]


def test_no_bundled_scene_is_forgotten() -> None:
    with pytest.raises(SceneError) as caught:
        bundled_scene("atlantis")
    listed = str(caught.value).split("it has ")[1].split(", ")
    assert sorted(listed) == sorted(SMALL_SCENES + LARGE_SCENES)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name == LARGEST_SCENE))
        for name in SMALL_SCENES + LARGE_SCENES
    ],
)
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
        ('<bsdf type="diffuse" id="mat-Jelly.001"/>', None),
        ('<bsdf type="diffuse" id="mat-itu_wood.012"/>', "wood"),
        ('<bsdf type="no-such-plugin" id="mat-itu_wood"/>', "wood"),
        (
            '<bsdf type="no-such-plugin" id="itu_x"><string name="type" value="wood"/></bsdf>',
            "wood",
        ),
    ],
)
def test_materials_by_name(folder: Path, bsdf: str, material: str | None) -> None:
    identifier = bsdf.split('id="')[1].split('"')[0]
    body = bsdf + f'<shape type="cube" id="mesh-crate"><ref id="{identifier}"/></shape>'
    if material:
        assert load(folder, body).materials == (material,)
    else:
        with pytest.raises(MaterialError, match=r"(m|[Jj]elly)' \(object 'crate'.*plasterboard"):
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
        '<float name="relative_permittivity" value="4"/>'
        '<float name="thickness" value="0.3"/></bsdf>'
    )
    body = "".join(
        f'{bsdf}<shape type="cube" id="{n}"><ref id="{name}"/></shape>'
        for n, (bsdf, name) in enumerate([(stucco, "mat-Stucco.001"), (bricks, "bricks")])
    )
    with pytest.raises(MaterialError, match="--material Stucco=CLASS"):
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
        MaterialError, match=r"no material 'plaster'; it has 'Stucco.001', 'bricks', 'wood', and"
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
        ('<float name="scattering_coefficient" value="1.3"/>', "between 0 and 1"),
        ('<float name="magic" value="0.3"/>', "magic"),
    ],
)
def test_impossible_materials(folder: Path, number: str, message: str) -> None:
    values = {"relative_permittivity": "2", "conductivity": "1"}
    values = {name: value for name, value in values.items() if name not in number}
    others = "".join(f'<float name="{n}" value="{v}"/>' for n, v in values.items())
    body = f'<bsdf type="radio-material" id="mat-jelly">{number}{others}</bsdf>'
    with pytest.raises(MaterialError, match=message):
        load(folder, body + CUBE.replace('"wood"', '"mat-jelly"'))


def test_what_renders_is_dropped(folder: Path) -> None:
    visual = (
        '<integrator type="path"><integer name="max_depth" value="8"/></integrator>'
        '<sensor type="perspective"><float name="fov" value="40"/>'
        '<transform name="to_world"><lookat origin="0 0 9" target="0 0 0" up="0 1 0"/></transform>'
        '<film type="hdrfilm"/><sampler type="independent"/></sensor>'
        '<emitter type="constant"><rgb name="radiance" value="1"/></emitter>'
        '<bsdf type="diffuse" id="unused"><texture type="bitmap" name="reflectance">'
        '<string name="filename" value="textures/no-such.png"/></texture></bsdf>'
        '<bsdf type="plugin-of-mine" id="u2"><bsdf type="other" id="u3"><foo/></bsdf></bsdf>'
        '<bsdf type="radio-material" id="tree"><float name="scattering_coefficient" value="0.3"/>'
        '<float name="magic" value="$undefined"/></bsdf>'
        '<integrator type="sliced"/><sampler type="mine"/><medium type="fog" id="fog"/>'
        '<texture type="bitmap" id="t"><string name="filename" value="/etc/passwd"/></texture>'
    )
    assert load(folder, visual + WOOD + CUBE).key == load(folder, WOOD + CUBE).key


@pytest.mark.parametrize("path", ["meshes/none.ply", "meshes", "meshes/box.obj", "."])
def test_files_that_are_no_mesh(folder: Path, path: str) -> None:
    with pytest.raises(SceneError, match=re.escape(path)):
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


def test_a_scene_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="no such file"):
        load_scene(tmp_path / "none.xml")
    with pytest.raises(SceneError, match=r"is a folder; name the scene file in it \(\.xml\)$"):
        load_scene(tmp_path)
    (tmp_path / "flat.xml").write_text("<scene/>")
    with pytest.raises(SceneError, match=r"is a folder.*such as .*/flat\.xml"):
        load_scene(tmp_path)


def test_reading_a_scene_loads_no_engine() -> None:
    code = (
        "import sys\nfrom vlmrt_dist.scene.files.scene_xml import *\n"
        "load_scene(bundled_scene('simple_street_canyon')).distance_to_surface([[0, 0, 1]])\n"
        "wrong = {'mitsuba', 'drjit', 'sionna', 'ray', 'trimesh'} & set(sys.modules)\n"
        "assert not wrong, wrong\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
