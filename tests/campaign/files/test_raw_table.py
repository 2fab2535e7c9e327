from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.campaign.files.tables import GOOD, HEADER, csv, problems, ragged, table
from vlmrt_dist.campaign.files import raw_table, reading
from vlmrt_dist.campaign.files.read_write import write_campaign


def test_every_bad_line_is_reported_with_its_number(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        GOOD,
        "a,0,0,1,2,zero,1,-60",
        "",
        "a,0,0,1,nan,0,1,nan",
        "a,0,0,1,2,0,1",
        ",0,0,1,2,0,1,-60",
        "a,0,0,1,2,0,inf,-inf",
        "a,0,0,1,2,0,,-60",
        "a,0,0,1,2,0,1_0,0x3",
        GOOD,
    )
    found = problems(path)
    assert [line for line, _ in found] == [3, 5, 6, 7, 8, 9, 10, 10]
    text = dict(found)
    assert text[3] == "rx_y 'zero' is not a number"
    assert text[5] == "rx_x is empty"
    assert text[8] == "rx_z must be a finite number"
    assert text[6] == "has 7 fields, the header 8"
    assert text[7] == "setup is empty"
    assert text[9] == "rx_z is empty"


def test_line_numbers_count_lines_inside_quotes(tmp_path: Path) -> None:
    path = csv(tmp_path, '"two\nlines",0,0,1,2,0,1,-60', "b,0,0,1,2,0,x,-60")
    assert problems(path) == [(4, "rx_z 'x' is not a number")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (HEADER.encode(), "the campaign is empty"),
        (HEADER.encode() + b"\r\n\r\n", "the campaign is empty"),
        (HEADER.encode() + b"\na\0,0,0", "not text"),
        (HEADER.encode() + b'\n"a,0,0', "cannot be read as CSV"),
        (HEADER.encode() + b"\n" + b"a" * 2000 + b",0,0,1,2,0,1,-60", "cell of 2000 characters"),
        (HEADER.encode() + b"\n" + b"a" * 200_000 + b",0", "cannot be read as CSV"),
    ],
)
def test_files_that_are_no_campaign(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rss.csv"
    path.write_bytes(content)
    assert any(message in text for _, text in problems(path))


def test_noise_is_not_negative(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD + ",-0.1", GOOD + ",nan", header=HEADER + ",noise_db")
    assert [line for line, _ in problems(path)] == [2, 3]


@pytest.mark.parametrize("levels", [("0",), ("0", "0.0"), ("1e-9", "3.2e-7")])
def test_watts_and_zeros_are_not_levels(tmp_path: Path, levels: tuple[str, ...]) -> None:
    path = csv(tmp_path, *(f"a,0,0,1,2,0,{n},{x}" for n, x in enumerate(levels)))
    found = problems(path)
    assert ("watts" if levels[0] != "0" else "missing values") in found[0][1]
    assert found[0][0] == 2


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(tmp_path, *[GOOD] * 10)
    monkeypatch.setattr(raw_table, "MAX_ROWS", 9)
    assert problems(path)[0][1].startswith("more than 9 rows")
    write_campaign(ragged(), tmp_path / "rss.parquet")
    monkeypatch.setattr(raw_table, "MAX_ROWS", 8)
    assert "more than 8" in problems(tmp_path / "rss.parquet")[0][1]
    monkeypatch.setattr(reading, "MAX_PADDED_LINKS", 8)
    monkeypatch.setattr(raw_table, "MAX_ROWS", 100)
    assert "padded" in problems(tmp_path / "rss.parquet")[0][1]
    monkeypatch.setattr(raw_table, "MAX_BYTES", 100)
    assert "limit of 100" in problems(path)[0][1]


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        ({"rx_x": [2.0, float("inf")]}, [2], "rx_x must be a finite"),
        ({"rx_x": [2.0, float("nan")]}, [2], "rx_x is empty"),
        ({"rx_x": [None, 2.0]}, [1], "rx_x is empty"),
        ({"rx_x": [True, False]}, [1, 2], "rx_x is not a number"),
        ({"rx_x": [[1.0], [2.0]]}, [1, 2], "rx_x is not a number"),
        ({"rx_x": ["1", "two"]}, [2], "rx_x 'two' is not a number"),
        ({"censored": [True, None]}, [2], "censored is empty"),
        ({"frequency": [3.5e9, 3.5]}, [2], "state one unit"),
        ({"setup": [None, 2]}, [1], "setup is empty"),
    ],
)
def test_bad_parquet(tmp_path: Path, columns: Any, rows: list[int], message: str) -> None:
    path = tmp_path / "rss.parquet"
    pq.write_table(table(**columns), path)
    found = problems(path)
    assert [row for row, _ in found] == rows
    assert all(message in text for _, text in found)


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rss.parquet"
    write_campaign(ragged(), path)
    good = path.read_bytes()
    for content in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", good[:-20], good[20:]):
        path.write_bytes(content)
        assert "Parquet" in problems(path)[0][1]
    flipped = bytearray(good)
    flipped[60] ^= 0xFF  # inside a page: caught by its checksum
    path.write_bytes(flipped)
    assert "damaged" in problems(path)[0][1]
