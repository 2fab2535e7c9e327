from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.options import ADAMS, Adam, LevenbergMarquardt, Noise, Parameters, Prior

INFINITE, NO_NUMBER = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Prior, {"width": 0.0}, "width must be positive"),
        (Prior, {"width": NO_NUMBER}, "width must be positive"),
        (Parameters, {"quantities": ()}, "at least one"),
        (Parameters, {"quantities": ("conductivity",) * 2}, "each only once"),
        (Parameters, {"quantities": ("colour",)}, "unknown quantity 'colour'.*exponent"),
        (Parameters, {"quantities": "conductivity"}, "takes several names"),
        (Parameters, {"fixed": "floor"}, "takes several names"),
        (Parameters, {"groups": "colour"}, "groups must be 'material'.*'colour'"),
        (Parameters, {"widths": {"colour": 1.0}}, "unknown quantity 'colour'"),
        (Parameters, {"widths": {"conductivity": 1.0}}, r"Prior\(width=...\)"),
        (Parameters, {"widths": {"thickness": 0.0}}, "widths must be positive"),
        (Noise, {"db": -1.0}, "db must be a finite number"),
        (Noise, {"db": NO_NUMBER}, "db must be a finite number"),
        (Noise, {"db": np.array([[0.1, -0.1]])}, "db must be a finite number"),
        (Noise, {"quantisation_db": -1.0}, "quantisation_db"),
        (Noise, {"position_error_m": INFINITE}, "position_error_m"),
        (Noise, {"gain_offset_db": 0.0}, "gain_offset_db must be a positive number"),
        (Noise, {"gain_shared": "device"}, "give gain_offset_db"),
        (Noise, {"gain_offset_db": 1.0, "gain_shared": "side"}, "one of setup, device.*'side'"),
        (Noise, {"gain_offset_db": 1.0, "gain_shared": {"roof": "a"}}, "by their number.*'roof'"),
        (Noise, {"gain_offset_db": 1.0, "gain_shared": {0: "a"}}, "counted from 1"),
        (Noise, {"gain_offset_db": 1.0, "gain_shared": {1: " "}}, "no name of a device"),
        (LevenbergMarquardt, {"loss": "nae"}, "unknown loss 'nae'.*huber"),
        (LevenbergMarquardt, {"initial": "gpt"}, "unknown initial 'gpt'.*itu"),
        (LevenbergMarquardt, {"max_evaluations": 0}, "max_evaluations"),
        (LevenbergMarquardt, {"folds": -1}, "folds"),
        (Adam, {"space": "decibels"}, "unknown space 'decibels'"),
        (Adam, {"engine": "guess"}, "unknown engine 'guess'.*replay"),
        (Adam, {"initial": "gpt"}, "unknown initial 'gpt'"),
        (Adam, {"rate": INFINITE}, "rate of Adam must be positive and finite"),
        (Adam, {"max_iterations": 0}, "max_iterations"),
        (Adam, {"loss": "huber"}, "unknown loss 'huber'; use one of nae, decibel_squares"),
    ],
)
def test_a_value_that_makes_no_sense_cannot_be_made(
    kind: type, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        kind(**options)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Prior, {"width": "0.5"}),
        (Prior, {"correlation": "0.5"}),
        (Noise, {"db": "1"}),
        (Noise, {"gain_offset_db": True}),
        (Noise, {"clutter_db_per_sqrt_m": "much"}),
        (LevenbergMarquardt, {"max_total": "many"}),
        (Adam, {"rate": "1e-3"}),
        (Parameters, {"widths": {"thickness": "0.1"}}),
    ],
)
def test_a_text_is_no_number(kind: Callable[..., object], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="number"):
        kind(**options)


@pytest.mark.parametrize("options", [{"starts": 2}, {"check": True}, {"folds": 5}])
def test_adam_has_no_options_of_least_squares(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Adam(**options)


def test_least_squares_cannot_be_retraced() -> None:
    options: dict[str, Any] = {"engine": "retrace"}
    with pytest.raises(TypeError):
        LevenbergMarquardt(**options)


def test_lists_of_names_become_tuples() -> None:
    listed: Any = ["floor"]
    assert Parameters(fixed=listed).fixed == ("floor",)


def test_the_adams_of_studies_are_the_papers_a_finer_one_and_one_on_logarithms() -> None:
    assert [a.rate for a in ADAMS.values()] == [1e-3, 1e-4, 1e-2]
    assert [a.name for a in ADAMS.values()] == ["adam", "adam", "adam_log"]
