"""Scene files of every kind that Sionna opens, read here and by Sionna itself."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.scene.files.documents import BOX
from tests.scene.files.test_serialized import CORNERS, DOUBLE, file_of, packed
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.scene import SceneFileWarning, SceneModel, bundled_scene, load_scene

FREQUENCY = 3.5e9  # where Sionna opens a scene

CONCRETE = '<bsdf type="diffuse" id="mat-itu_concrete"/>'
WOOD = """
<!-- as Blender's exporter writes it -->
<bsdf type="twosided" id="mat-itu_wood" name="mat-itu_wood">
\t<bsdf type="diffuse" name="bsdf"><rgb value="0.8 0.8 0.8" name="reflectance"/></bsdf>
</bsdf>
"""

PENTAGON = """v 0 0 0
v 2 0 0
v 3 1 0
v 1 2 0
v -1 1 0
v 9 9 9
f 1 2 3 4 5
f 1 2
mine 1
"""


class Item(NamedTuple):
    """What is compared of an object: triangles, bounding box [2,3], and the material's numbers
    (thickness, permittivity, conductivity, scattering coefficient)."""

    triangles: int
    box: FloatArray
    material: FloatArray


def cube(name: str, more: str = "", material: str = "mat-itu_concrete", kind: str = "cube") -> str:
    return f'<shape type="{kind}" id="mesh-{name}"><ref id="{material}"/>{more}</shape>'


def mesh(name: str, file: str, material: str = "mat-itu_wood", kind: str = "ply") -> str:
    return cube(name, f'<string name="filename" value="{file}"/>', material, kind)


def moved(*steps: str) -> str:
    return f'<transform name="to_world">{"".join(steps)}</transform>'


TRANSFORMS = {
    "translate": moved('<translate value="1 2 3"/>'),
    "commas": moved('<translate value="1, 2, 3"/>'),
    "one_axis": moved('<translate x="1e0" y="+.5"/>'),
    "scale": moved('<scale value="2"/>'),
    "scales": moved('<scale value="1,2,3"/>'),
    "scale_x": moved('<scale x="2"/>'),
    "rotate": moved('<rotate x="1" angle="30"/>'),
    "rotate_about": moved('<rotate value=".6,0,.8" angle="-77"/>'),
    "in_order": moved('<rotate z="1" angle="30"/>', '<translate x="1"/>', '<scale y="2"/>'),
    "matrix": moved('<matrix value="2 0 .5 1 0 3 0 2 0 .1 1 3 0 0 0 1"/>'),
    "matrix_of_nine": moved('<matrix value="2 0 .5 0 3 0 0 .1 1"/>'),
    "look": moved('<lookat origin="1,2,3" target="4,5,7" up="0,1,1"/>'),
    "look_any_up": moved('<lookat origin="1,2,3" target="4,5,-7"/>'),
    "nothing": moved(),
}
SETTINGS = "".join(
    f'<boolean name="{name}" value="true"/>'
    for name in ("face_normals", "flip_normals", "flip_tex_coords")
)
MATERIALS = {
    "mat-itu_brick": '<bsdf type="smooth" id="mat-itu_brick"><float name="eta" value="3"/></bsdf>',
    "itu-glass": '<bsdf type="diffuse" id="itu-glass"><float name="thickness" value=".2"/></bsdf>',
    "itu_mine": '<bsdf type="x" id="itu_mine"><string name="type" value="marble"/></bsdf>',
    "mat-itu_metal": '<bsdf type="itu-radio-material" id="mat-itu_metal">'
    '<string name="type" value="plywood"/></bsdf>',
    "board": '<bsdf type="itu-radio-material" id="board">'
    '<string name="type" value="ceiling_board"/><float name="thickness" value="0.3"/></bsdf>',
    "mat-jelly": '<bsdf type="radio-material" id="mat-jelly"><rgb name="color" value="1 0 0"/>'
    '<float name="relative_permittivity" value="2.5"/><float name="conductivity" value="0.1"/>'
    '<integer name="thickness" value="1"/></bsdf>',
}
SAID_MATERIALS = {
    "mat-itu_wood": '<bsdf type="radio-material" id="mat-itu_wood">'
    '<float name="conductivity" value="9"/><float name="relative_permittivity" value="9"/>'
    '<float name="scattering_coefficient" value="0.3"/></bsdf>',
    "board": '<bsdf type="itu-radio-material" id="board"><float name="conductivity" value="9"/>'
    '<string name="type" value="chipboard"/></bsdf>',
    "stone": '<bsdf type="radio-material" id="stone">'
    '<float name="relative_permittivity" value="5"/></bsdf>',
    "chaff": '<bsdf type="radio-material" id="chaff"><float name="conductivity" value="5"/></bsdf>',
    "mat-Concrete": '<bsdf type="radio-material" id="mat-Concrete"/>',
    "rough": '<bsdf type="radio-material" id="rough"><float name="conductivity" value="5"/>'
    '<float name="scattering_coefficient" value="0.3"/></bsdf>',
}
VISUAL = """
<default name="spp" value="16"/>
<integrator type="path" id="elm__0" name="elm__0"><integer name="max_depth" value="8"/></integrator>
<sensor type="thinlens" id="camera"><float name="aperture_radius" value="1"/>
  <transform name="to_world"><lookat origin="0 0 9" target="0 0 0" up="0 1 0"/></transform>
  <sampler type="stratified"><integer name="sample_count" value="$spp"/></sampler>
  <film type="hdrfilm"><rfilter type="gaussian"/></film></sensor>
<emitter type="projector" id="p"/>
<medium type="homogeneous" id="fog"><phase type="hg"/></medium>
<texture type="checkerboard" id="t"/>
<bsdf type="principled" id="unused"><ref id="t" name="base_color"/></bsdf>
"""


def ours(scene: SceneModel) -> dict[str, Item]:
    numbers = np.c_[
        scene.thickness,
        scene.relative_permittivity(FREQUENCY),
        scene.conductivity(FREQUENCY),
        [item.scattering_coefficient for item in scene.objects],
    ]
    return {
        item.name: Item(len(item.faces), box, values)
        for item, box, values in zip(scene.objects, scene.bounding_boxes, numbers, strict=True)
    }


def theirs(path: Path) -> dict[str, Item]:
    import mitsuba as mi
    import sionna.rt as rt

    level = mi.log_level()
    mi.set_log_level(mi.LogLevel.Error)  # it says that it cannot open files, which it then finds
    try:
        scene = rt.load_scene(str(path), merge_shapes=False)
    finally:
        mi.set_log_level(level)
    found = {}
    for name, item in scene.objects.items():
        points = np.array(item.mi_mesh.vertex_positions_buffer()).reshape(-1, 3)
        radio = item.radio_material
        values = (
            radio.thickness,
            radio.relative_permittivity,
            radio.conductivity,
            radio.scattering_coefficient,
        )
        found[name] = Item(
            item.mi_mesh.face_count(),
            np.array([points.min(axis=0), points.max(axis=0)]),
            np.array([np.asarray(value).item() for value in values]),
        )
    return found


def same(found: dict[str, Item], expected: dict[str, Item]) -> None:
    assert set(found) == set(expected)
    for name, item in expected.items():
        assert found[name].triangles == item.triangles
        np.testing.assert_allclose(found[name].box, item.box, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found[name].material, item.material, rtol=1e-5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "meshes").mkdir()
    for name in ("box.ply", "box.bin"):
        (tmp_path / "meshes" / name).write_bytes(BOX.export(file_type="ply"))
    (tmp_path / "meshes" / "text.ply").write_bytes(BOX.export(file_type="ply", encoding="ascii"))
    (tmp_path / "meshes" / "box.obj").write_text(BOX.export(file_type="obj"))
    (tmp_path / "meshes" / "pentagon.obj").write_text(PENTAGON)
    (tmp_path / "meshes" / "two.serialized").write_bytes(
        file_of([packed(), packed(3.0 * CORNERS, flags=DOUBLE)])
    )
    (tmp_path / "more.xml").write_text(
        f'<scene version="2.1.0">{mesh("included", "meshes/box.ply")}</scene>'
    )
    return tmp_path


def written(folder: Path, *parts: str, version: str = "2.1.0") -> Path:
    path = folder / "scene.xml"
    path.write_text(f'<?xml version="1.0"?><scene version="{version}">{"".join(parts)}</scene>')
    return path


def test_shapes_transforms_names_and_visual_plugins(folder: Path) -> None:
    path = written(
        folder,
        VISUAL,
        '<default name="from" value="meshes/box.ply"/><path value="meshes"/>',
        cube("first", material="mat-itu_wood"),  # before its material
        CONCRETE,
        WOOD,
        '<alias id="mat-itu_wood" as="oak"/>',
        *(cube(name, steps) for name, steps in TRANSFORMS.items()),
        cube("rectangle", moved('<scale value="3"/>'), kind="rectangle"),
        cube("settings", SETTINGS[: SETTINGS.index("<boolean", 1)]),
        mesh("a", "meshes/box.ply").replace('id="mesh-a"', 'id="elm__2" name="elm__2"'),
        mesh("b", "./meshes/../meshes/box.bin"),
        mesh("c", f"{folder}/meshes/text.ply"),
        mesh("d", "$from", "oak"),
        mesh("e", "text.ply"),
        mesh("f", "meshes/box.obj", kind="obj"),
        mesh("g", "meshes/pentagon.obj", kind="obj"),
        mesh("k", "two.serialized", kind="serialized"),
        mesh("l", "two.serialized", kind="serialized").replace(
            "</shape>", '<integer name="shape_index" value="1"/></shape>'
        ),
        mesh("h", "box.ply").replace("</shape>", SETTINGS + "</shape>"),
        mesh("i", "box.ply").replace("</shape>", '<emitter type="area"/></shape>'),
        mesh("j", "box.ply").replace("</shape>", '<ref name="interior" id="fog"/></shape>'),
        '<include filename="more.xml"/>',
    )
    same(ours(load_scene(path)), theirs(path))


def test_names_of_settings_before_version_2(folder: Path) -> None:
    body = '<boolean name="flipNormals" value="true"/>' + moved('<scale value="2"/>')
    body = body.replace("to_world", "toWorld")
    path = written(folder, WOOD, cube("a", body, "mat-itu_wood"), version="0.6.0")
    same(ours(load_scene(path)), theirs(path))


def test_a_rotation_about_an_axis_that_is_not_of_length_1(folder: Path) -> None:
    body = cube("a", moved('<rotate value="1,2,3" angle="-77"/>'), "mat-itu_wood")
    path = written(folder, WOOD, body)
    with pytest.warns(SceneFileWarning, match="object 'a' has a rotation"):
        scene = load_scene(path)
    same(ours(scene), theirs(path))


def test_materials(folder: Path) -> None:
    shapes = (cube(f"of_{k}", material=name) for k, name in enumerate(MATERIALS))
    inline = cube("inline").replace('<ref id="mat-itu_concrete"/>', CONCRETE)
    path = written(folder, *MATERIALS.values(), *shapes, inline)
    same(ours(load_scene(path)), theirs(path))


def test_materials_of_which_something_is_said(folder: Path) -> None:
    shapes = (cube(f"of_{k}", material=name) for k, name in enumerate(SAID_MATERIALS))
    path = written(folder, *SAID_MATERIALS.values(), *shapes)
    with pytest.warns(SceneFileWarning) as told:
        scene = load_scene(path)
    same(ours(scene), theirs(path))
    said = " ".join(str(each.message) for each in told)
    for words in (
        "'itu_wood', 'board' follow",
        "'chaff', 'Concrete', 'rough' have no relative_permittivity",
        "'stone', 'Concrete' have no conductivity",
        "'rough' has a scattering_coefficient",
    ):
        assert words in said


def test_merged_shapes_stay_objects_of_their_own(folder: Path) -> None:
    steps = moved('<translate x="9"/>')
    inner = f'<shape type="merge">{cube("c")}{cube("d", material="mat-itu_wood")}</shape>'
    merged = f'<shape type="merge" id="m">{cube("a")}{cube("b", steps)}{inner}</shape>'
    path = written(folder, CONCRETE, WOOD, merged)
    scene = load_scene(path)
    assert scene.names == ("a", "b", "c", "d")
    # Sionna has one mesh a material.
    joined: dict[float, Item] = {}
    for item in ours(scene).values():
        before = joined.get(item.material[1], item._replace(triangles=0))
        box = np.array([
            np.minimum(before.box[0], item.box[0]), np.maximum(before.box[1], item.box[1])
        ])  # fmt: skip
        joined[item.material[1]] = Item(before.triangles + item.triangles, box, item.material)
    expected = {float(item.material[1]): item for item in theirs(path).values()}
    same(
        {f"{k:.4g}": item for k, item in joined.items()},
        {f"{k:.4g}": item for k, item in expected.items()},
    )


def test_empty_meshes_are_left_out_and_said(folder: Path) -> None:
    empty = b"ply\nformat ascii 1.0\nelement vertex 0\n"
    empty += b"".join(b"property float %b\n" % axis for axis in (b"x", b"y", b"z"))
    empty += b"element face 0\nproperty list uchar int vertex_indices\nend_header\n"
    (folder / "meshes" / "empty.ply").write_bytes(empty)
    nothing = (
        mesh(name, "meshes/empty.ply").replace("</shape>", SETTINGS + "</shape>") for name in "ab"
    )
    path = written(folder, WOOD, *nothing, mesh("c", "meshes/box.ply"))
    with pytest.warns(SceneFileWarning, match="objects 'a', 'b' have no polygon and are left out"):
        scene = load_scene(path)
    assert scene.names == ("c",)
    assert len(theirs(written(folder, WOOD, mesh("c", "meshes/box.ply")))) == 1


@pytest.mark.parametrize(
    "name",
    ["box", "floor_wall", "simple_wedge", pytest.param("etoile", marks=pytest.mark.slow),
     pytest.param("florence", marks=pytest.mark.slow),
     pytest.param("munich", marks=pytest.mark.slow),
     pytest.param("san_francisco", marks=pytest.mark.slow)],
)  # fmt: skip
def test_scenes_that_come_with_sionna(name: str) -> None:
    path = bundled_scene(name)
    same(ours(load_scene(path)), theirs(path))
