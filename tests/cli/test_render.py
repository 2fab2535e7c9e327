from pathlib import Path

import pytest
from PIL import Image

from tests.commands import Done, invoke


def render(*arguments: object) -> Done:
    return invoke("render", *arguments)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--size", "1024"], "1024x768"),
        (["--size", "8x8"], "width"),
        (["--size", "-64x48"], "1024x768"),
        (["--samples", "0"], "samples"),
        (["--views", "sideways"], "overhead, perspective"),
    ],
)
def test_wrong_settings_end_with_a_sentence_before_the_work(
    tmp_path: Path, arguments: list[str], word: str
) -> None:
    result = render("box_room", "--out", tmp_path / "new", *arguments)
    assert result.exit_code == 2
    assert word in result.stderr
    assert not (tmp_path / "new").exists()


def test_an_unknown_scene_is_named(tmp_path: Path) -> None:
    result = render("no_such_scene", "--out", tmp_path)
    assert result.exit_code == 2
    assert "no_such_scene" in result.stderr


def test_a_picture_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "perspective.png").write_bytes(b"mine")
    result = render("box_room", "--out", tmp_path)
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert (tmp_path / "perspective.png").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = render("box_room", "--out", tmp_path / "file" / "pictures")
    assert result.exit_code == 2
    assert "cannot make the folder" in result.stderr


@pytest.mark.slow
def test_pictures_are_written_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "pictures"
    result = render(
        "box_room", "--out", folder, "--size", "64x48", "--samples", 1, "--views", "overhead"
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{folder / 'overhead.png'}\n"
    assert "rendering" in result.stderr
    assert [file.name for file in folder.iterdir()] == ["overhead.png"]
    with Image.open(folder / "overhead.png") as image:
        assert image.size == (64, 48)
