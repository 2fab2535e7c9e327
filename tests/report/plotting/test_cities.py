from pathlib import Path

import numpy as np

from tests.towns import hollow_town
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.placement.strategies.random import Random
from vlmrt_dist.report.plotting.cities import COLORS, Panel, city_figure


def test_a_city_is_drawn_in_the_colours_of_its_verdicts(tmp_path: Path) -> None:
    from PIL import Image, ImageColor

    town = hollow_town()
    campaign = Random(Region(height=(1.5, 1.5))).place(town, 2, 5, seed=0)
    kinds = ["unseen", *(["estimated", "fixed"] * 16)]
    path = city_figure([Panel("a town", town, campaign, kinds)], tmp_path / "town.png")
    assert (tmp_path / "town.pdf").stat().st_size > 5_000
    pixels = np.array(Image.open(path).convert("RGB"), dtype=int)

    def share(kind: str) -> float:
        away = np.abs(pixels - np.array(ImageColor.getrgb(COLORS[kind]))).max(axis=2)
        return float((away <= 3).mean())

    assert share("estimated") > 20 * share("weak")  # the legend has both
    with_weak = [k.replace("estimated", "weak") for k in kinds]
    city_figure([Panel("a town", town, campaign, with_weak)], path)
    pixels = np.array(Image.open(path).convert("RGB"), dtype=int)
    assert share("weak") > 20 * share("estimated")
