"""Tests of the patterns of diffuse scattering."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene.scattering_pattern import ScatteringPattern, scattering_density

PATTERNS = [
    ScatteringPattern(),
    ScatteringPattern("directive", 1),
    ScatteringPattern("directive", 7),
    ScatteringPattern("backscattering", 4, 9, 0.3),
]
UP = np.array([0.0, 0.0, 1.0])


def directions(count: int) -> np.ndarray[Any, Any]:
    """Unit vectors of the upper side, each for the same solid angle."""
    z = (np.arange(count) + 0.5) / count
    turn = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    return np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], 1)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("angle", [0.0, 0.7, 1.4])
def test_all_that_is_scattered_goes_somewhere(pattern: ScatteringPattern, angle: float) -> None:
    out = directions(40_000)
    incoming = np.array([[np.sin(angle), 0.0, -np.cos(angle)]])
    density = scattering_density(pattern, incoming, out, UP[None])
    assert density.min() >= 0.0
    assert density.mean() * 2.0 * np.pi == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_those_of_sionna(pattern: ScatteringPattern) -> None:
    from vlmrt_dist.paths import mi, rt

    made: dict[str, Any] = {
        "lambertian": lambda: rt.LambertianPattern(),
        "directive": lambda: rt.DirectivePattern(pattern.alpha_r),
        "backscattering": lambda: rt.BackscatteringPattern(
            pattern.alpha_r, pattern.alpha_i, pattern.lambda_
        ),
    }
    out, incoming = directions(50), -directions(50)[::-1]
    theirs = made[pattern.name]()(mi.Vector3f(*incoming.T), mi.Vector3f(*out.T)).numpy()
    found = scattering_density(pattern, incoming, out, np.tile(UP, (50, 1)))
    np.testing.assert_allclose(found, theirs, rtol=3e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "mirror"}, "no scattering pattern 'mirror'"),
        ({"alpha_r": 0}, "alpha_r"),
        ({"alpha_r": 1.5}, "alpha_r"),
        ({"alpha_i": 1000}, "alpha_i"),
        ({"lambda_": 1.1}, "lambda_"),
        ({"lambda_": float("nan")}, "lambda_"),
        ({"alpha_r": float("inf")}, "alpha_r"),
    ],
)
def test_impossible_patterns_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(MaterialError, match=message):
        ScatteringPattern(**values)


def test_what_has_no_effect_does_not_tell_patterns_apart() -> None:
    assert ScatteringPattern("lambertian", 5, 3, 0.2) == ScatteringPattern()
