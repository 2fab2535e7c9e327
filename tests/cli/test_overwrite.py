"""Files that are there already: no command replaces one unless it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import invoke

MINE = b"not to be lost"
POINTS = "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm\n1,1,1,1.5,-1,-1,1.5,-40\n"

WRITING = [
    (["simulate", "--out", "{new}.csv", "--truth-out", "{mine}.csv"], "{mine}.csv"),
    (["simulate", "--out", "{mine}.csv"], "{mine}.csv"),
    (["plan", "--out", "{mine}.csv"], "{mine}.csv"),
    (["plan", "--out", "{new}.csv", "--figure", "{mine}.png"], "{mine}.png"),
    (["advise", "--out", "{mine}.csv"], "{mine}.csv"),
    (["advise", "--figure", "{mine}.png"], "{mine}.png"),
    (["convert", "{points}", "--out", "{mine}.csv"], "{mine}.csv"),
    (["estimate", "--measurements", "{points}", "--out", "{mine}.json"], "{mine}.json"),
    (["estimate", "--measurements", "{points}", "--links", "{mine}.csv"], "{mine}.csv"),
    (["estimate", "--measurements", "{points}", "--figure", "{mine}.pdf"], "{mine}.pdf"),
    (["estimate", "--measurements", "{points}", "--view", "{mine}.html"], "{mine}.html"),
    (["estimate", "--measurements", "{points}", "--scene-out", "{folder}"], "{folder}/scene.xml"),
    (["predict", "--estimate", "e.json", "--positions", "{points}", "--out", "{mine}.csv"],
     "{mine}.csv"),
    (["evaluate", "--measurements", "{points}", "--leave-out", "link", "--out", "{mine}.csv"],
     "{mine}.csv"),
    (["evaluate", "--measurements", "{points}", "--leave-out", "link", "--figure", "{mine}.png"],
     "{mine}.png"),
    (["view", "box_room", "--out", "{mine}.html"], "{mine}.html"),
    (["map", "--tx", "0,0,1.5", "--out", "{new}.png", "--out", "{mine}.tif"], "{mine}.tif"),
    (["export-scene", "box_room", "--out", "{folder}"], "{folder}/scene.xml"),
    (["apply", "--estimate", "e.json", "--out", "{folder}"], "{folder}/scene.xml"),
    (["render", "box_room", "--out", "{folder}"], "{folder}/overhead.png"),
    (["report", "{folder}", "-o", "{mine}.html"], "{mine}.html"),
    (["report", "{folder}", "-o", "{new}.html", "--figures", "{folder}"], "{folder}/scene.xml"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "target"), WRITING, ids=[" ".join(words) for words, _ in WRITING]
)
def test_a_file_that_is_there_is_left_as_it_is_before_anything_is_computed(
    command: list[str], target: str, tmp_path: Path
) -> None:
    names = {"mine": tmp_path / "mine", "new": tmp_path / "new", "folder": tmp_path / "folder"}
    points = tmp_path / "points.csv"
    points.write_text(POINTS)
    file = Path(target.format(**names))
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(MINE)
    before = sorted(tmp_path.rglob("*"))
    done = invoke(*(word.format(points=points, **names) for word in command))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "--overwrite" in done.stderr or "choose another folder" in done.stderr
    assert file.read_bytes() == MINE
    assert sorted(tmp_path.rglob("*")) == before


def test_it_is_replaced_when_asked_for(tmp_path: Path) -> None:
    points, out = tmp_path / "points.csv", tmp_path / "out.csv"
    points.write_text(POINTS)
    out.write_bytes(MINE)
    done = invoke("convert", points, "--out", out, "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert b"rss_dbm" in out.read_bytes()


def test_a_link_that_leads_nowhere_counts_as_a_file(tmp_path: Path) -> None:
    points, link = tmp_path / "points.csv", tmp_path / "out.csv"
    points.write_text(POINTS)
    link.symlink_to(tmp_path / "elsewhere.csv")
    assert invoke("convert", points, "--out", link).exit_code == 2
    assert not (tmp_path / "elsewhere.csv").exists()
