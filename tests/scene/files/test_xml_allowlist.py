from pathlib import Path

import pytest

from tests.scene.files.documents import CUBE, SECRET, WOOD, load, shape
from vlmrt_dist.errors import MaterialError, SceneError
from vlmrt_dist.scene.files.scene_xml import load_scene

BOMB = '<!DOCTYPE s [<!ENTITY a "x">{}]>'.format(
    "".join(
        f'<!ENTITY {c} "{"&" + p + ";"}{"&" + p + ";"}">'
        for p, c in zip("abcdefg", "bcdefgh", strict=True)
    )
)

EXTERNAL = '<!DOCTYPE s [<!ENTITY h SYSTEM "file:///etc/passwd">]>'

OVERFLOW = '<scale value="1e300"/>' * 2

DTD = '<!DOCTYPE scene SYSTEM "http://127.0.0.1:9/evil.dtd">'


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
    with pytest.raises(SceneError, match="longer than"):
        load(folder, body + WOOD + CUBE)


def test_parameters_that_fill_many_attributes_stop(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmrt_dist.scene.files.xml_allowlist.MAX_FILLED", 10_000)
    body = f'<default name="a" value="{"x" * 1000}"/>' + '<bsdf type="diffuse" id="$a"/>' * 11
    with pytest.raises(SceneError, match="longer than 10000 together"):
        load(folder, body + WOOD + CUBE)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<shape type="evil"><ref id="wood"/></shape>', "'evil'.*rectangle"),
        ('<shape type="sphere"><ref id="wood"/></shape>', "'sphere'"),
        ('<shape type="merge"><ref id="wood"/></shape>', "<ref> is not understood"),
        ('<shape type="merge"><shape type="sphere"/></shape>', "'sphere'"),
        ('<default name="e" value="evil"/><shape type="$e"/>', "'evil'"),
        ('<shape type="$e"/>', r"\$e has no"),
        ('<shape type="cube"><bsdf/></shape>', "no attribute 'type'"),
        ('<include filename="../secret.ply"/>', "'../secret.ply' is refused"),
        ('<include filename="/etc/passwd"/>', "'/etc/passwd' is refused"),
        ('<include filename="meshes/box.ply"/>', "'meshes/box.ply' is not well-formed"),
        ('<include filename="scene.xml"/>', "does a file include itself"),
        ("<include/>", "no attribute 'filename'"),
        ('<shape type="cube"><include filename="scene.xml"/></shape>', "inside <shape>"),
        ('<path value="/etc"/>', "'/etc' is refused"),
        ('<path value=".."/>', "'..' is refused"),
        ('<bsdf type="diffuse" id="wood"/>' + CUBE, "two materials have the id 'wood'"),
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
        (shape(more='<transform name="to_world"/>' * 2), "'to_world'> is not understood"),
        (shape(more='<transform name="to_world"><rotate angle="3"/></transform>'), "<rotate>"),
        (
            shape(
                more='<transform name="to_world">' + '<scale value="1e300"/>' * 2 + "</transform>"
            ),
            "numbers finite",
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
    with pytest.raises((SceneError, MaterialError), match=message) as caught:
        load(folder, WOOD + body)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/passwd.ply",
        "../secret.ply",
        "meshes/../../secret.ply",
        "..\\secret.ply",
        "C:/secret.ply",
        "",
        ".",
        "meshes/box&#10;.ply",
    ],
)
def test_paths_out_of_the_folder(folder: Path, path: str) -> None:
    with pytest.raises(SceneError, match=r"refused|not a regular file") as caught:
        load(folder, WOOD + shape(path))
    assert SECRET not in str(caught.value)


def test_parameters_cannot_smuggle_a_path(folder: Path) -> None:
    body = '<default name="up" value=".."/>' + WOOD + shape("$up/secret.ply")
    with pytest.raises(SceneError, match="refused"):
        load(folder, body)


def test_errors_repeat_nothing_of_a_file(folder: Path) -> None:
    (folder / "meshes" / "secret.ply").write_text(SECRET)
    with pytest.raises(SceneError) as caught:
        load(folder, WOOD + shape("meshes/secret.ply"))
    assert SECRET not in str(caught.value)
    (folder / "scene.xml").write_text(SECRET)
    with pytest.raises(SceneError, match="line 1") as caught:
        load_scene(folder / "scene.xml")
    assert SECRET not in str(caught.value)


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


def test_many_elements(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmrt_dist.scene.files.xml_allowlist.MAX_ELEMENTS", 50)
    with pytest.raises(SceneError, match="more than 50 elements"):
        load(folder, WOOD + CUBE + '<emitter type="constant"/>' * 50)
