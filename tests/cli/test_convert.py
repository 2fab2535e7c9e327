"""``vlmrt convert``, and what estimate says of files that need it."""

from pathlib import Path

import numpy as np
import pytest

from tests.commands import invoke
from vlmrt_dist.campaign.files.read_write import read_campaign

DRIVE = (
    "Longitude;Latitude;CellID;RSRP;NRxRSRP\n"
    "-8,4990;51,8010;2;-95;-\n-8,4980;51,8010;2;-;-101\n-8,4970;51,8010;3;-97;-\n"
)


def test_what_was_understood_is_shown_and_written(tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text(DRIVE)
    (tmp_path / "cells.csv").write_text("cell,lat,lon,height\n2,51.8,-8.5,30\n3,51.8,-8.49,30\n")
    out = tmp_path / "campaign.csv"
    done = invoke(
        "convert", tmp_path / "drive.csv", "--transmitters", tmp_path / "cells.csv",
        "--origin", "51.8,-8.5", "--rx-height", "1.5", "--noise-floor-dbm", "-120", "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    for words in (
        "3 rows; columns are separated by semicolons; numbers have a decimal comma",
        "Longitude  receiver's longitude [°]", "RSRP       level [dBm]",
        "not heard: 1 of 3 readings, censored at -120 dBm", "columns not used: 'NRxRSRP'",
        "3 links of 2 setups", "receivers: x 6", "levels: -97 to -95 dBm", "< -120.00",
    ):  # fmt: skip
        assert words in done.stdout
    campaign = read_campaign(out)
    assert campaign.censored.tolist() == [[False, True], [False, False]]
    np.testing.assert_array_equal(campaign.rss_dbm, [[-95, -120], [-97, np.nan]])
    assert out.read_text().splitlines()[-1].startswith("3,")


def test_options_with_minus_signs_and_columns_of_other_names(tmp_path: Path) -> None:
    (tmp_path / "levels.txt").write_text("E\tN\tPot\n-1\t2\t-110\n-1\t3\t-50\n")
    done = invoke(
        "convert", tmp_path / "levels.txt", "--column", "rx_x=E", "--column", "rx_y=N",
        "--column", "rss_dbm=Pot", "--tx", "-4,0,2", "--rx-height", "1", "--unheard", "-110",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "1 link of 1 setup" in done.stdout
    assert "-4.00  0.00  2.00" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--column", "rss_dbm"), "--column takes FIELD=HEADING"),
        (("--column", "rsrq=RSRP"), "--column does not know 'rsrq'"),
        (("--origin", "51.8"), "--origin must be LATITUDE,LONGITUDE"),
        (("--origin", "here"), "--origin takes LATITUDE,LONGITUDE[,ALTITUDE]; got 'here'"),
        (("--tx", "1,2"), "--tx '1,2' has no height; add it, or give --tx-height"),
        (("--crs", "WGS84"), "--crs must be EPSG:n or utm:32N"),
        (("--out", "campaign.xlsx"), "must end in .csv or .parquet"),
        ((), "--origin LATITUDE,LONGITUDE"),
    ],
)
def test_options_that_are_none(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    (tmp_path / "drive.csv").write_text(DRIVE)
    told = invoke("convert", tmp_path / "drive.csv", *options)
    assert told.exit_code == 2
    assert words in told.stderr


def test_estimate_names_the_command_for_a_file_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "drive.csv").write_text(DRIVE)
    told = invoke("estimate", "--measurements", tmp_path / "drive.csv")
    assert told.exit_code == 2
    assert f"options of vlmrt convert {tmp_path / 'drive.csv'} --out campaign.csv" in told.stderr


def test_positions_are_checked_against_a_scene_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "levels.csv").write_text("x,y,z,rss\n1,1,9,-50\n")
    told = invoke("convert", tmp_path / "levels.csv", "--tx", "0,0,1", "--scene", "box_room")
    assert told.exit_code == 2
    assert "outside the room" in told.stderr
