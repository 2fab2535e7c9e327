"""Measurement files as people make them: each slip is named with its line and what was meant."""

from pathlib import Path

import numpy as np
import pytest

from vlmrt_dist.campaign.files.read_write import read_campaign
from vlmrt_dist.errors import MeasurementFileError
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

HEADER = "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm"
ROWS = (
    "1,0,0,1,2,0,1,-31.5",
    "1,0,0,1,-2,0,1,-42",
    "1,0,0,1,0,2,1,-38.5",
    "2,1,1,2,0,-2,1,-36",
    "2,1,1,2,2,-2,1,-40.5",
)


def written(tmp_path: Path, rows: tuple[str, ...] | list[str], header: str = HEADER) -> Path:
    path = tmp_path / "rss.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def problems(path: Path, scene: SceneModel | None = None) -> list[tuple[int, str]]:
    with pytest.raises(MeasurementFileError) as caught:
        read_campaign(path, scene=scene)
    return caught.value.problems


def with_levels(*levels: str) -> list[str]:
    return [
        ",".join([*row.split(",")[:-1], level]) for row, level in zip(ROWS, levels, strict=True)
    ]


def scaled(factor: float) -> list[str]:
    cells = [row.split(",") for row in ROWS]
    return [",".join([c[0], *(f"{factor * float(x):g}" for x in c[1:7]), c[7]]) for c in cells]


def test_the_file_they_are_slips_of_is_fine(tmp_path: Path) -> None:
    campaign = read_campaign(written(tmp_path, ROWS), scene=box_room())
    assert campaign.num_links == 5


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (("6.7e-7", "1e-8", "2e-7", "5e-7", "9e-8"), "6.7e-07 W are -31.74 dBm, 6.7e-07 mW are"),
        (("6.7e-4", "1e-5", "2e-4", "5e-4", "0.2"), "0.00067 mW are -31.74 dBm"),
        (("0", "0", "0", "0", "0"), "missing values"),
        (("31.5", "42", "38.5", "36", "40.5"), "RSSI without its sign (-31.5)"),
    ],
)
def test_levels_in_another_unit(tmp_path: Path, levels: tuple[str, ...], words: str) -> None:
    found = problems(written(tmp_path, with_levels(*levels)))
    assert [line for line, _ in found] == [2]
    assert words in found[0][1]


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("0", "stands for a missing one"),
        ("38.5", "was its sign lost (-38.5)"),
        ("22.5", "above what is usual in this file; was its sign lost (-22.5)"),
        ("-38,5", "write a decimal point: -38.5"),
        ("-38.5 V", "units that may follow one: dBm, dBW, W, mW"),
        ("<", "without the receiver's floor"),
        ("<minus", "is not a number"),
    ],
)
def test_one_level_that_is_none(tmp_path: Path, level: str, words: str) -> None:
    rows = with_levels("-31.5", "-42", f'"{level}"', "-36", "-40.5")
    found = problems(written(tmp_path, rows))
    assert [line for line, _ in found] == [4]
    assert words in found[0][1]


def test_a_level_below_the_floor_is_censored(tmp_path: Path) -> None:
    rows = with_levels("-31.5", "<-95.0", "-38.5", " < -95", "-40.5")
    campaign = read_campaign(written(tmp_path, rows))
    assert campaign.censored.tolist() == [[False, True, False], [True, False, False]]
    assert campaign.rss_dbm is not None
    np.testing.assert_array_equal(campaign.rss_dbm[campaign.censored], -95.0)


def test_a_level_above_the_ceiling_saturates(tmp_path: Path) -> None:
    rows = with_levels("-31.5", ">-28.0", "≤-95", " >= -29 dBm", "-40.5")
    campaign = read_campaign(written(tmp_path, rows))
    assert campaign.saturated.tolist() == [[False, True, False], [True, False, False]]
    assert campaign.below.tolist() == [[False, False, True], [False, False, False]]
    assert campaign.rss_dbm is not None
    np.testing.assert_array_equal(campaign.rss_dbm[campaign.saturated], [-28.0, -29.0])
    found = problems(written(tmp_path, with_levels("-31.5", ">", "><-3", "-36", ">>-40.5")))
    assert [line for line, _ in found] == [3, 4, 6]
    assert "ceiling after it" in found[0][1]


def test_a_column_may_say_what_saturates(tmp_path: Path) -> None:
    rows = [f"{row},{mark}" for row, mark in zip(ROWS, ("0", "1", "no", "yes", "0"), strict=True)]
    campaign = read_campaign(written(tmp_path, rows, HEADER + ",saturated"))
    assert campaign.saturated.tolist() == [[False, True, False], [True, False, False]]
    given = with_levels("-31.5", "<-95", ">-28", "", "-40.5")
    rows = [f"{row},{mark}" for row, mark in zip(given, "01010", strict=True)]
    found = problems(written(tmp_path, rows, HEADER + ",saturated"))
    assert found == [
        (3, "rss_dbm has a <, but saturated says that it was too loud"),
        (4, "rss_dbm has a >, but saturated says that the receiver was not"),
        (5, "is saturated, but has no rss_dbm: write the receiver's ceiling there"),
    ]


def test_a_column_may_say_what_is_censored(tmp_path: Path) -> None:
    marks = ("0", "true", "FALSE", "1", "no")
    rows = [f"{row},{mark}" for row, mark in zip(ROWS, marks, strict=True)]
    campaign = read_campaign(written(tmp_path, rows, HEADER + ",censored"))
    assert campaign.censored.tolist() == [[False, True, False], [True, False, False]]
    rows = [f"{row},{mark}" for row, mark in zip(ROWS, ("0", "2", "", "maybe", "1"), strict=True)]
    found = problems(written(tmp_path, rows, HEADER + ",censored"))
    assert [line for line, _ in found] == [3, 4, 5]
    rows = [f"{row},0" for row in with_levels("-31.5", "<-95", "-38.5", "-36", "-40.5")]
    found = problems(written(tmp_path, rows, HEADER + ",censored"))
    assert found == [(3, "rss_dbm has a <, but censored says that it was heard")]
    rows = [f"{row},1" for row in with_levels("", "", "", "", "")]
    found = problems(written(tmp_path, rows, HEADER + ",censored"))
    assert [line for line, _ in found] == [2, 3, 4, 5, 6]
    assert "receiver's floor" in found[0][1]


def test_a_setup_has_one_carrier_in_hertz(tmp_path: Path) -> None:
    def at(*carriers: str) -> Path:
        rows = [f"{row},{carrier}" for row, carrier in zip(ROWS, carriers, strict=True)]
        return written(tmp_path, rows, HEADER + ",frequency")

    campaign = read_campaign(at("3.5e9", "3500000000", "3.5e9", "28e9", "28e9"))
    assert campaign.frequency is not None
    assert campaign.frequency.tolist() == [3.5e9, 28e9]
    found = problems(at("3.5", "3500", "-1", "28e9", "28e9"))
    assert found == [(4, "frequency must be a positive, finite frequency")]
    found = problems(at("3.5", "3500", "3500", "28e9", "28e9"))
    assert [line for line, _ in found] == [2]
    assert "--column frequency_ghz=frequency" in found[0][1]
    found = problems(at("3.5e9", "3.5e9", "28e9", "28e9", "28e9"))
    assert [line for line, _ in found] == [4]
    assert "a setup of their own" in found[0][1]


def test_exchanged_columns(tmp_path: Path) -> None:
    header = HEADER.replace("tx_", "?").replace("rx_", "tx_").replace("?", "rx_")
    found = problems(written(tmp_path, ROWS, header))
    assert [line for line, _ in found] == [2]
    assert "columns of transmitter and receiver are exchanged" in found[0][1]


def test_decimal_commas_between_commas(tmp_path: Path) -> None:
    found = problems(written(tmp_path, [*ROWS[:4], "2,1,1,2,2,-2,1,-40,5", ROWS[4] + ","]))
    assert [line for line, _ in found] == [6]
    assert "separate the columns by semicolons" in found[0][1]


@pytest.mark.parametrize(
    ("factor", "words"), [(100.0, "as centimetres"), (1000.0, "as millimetres"), (3.28, "as feet")]
)
def test_lengths_in_another_unit(tmp_path: Path, factor: float, words: str) -> None:
    rows = [row.replace("2", "4") for row in scaled(factor)] if factor < 10 else scaled(factor)
    path = written(tmp_path, rows)
    read_campaign(path)  # without a scene nobody can tell
    found = problems(path, box_room())
    assert [line for line, _ in found] == [2]
    assert words in found[0][1]
    assert "(-5, -5, 0) to (5, 5, 3) m" in found[0][1]


def test_misplaced_antennas_come_with_their_lines(tmp_path: Path) -> None:
    rows = [
        "a,0,0,1,2,0,1,-31.5",
        "b,-3,3,0.5,1,0,1,-42",
        "a,0,0,1,3,-3,0.5,-38.5",
        "a,0,0,1,7,0,1,-38.5",
        "b,-3,3,0.5,2,-2,1,-40.5",
        "a,0,0,1,0,0,1,-40.5",
    ]
    found = problems(written(tmp_path, rows), box_room())
    assert [line for line, _ in found] == [3, 4, 5, 7]
    texts = dict(found)
    assert "the transmitter of setup 2 at (-3, 3, 0.5) is inside 'box_wood'" in texts[3]
    assert "setup 1, receiver 2 at (3, -3, 0.5) is inside 'box_concrete'" in texts[4]
    assert "is outside the room; the room reaches" in texts[5]
    assert "is where its transmitter is" in texts[7]


def test_lines_that_cannot_be_read_do_not_hide_the_others(tmp_path: Path) -> None:
    rows = [*ROWS, "1,0,0,1,one,0,1,-50", "1,0,0,1,3,-3,0.5,-50", "1,9,0,1,2,0,1,-51"]
    found = problems(written(tmp_path, rows), box_room())
    assert [line for line, _ in found] == [7, 8, 9]
