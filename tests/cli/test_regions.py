"""Commands that choose or check positions share one rule and its options."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.commands import invoke
from tests.towns import hollow_town, under_a_roof
from vlmrt_dist.campaign import read_campaign, write_campaign
from vlmrt_dist.campaign.antenna_space import AntennaSpace
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.scene.paper_room import box_room

PLACES = ("--height", "1.0", "1.6", "--tx-height", "2.0", "2.4", "--region", "-4 -4 0 -4 0 4 -4 4")
REGION = Region(height=(1.0, 1.6), tx_height=(2.0, 2.4), area="-4 -4 0 -4 0 4 -4 4")
SIZE = ("--setups", "2", "--receivers", "3")


def positions(path: Path) -> np.ndarray:
    campaign = read_campaign(path)
    return np.concatenate([campaign.tx, campaign.rx.reshape(-1, 3)])


@pytest.fixture
def town(tmp_path: Path) -> Path:
    return hollow_town().write(tmp_path / "town")


@pytest.mark.parametrize(
    "command",
    [
        ("advise",),
        ("simulate", "--placement", "random", "--max-depth", "1"),
        ("simulate", "--placement", "grid", "--max-depth", "1"),
        ("simulate", "--placement", "vlm", "--max-depth", "1"),
        ("plan", "--placement", "a_optimal", "--refine", "--max-depth", "1",
         "--num-tx-candidates", "2", "--num-rx-candidates", "4"),
    ],
)  # fmt: skip
def test_every_command_keeps_to_heights_and_region(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    result = invoke(*command, *SIZE, *PLACES, "--out", out)
    assert result.exit_code == 0, result.stderr
    campaign = read_campaign(out)
    AntennaSpace(box_room(), REGION).check(campaign)
    np.testing.assert_array_equal(positions(out), positions(out).round(2))


@pytest.mark.parametrize("command", ["advise", "simulate"])
def test_in_a_town_all_stand_in_the_street_without_being_told(
    command: str, town: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.csv"
    kept = ("--max-depth", "1", "--noise-floor-dbm", "-200")
    more = kept if command == "simulate" else ()
    result = invoke(command, "--scene", town, *SIZE, *more, "--out", out)
    assert result.exit_code == 0, result.stderr
    points = positions(out)
    assert not under_a_roof(points).any()
    above = points[:, 2] - 0.05 * points[:, 0]
    assert ((above > 0.98) & (above < 2.02)).all()


def test_given_positions_are_checked_against_a_stated_region(tmp_path: Path) -> None:
    given = tmp_path / "given.csv"
    write_campaign(Campaign(tx=np.array([[-2, 0, 2.2]]), rx=np.array([[[2, 0, 1.5]]])), given)
    arguments = ("simulate", "--campaign", given, "--max-depth", 1, "--out", tmp_path / "o.csv")
    assert invoke(*arguments).exit_code == 0
    result = invoke(*arguments, *PLACES, "--overwrite")
    assert result.exit_code == 2
    assert "setup 1, receiver 1 at (2, 0, 1.5) is outside the region" in result.stderr


def test_a_region_may_be_a_file(tmp_path: Path) -> None:
    ring = [[-4, -4], [0, -4], [0, 4], [-4, 4], [-4, -4]]
    file = tmp_path / "rooms.geojson"
    file.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    out = tmp_path / "out.csv"
    assert invoke("advise", *SIZE, "--region", file, "--out", out).exit_code == 0
    assert positions(out)[:, 0].max() <= 0.0
