from pathlib import Path

import pytest

from tests.scene.files.documents import CUBE, WOOD, load
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene import SceneFileWarning, SceneModel

SCATTERS = '<float name="scattering_coefficient" value="0.3"/>'
STONE = '<float name="relative_permittivity" value="5"/>'


def bsdf(identifier: str, inside: str = "", kind: str = "radio-material") -> str:
    return f'<bsdf type="{kind}" id="{identifier}">{inside}</bsdf>'


def cube(name: str, material: str) -> str:
    return f'<shape type="cube" id="mesh-{name}"><ref id="{material}"/></shape>'


def loaded(folder: Path, body: str, warning: str, **options: str) -> SceneModel:
    with pytest.warns(SceneFileWarning, match=warning):
        return load(folder, body, **options)


def test_all_unstated_materials_are_named_at_once(folder: Path) -> None:
    names = ["Stucco", "Stucco.001", "Oak floor", "it's"]
    body = "".join(bsdf(n, kind="diffuse") + cube(f"o{k}", n) for k, n in enumerate(names))
    body += '<shape type="cube" id="mesh-desk"><bsdf type="twosided"/></shape>'
    with pytest.raises(MaterialError) as caught:
        load(folder, WOOD + CUBE + body)
    message = str(caught.value)
    assert "4 materials 'Stucco' (objects 'o0', 'o1'), 'Oak floor' (object 'o2')" in message
    for word in ("Stucco=CLASS", "'Oak floor'=CLASS", "'it'\"'\"'s'=CLASS", "desk=CLASS"):
        assert word in message
    # What it says to do works.
    classes = {"Stucco": "brick", "Oak floor": "wood", "it's": "itu_glass", "desk": "marble"}
    room = load(folder, WOOD + CUBE + body, materials=classes)
    assert room.materials == ("wood", "brick", "brick", "wood", "glass", "marble")
    kept = load(folder, WOOD + CUBE + body, unstated="keep")
    assert kept.unstated == ("o0", "o1", "o2", "o3", "desk")
    assert kept.materials[1:] == (*names, "desk")


def test_a_class_for_an_object_for_a_copy_and_for_all_copies(folder: Path) -> None:
    body = "".join(bsdf(n) + cube(n, n) for n in ("mat-a", "mat-a.001", "mat-a.002"))
    classes = {"a": "brick", "a.002": "glass", "mat-a.001": "wood"}
    assert load(folder, body, materials=classes).materials == ("brick", "wood", "glass")
    shared = bsdf("m", kind="diffuse") + cube("wall", "m") + cube("desk", "m")
    assert load(folder, shared, materials={"m": "brick", "desk": "wood"}).materials == (
        "brick",
        "wood",
    )


def test_a_class_for_an_itu_material_of_the_file(folder: Path) -> None:
    body = bsdf("mat-itu_concrete", kind="diffuse") + cube("wall", "mat-itu_concrete")
    for name in ("mat-itu_concrete", "itu_concrete", "wall"):
        assert load(folder, body, materials={name: "brick"}).materials == ("brick",)


@pytest.mark.parametrize("kind", ["radio-material", "itu-radio-material"])
def test_scattering_is_left_out_and_said_or_refused(folder: Path, kind: str) -> None:
    inside = SCATTERS + STONE + '<string name="type" value="glass"/>'
    body = bsdf("mat-rough", inside, kind) + cube("wall", "mat-rough")
    with pytest.warns(SceneFileWarning) as told:
        load(folder, body)
    assert any("'rough' has a scattering_coefficient" in str(w.message) for w in told)
    with pytest.raises(MaterialError, match=r"'rough' scatters.*--scattering ignore"):
        load(folder, body, scattering="refuse")


def test_a_class_that_is_given_has_no_scattering_of_the_file(folder: Path) -> None:
    thick = '<float name="thickness" value="0.3"/>'
    body = bsdf("mat-rough", SCATTERS + STONE + thick) + cube("wall", "mat-rough")
    room = load(folder, body, materials={"rough": "brick"}, scattering="refuse")
    item = room.objects[0]
    assert (item.material, item.thickness, item.scattering_coefficient) == ("brick", 0.3, 0.0)


def test_scattering_that_sionna_drops_is_dropped(folder: Path) -> None:
    body = bsdf("mat-itu_glass", SCATTERS) + cube("wall", "mat-itu_glass")
    room = loaded(folder, body, "follows the ITU table, as in Sionna", scattering="refuse")
    assert room.materials == ("glass",)
    none = bsdf("mat-x", SCATTERS.replace("0.3", "0.0"), "itu-radio-material")
    none = none.replace("</bsdf>", '<string name="type" value="wood"/></bsdf>')
    assert load(folder, none + cube("wall", "mat-x"), scattering="refuse").materials == ("wood",)


def test_materials_that_nothing_uses_do_not_matter(folder: Path) -> None:
    unused = bsdf("mat-tree", SCATTERS + '<float name="magic" value="nan"/>')
    unused += bsdf("x", kind="none") + '<bsdf type="radio-material"/>'
    assert load(folder, unused + WOOD + CUBE, scattering="refuse").materials == ("wood",)


def test_numbers_that_are_missing_are_sionnas(folder: Path) -> None:
    body = bsdf("mat-stone", STONE) + cube("wall", "mat-stone")
    item = loaded(folder, body, "'stone' has no conductivity; as in Sionna").objects[0]
    assert (item.material, item.relative_permittivity, item.conductivity) == ("stone", 5.0, 0.0)
    body = bsdf("mat-air") + cube("wall", "mat-air") + cube("door", "mat-air")
    with pytest.warns(SceneFileWarning) as told:
        item = load(folder, body).objects[0]
    assert (item.relative_permittivity, item.conductivity) == (1.0, 0.0)
    assert len(told) == 2  # one for each number, though two objects are of it


def test_numbers_beside_a_class_of_the_table_are_dropped_as_in_sionna(folder: Path) -> None:
    inside = '<string name="type" value="brick"/><float name="conductivity" value="9"/>'
    body = bsdf("q", inside, "itu-radio-material") + cube("wall", "q")
    item = loaded(folder, body, "'q' follows the ITU table").objects[0]
    assert (item.material, item.conductivity) == ("brick", None)


def test_of_two_thicknesses_the_first_counts_as_in_sionna(folder: Path) -> None:
    twice = "".join(f'<float name="thickness" value="{value}"/>' for value in (0.3, 0.4))
    body = bsdf("mat-itu_wood", twice) + cube("wall", "mat-itu_wood")
    assert load(folder, body).thickness.tolist() == [0.3]
    with pytest.raises(MaterialError, match="'mat-x' has two values of thickness"):
        load(folder, bsdf("mat-x", twice) + cube("wall", "mat-x"))


def test_an_absorber_is_not_stated(folder: Path) -> None:
    body = bsdf("mat-dark", kind="absorber-radio-material") + cube("wall", "mat-dark")
    assert loaded(folder, body, "'dark' absorbs all power", unstated="keep").unstated == ("wall",)
    assert load(folder, body, materials={"dark": "metal"}).materials == ("metal",)


def test_an_alias_and_a_material_that_another_shape_holds(folder: Path) -> None:
    body = '<alias id="wood" as="oak"/>' + WOOD + cube("a", "oak")
    body += cube("b", "inner") + f'<shape type="cube" id="c">{bsdf("inner", kind="q")}</shape>'
    assert load(folder, body, materials={"inner": "glass"}).materials == ("wood", "glass", "glass")


def test_references_to_what_is_visual_are_read_past(folder: Path) -> None:
    visual = '<medium type="m" id="fog"/><emitter type="area" id="e"/><alias id="e" as="light"/>'
    refs = '<ref name="interior" id="fog"/><ref id="light"/><emitter type="area"/>'
    body = visual + WOOD + f'<shape type="cube">{refs}<ref id="wood"/></shape>'
    assert load(folder, body).materials == ("wood",)
    with pytest.raises(SceneError, match="'fogg', which is no material"):
        load(folder, body.replace('interior" id="fog"', 'interior" id="fogg"'))
