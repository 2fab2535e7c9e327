"""Named readings of the paper, and what each of them is."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference.options import NoImprovement, StepDecay, StopRule
from vlmrt_dist.inference.readings import READINGS, ReadingName, reading_named


def test_the_readings_are_those_that_options_name() -> None:
    assert tuple(READINGS) == get_args(ReadingName)
    assert all(reading.summary and reading.combining == "power" for reading in READINGS.values())
    assert reading_named("patience") is READINGS["patience"]
    with pytest.raises(ConfigurationError, match=r"use one of literal, small_step"):
        reading_named("generous")


def test_the_literal_reading_is_what_the_paper_prints() -> None:
    adam = READINGS["literal"].solver
    assert (adam.loss, adam.space, adam.rate, adam.decay) == ("nae", "conductivity", 1e-3, None)
    assert adam.stop == StopRule(1e-5, 1e-4, 50, 1)
    assert adam.max_iterations == 1000


def test_each_other_reading_differs_from_it_as_its_name_says() -> None:
    solver = {name: reading.solver for name, reading in READINGS.items()}
    assert solver["small_step"].rate == solver["patience"].rate == 1e-4
    assert isinstance(solver["patience"].stop, NoImprovement)
    assert solver["decibel_squares"].loss == "decibel_squares"
    assert solver["log_conductivity"].space == "log_conductivity"
    # a step of 1e-3 of log10 σ
    assert solver["log_conductivity"].rate == pytest.approx(1e-3 * math.log(10.0))
    assert solver["step_decay"].decay == StepDecay(0.5, 100)


@pytest.mark.parametrize(
    "make",
    [
        lambda: StepDecay(factor=1.0),
        lambda: StepDecay(every=0),
        lambda: StopRule(lag=0),
        lambda: StopRule(patience=-1),
        lambda: StopRule(step_tolerance=math.nan),
        lambda: NoImprovement(patience=0),
        lambda: NoImprovement(loss_tolerance=-1e-5),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ConfigurationError):
        make()
