from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlmrt_dist.prediction import Evaluation, ModelErrors
from vlmrt_dist.report.plotting.evaluation import COLOURS, evaluation_figure


def made(count: int) -> Evaluation:
    rng = np.random.default_rng(0)
    distance = rng.uniform(1.0, 40.0, count)
    level = -40.0 - 20.0 * np.log10(distance)
    models = []
    for size, name in ((2.0, "calibrated scene"), (5.0, "log-distance")):
        error = size * rng.standard_normal(count)
        models.append(ModelErrors(name, "", level + error, error))
    setup = np.arange(count) % 3
    return Evaluation(setup, setup, distance, level, tuple(models), "none", "nothing fitted", {})


@pytest.mark.parametrize("count", [1, 200])
def test_errors_are_drawn(tmp_path: Path, count: int) -> None:
    path = tmp_path / "errors.png"
    evaluation_figure(made(count), path, title="a $cene")
    with Image.open(path) as image:
        pixels = np.array(image)[..., :3].reshape(-1, 3)
    for colour in COLOURS[:2]:
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (pixels == wanted).all(axis=1).any()


def test_every_model_has_a_colour_of_its_own() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == 6
