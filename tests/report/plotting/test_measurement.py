from pathlib import Path

import numpy as np
import pytest

from tests.inference.made_estimates import estimate
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.inference import VERDICT_WORDS
from vlmrt_dist.inference.quantities import LinkLevels
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.report.plotting.figures import draw_objects
from vlmrt_dist.report.plotting.measurement import MAX_INTERVALS, VERDICT_COLORS, measurement_figure
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room


def case(boxes: int = 4) -> tuple[SceneModel, Campaign, Estimate]:
    """A made-up answer for a room: one link without a path, two at the floor, one an outlier."""
    room = box_room(boxes)
    rng = np.random.default_rng(0)
    levels = rng.uniform(-90.0, -40.0, (3, 8))
    replayed = levels + rng.normal(size=(3, 8))
    replayed[0, 0] = np.nan
    replayed[1, 1] += 20.0
    censored = np.zeros((3, 8), dtype=bool)
    censored[2, :2] = True
    saturated = np.zeros((3, 8), dtype=bool)
    saturated[2, 1] = True
    campaign = random_campaign(room, 3, 8, seed=0).with_rss(levels, 1.0, censored, saturated)
    sigma = room.conductivity(3.5e9)
    count = room.num_objects
    result = estimate(
        names=room.names,
        materials=room.materials,
        conductivity=sigma,
        low=sigma * 0.7,
        high=sigma * 1.4,
        prior=sigma,
        prior_low=sigma * 0.4,
        prior_high=sigma * 2.7,
        fitted=sigma,
        verdict=("estimated",) * count,
        contradicts_prior=(False,) * count,
        links=LinkLevels(levels, np.ones((3, 8)), censored, saturated, replayed, replayed + 0.5),
    )
    return room, campaign, result


@pytest.mark.parametrize("boxes", [4, 60])
def test_a_figure_is_a_whole_png(tmp_path: Path, boxes: int) -> None:
    room, campaign, result = case(boxes)
    path = measurement_figure(room, campaign, result, tmp_path / "a.png", truth=result.fitted)
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content.rstrip()[-8:-4] == b"IEND"
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_figure_is_a_pdf_if_its_name_says_so(tmp_path: Path) -> None:
    path = measurement_figure(*case(), tmp_path / "a.pdf")
    assert path.read_bytes()[:5] == b"%PDF-"


def texts(figure: object) -> str:
    from matplotlib.text import Text

    return "\n".join(item.get_text() for item in figure.findobj(Text))  # type: ignore[attr-defined]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Figures instead of files."""
    figures: list[object] = []

    def keep(figure: object, path: Path) -> Path:
        figures.append(figure)
        return path

    monkeypatch.setattr("vlmrt_dist.report.plotting.measurement.save_figure", keep)
    return figures


def test_large_residuals_are_named_and_floors_explained(drawn: list[object]) -> None:
    measurement_figure(*case(), Path("a.png"))
    found = texts(drawn[0])
    assert "2-2: -" in found  # the outlier: setup 2, receiver 2, measured far below the replayed
    assert found.count("2-2: ") == 1
    assert "1-1: " not in found  # no path, so no residual
    assert "below the receiver's floor" in found
    assert "held out of the fit" in found


def test_objects_that_are_not_drawn_are_counted(drawn: list[object]) -> None:
    room, campaign, result = case(60)
    narrow = np.where(np.arange(65) >= 30, 1.05, 1.4)
    result = estimate(
        **{**vars(result), "low": result.fitted / narrow, "high": result.fitted * narrow}
    )
    measurement_figure(room, campaign, result, Path("a.png"))
    found = texts(drawn[0])
    assert f"{65 - MAX_INTERVALS} objects that are told less about" in found
    assert room.names[64] in found
    assert room.names[29] not in found.splitlines()


def test_names_are_no_mathematics(drawn: list[object]) -> None:
    room, campaign, result = case()
    names = ("$\\frac{$", *room.names[1:])
    measurement_figure(room, campaign, estimate(**{**vars(result), "names": names}), Path("a.png"))
    drawn[0].canvas.draw()  # type: ignore[attr-defined]
    assert "$\\frac{$" in texts(drawn[0])


def test_every_verdict_has_its_place_in_the_legend(drawn: list[object]) -> None:
    room, campaign, result = case()
    verdicts = (*VERDICT_COLORS, *["weak"] * 2)
    measurement_figure(
        room, campaign, estimate(**{**vars(result), "verdict": verdicts}), Path("a.png")
    )
    found = texts(drawn[0]).splitlines()
    missing = {verdict for verdict in VERDICT_COLORS if VERDICT_WORDS[verdict] not in found}
    assert missing == {"fixed"}  # what was given has no interval


def test_objects_are_drawn_low_ones_first() -> None:
    from matplotlib.figure import Figure

    room = box_room()
    axes = Figure().subplots()
    colors = [f"#{k:02x}0000" for k in range(room.num_objects)]
    draw_objects(axes, room, colors)
    reds = [c.get_facecolor()[0][0] for c in axes.collections if len(c.get_paths())]
    assert round(255 * reds[0]) == room.names.index("floor")
