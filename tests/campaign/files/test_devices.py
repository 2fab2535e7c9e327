"""Antennas of devices: in columns of a measurement file, and in a table beside it."""

import math
from pathlib import Path

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.campaign.files.test_patterns import csv_text
from tests.commands import invoke
from vlmrt_dist.campaign import (
    Antenna,
    Antennas,
    Campaign,
    planar_array,
    random_campaign,
    with_devices,
)
from vlmrt_dist.campaign.files.read_write import read_campaign, write_campaign
from vlmrt_dist.campaign.pattern_table import PatternTable
from vlmrt_dist.errors import CampaignError, MeasurementFileError

HEAD = "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm"


def plan() -> Campaign:
    return Campaign(
        np.array([[0.0, 0.0, 2.0], [4.0, 0.0, 2.0]]),
        np.array([[[1.0, 1.0, 1.0], [2.0, 1.0, 1.0]], [[1.0, 1.0, 1.0], [3.0, 3.0, 1.0]]]),
    )


def of(campaign: Campaign) -> Antennas:
    assert campaign.antennas is not None
    return campaign.antennas


def file_of(folder: Path, *lines: str, name: str = "levels.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    sector = Antenna("tr38901", "cross", (0.5, 0.1, -0.2), elements=planar_array(2, 3), name="mast")
    tx = [sector.replace(port=7), Antenna("dipole", 0.3)]
    campaign = plan().with_antennas(tx, Antenna(polarization="H"))
    campaign = campaign.with_rss(np.full((2, 2), -60.0))
    file = write_campaign(campaign, tmp_path / f"a{suffix}")
    again = read_campaign(file)
    assert of(again).pairs.tolist() == [[1, 1], [1, 1]]
    for one, other in zip(of(again).kinds, of(campaign).kinds, strict=True):
        np.testing.assert_allclose(one.orientation, other.orientation, atol=1e-12)
        assert one.slants == pytest.approx(other.slants)
        np.testing.assert_array_equal(one.element_positions, other.element_positions)
        assert (one.pattern, one.port, one.name) == (other.pattern, other.port, other.name)
    plain = plan().with_antennas().with_rss(np.full((2, 2), -60.0))
    assert read_campaign(write_campaign(plain, tmp_path / f"b{suffix}")).key == plain.key


def test_ports_are_links_of_their_own(tmp_path: Path) -> None:
    rows = [f"0,0,2,1,1,1,{-60 - 3 * t - r},VH,{t},VH,{r}" for t in (0, 1) for r in (0, 1)]
    head = f"{HEAD},tx_polarization,tx_port,rx_polarization,rx_port"
    campaign = read_campaign(file_of(tmp_path, head, *rows))
    assert (campaign.num_setups, campaign.num_receivers) == (2, 2)
    assert campaign.rss_dbm is not None
    assert campaign.rss_dbm.tolist() == [[-60.0, -61.0], [-63.0, -64.0]]
    named = [row + ",a" for row in rows]
    with pytest.raises(MeasurementFileError, match="another antenna, or port"):
        read_campaign(file_of(tmp_path, head + ",setup", *named))
    without = file_of(tmp_path, f"{HEAD},tx_polarization,rx_polarization", "0,0,2,1,1,1,-60,VH,V")
    with pytest.raises(MeasurementFileError, match=r"2 pairs of ports"):
        read_campaign(without)


@pytest.mark.parametrize(
    ("columns", "cells", "remedy"),
    [
        ("tx_yaw", ["1.5708"], "tx_yaw_rad or tx_yaw_deg"),
        ("tx_yaw_rad", ["90"], "are they degrees"),
        ("tx_yaw", ["720"], "more than a turn"),
        ("tx_yaw [m]", ["3"], None),
        ("tx_pattern", ["yagi"], "nor a pattern file beside"),
        ("tx_pattern", ["../secret.csv"], "nor a pattern file beside"),
        ("tx_pattern", ["/etc/passwd"], "nor a pattern file beside"),
        ("rx_polarization", ["X"], "V, H, VH, cross"),
        ("tx_array_rows", ["0"], "whole number from 1"),
        ("tx_port", ["3"], "ports 0 to 0"),
        ("tx_yaw", ["north"], "tx_yaw"),
    ],
)
def test_bad_antennas_are_told_with_a_remedy(
    tmp_path: Path, columns: str, cells: list[str], remedy: str | None
) -> None:
    file = file_of(tmp_path, f"{HEAD},{columns}", *(f"0,0,2,1,1,1,-60,{cell}" for cell in cells))
    if remedy is None:  # a unit of another kind: not understood, and so not used
        with pytest.warns(UserWarning, match="columns not used"):
            assert read_campaign(file).antennas is None
        return
    with pytest.raises(MeasurementFileError, match=remedy):
        read_campaign(file)


def test_radians_by_their_heading(tmp_path: Path) -> None:
    file = file_of(tmp_path, f"{HEAD},tx_yaw_rad,tx_pattern", "0,0,2,1,1,1,-60,1.5,tr38901")
    with pytest.warns(UserWarning, match="receivers are not stated"):
        campaign = read_campaign(file)
    assert of(campaign).kinds[of(campaign).tx[0]].orientation[0] == pytest.approx(1.5)


def test_a_table_of_devices(tmp_path: Path) -> None:
    file_of(tmp_path, csv_text(), name="panel.csv")
    table = file_of(
        tmp_path,
        "device,setup,x,y,z,pattern,yaw,look_at_x,look_at_y,look_at_z,tx_power_dbm",
        "tx,,,,,tr38901,90,,,,",
        "tx,2,,,,panel.csv,,4,5,2,30",
        "rx,,,,,dipole,,,,,",
        "rx,,3,3,1,hw_dipole,,,,,",
        name="devices.csv",
    )
    campaign = with_devices(plan(), table)
    first, second = (of(campaign).kinds[k] for k in of(campaign).tx)
    assert first.orientation == (math.pi / 2, 0.0, 0.0)
    assert isinstance(second.pattern, PatternTable)
    assert second.power_dbm == 30.0
    assert second.orientation[0] == pytest.approx(math.pi / 2)
    patterns = [[of(campaign).kinds[k].pattern for k in row] for row in of(campaign).rx]
    assert patterns == [["dipole", "dipole"], ["dipole", "hw_dipole"]]
    with pytest.raises(CampaignError, match="table of devices"):
        write_campaign(campaign, tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("lines", "remedy"),
    [
        (["pattern", "iso"], "lacks the column device"),
        (["device,pattern", "bs,iso"], "must be tx or rx"),
        (["device,setup,pattern", "tx,9,iso"], "no device of the campaign is this one"),
        (["device,x,y,pattern", "tx,0,0,iso"], "go together"),
        (["device,yaw,look_at_x,look_at_y,look_at_z", "tx,10,1,1,1"], "not both"),
        (["device,look_at_x,look_at_y,look_at_z", "tx,0,0,2"], "direction"),
        (["device,polarization", "tx,VH"], "pairs of ports"),
        (["device,tx_power_dbm", "tx,1000"], "between -300 and 300"),
    ],
)
def test_bad_tables_are_told_with_a_remedy(tmp_path: Path, lines: list[str], remedy: str) -> None:
    with pytest.raises(MeasurementFileError, match=remedy):
        with_devices(plan(), file_of(tmp_path, *lines))


@pytest.mark.slow
def test_the_commands_take_a_table(tmp_path: Path) -> None:
    positions, levels = tmp_path / "plan.csv", tmp_path / "levels.csv"
    room = vd.box_room(4)
    write_campaign(random_campaign(room, 2, 4, seed=1), positions)
    table = file_of(tmp_path, "device,pattern,look_at_x,look_at_y,look_at_z",
                    "tx,tr38901,0,0,1", name="devices.csv")  # fmt: skip
    common = ("--scene", "box_room", "--max-depth", "1", "--devices", str(table))
    made = invoke("simulate", *common, "--campaign", str(positions), "--out", str(levels))
    assert made.exit_code == 0, made.stderr
    assert "--devices" in made.stderr
    told = invoke("estimate", *common, "--measurements", str(levels), "--noise-db", "0.5", "--json")
    assert told.exit_code == 0, told.stderr
    without = invoke("estimate", *common[:4], "--measurements", str(levels), "--noise-db", "0.5")
    assert "times the declared noise" in without.stdout
