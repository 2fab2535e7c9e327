import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.report.plotting.figures import positions_figure
from vlmrt_dist.scene.paper_room import box_room

RED, GREEN = (215, 25, 28), (26, 150, 65)


def pixels(path: Path) -> np.ndarray:
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def amount(image: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((np.abs(image - np.array(color)).max(axis=2) <= 8).sum())


@pytest.mark.parametrize("num_setups", [1, 20])
def test_transmitters_are_red_and_receivers_green(tmp_path: Path, num_setups: int) -> None:
    room = box_room()
    few = random_campaign(room, num_setups, 2, seed=0)
    image = pixels(positions_figure(room, few, tmp_path / "a.png"))
    many = random_campaign(room, num_setups, 30, seed=0)
    fuller = pixels(positions_figure(room, many, tmp_path / "b.png"))
    assert amount(image, RED) > 50 * num_setups
    assert amount(image, GREEN) > 2 * num_setups
    assert amount(fuller, GREEN) > amount(image, GREEN) + 10 * num_setups


def test_setups_are_told_apart_by_colour(tmp_path: Path) -> None:
    room = box_room()
    campaign = random_campaign(room, 3, 4, seed=0)
    image = pixels(positions_figure(room, campaign, tmp_path / "a.png"))
    for color in ((31, 119, 180), (255, 127, 14), (44, 160, 44)):
        assert amount(image, color) > 30


def test_reasons_are_printed_beside_the_plan(tmp_path: Path) -> None:
    room = box_room()
    campaign = random_campaign(room, 2, 3, seed=0)
    plain = pixels(positions_figure(room, campaign, tmp_path / "a.png"))
    silent = pixels(positions_figure(room, campaign, tmp_path / "b.png", reasons=[""] * 8))
    said = pixels(
        positions_figure(room, campaign, tmp_path / "c.png", reasons=["through $the$ box"] * 8)
    )
    assert np.array_equal(plain, silent)
    assert said.shape[1] > plain.shape[1] + 300
    assert (said[:, plain.shape[1] :] < 100).any()


def test_more_reasons_than_fit_are_counted_not_drawn_over_each_other(tmp_path: Path) -> None:
    room = box_room()
    campaign = random_campaign(room, 20, 8, seed=0)
    one = random_campaign(room, 1, 8, seed=0)
    long = ["word " * 60] * 180
    image = pixels(positions_figure(room, campaign, tmp_path / "a.png", reasons=long))
    single = pixels(positions_figure(room, one, tmp_path / "b.png", reasons=long[:9]))
    assert image.shape[0] == single.shape[0]


def test_reasons_must_match_the_positions(tmp_path: Path) -> None:
    room = box_room()
    setups = [
        MeasurementSetup(np.array([0.0, 0.0, 1.5]), np.array([[1.0, 1.0, 1.0]] * n)) for n in (1, 3)
    ]
    uneven = Campaign.from_setups(setups)
    assert positions_figure(room, uneven, tmp_path / "a.png", reasons=["because"] * 6).is_file()
    with pytest.raises(ConfigurationError, match="each of 6 positions; got 8"):
        positions_figure(room, uneven, tmp_path / "b.png", reasons=["because"] * 8)
    assert not (tmp_path / "b.png").exists()


def test_a_pdf_where_the_name_asks_for_one_and_equal_figures_are_equal_files(
    tmp_path: Path,
) -> None:
    room = box_room()
    campaign = random_campaign(room, 1, 3, seed=0)
    for suffix, head in ((".pdf", b"%PDF"), (".PDF", b"%PDF"), (".png", b"\x89PNG")):
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        positions_figure(room, campaign, first, title="costs $5 and $6")
        positions_figure(room, campaign, second, title="costs $5 and $6")
        assert first.read_bytes().startswith(head)
        assert first.read_bytes() == second.read_bytes()
