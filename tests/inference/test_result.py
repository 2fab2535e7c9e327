import json

import numpy as np
import pytest

from vlmrt_dist.inference.quantities import LinkLevels, root_mean_square
from vlmrt_dist.inference.result import Estimate
from vlmrt_dist.inference.verdicts import Verdict

NAN = float("nan")
LINKS = LinkLevels(
    measured_dbm=np.array([[-50.0, -95.0, -95.0], [-60.0, -61.0, NAN]]),
    noise_db=np.array([[0.5, 0.5, 0.5], [2.0, 2.0, NAN]]),
    censored=np.array([[False, True, True], [False, False, False]]),
    saturated=np.zeros((2, 3), bool),
    replayed_dbm=np.array([[-51.0, -99.0, -94.0], [-59.0, NAN, NAN]]),
    held_out_dbm=np.array([[-53.0, -90.0, -96.0], [-60.0, NAN, NAN]]),
)


def estimate(**changes: object) -> Estimate:
    verdict: tuple[Verdict, ...] = ("estimated", "not_identified", "fixed")
    sigma = np.array([0.0291, 0.12, 1e7])
    values: dict[str, object] = {
        "names": ("floor", "box [bold]x", "door"),
        "materials": ("brick", "concrete", "metal"),
        "conductivity": sigma,
        "low": sigma * 0.9,
        "high": sigma * 1.1,
        "prior": sigma,
        "prior_low": sigma * 0.4,
        "prior_high": sigma * 2.7,
        "verdict": verdict,
        "contradicts_prior": (False,) * len(verdict),
        "fitted": sigma,
        "outcome": "converged",
        "iterations": 7,
        "losses": np.zeros(0),
        "engine": "replay",
        "optimizer": "levenberg_marquardt",
        "protocol": "measured",
        "combining": "power",
        "noise_db": 0.1,
        "noise_scale": 1.0,
        "residual_db": 0.012,
        "held_out_db": float("nan"),
        "num_links": 24,
        "num_unheard": 0,
        "num_paths": 600,
        "complete_to": 4,
        "num_fragile": 0,
        "max_depth": 4,
        "seconds": {"trace": 1.0, "fit": 0.25},
        "links": LINKS,
    }
    return Estimate(**{**values, **changes})  # type: ignore[arg-type]


def test_the_table_shows_every_object() -> None:
    text = str(estimate())
    for word in ("floor", "brick", "0.0291", "estimated", "not identified", "fixed", "S/m"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 200
    assert "mean relative error" not in text  # the truth is not known
    assert "held-out" not in text


def test_the_table_is_text_in_a_notebook_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = str(estimate())
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert str(estimate()) == plain


def test_names_are_not_taken_for_markup() -> None:
    assert "[bold]x" in str(estimate())


def test_remarks_say_what_has_to_be_known() -> None:
    text = "\n".join(
        estimate(
            num_unheard=2, noise_scale=3.0, complete_to=2, num_fragile=1, held_out_db=0.5
        ).remarks()
    )
    assert "converged after 7 evaluations" in text
    assert "over 22 links" in text
    assert "held-out links 0.5 dB" in text
    assert "3.0 times the declared noise" in text
    assert "2 of 24 measured links" in text
    assert "of the paths with more than 2 interactions some may be missing" in text
    assert "path passes within 0.1 mm of an edge" in text
    assert "conductivity of 1 not identified (box [bold]x)" in text
    assert "vlmrt plan --after" in text
    adam = estimate(optimizer="adam", iterations=300).remarks()[0]
    assert "300 iterations" in adam


def test_remarks_warn_of_what_makes_intervals_doubtful() -> None:
    assert len(estimate().remarks()) == len(estimate(noise_scale=1.0).remarks())
    text = "\n".join(
        estimate(
            contradicts_prior=(True, False, False),
            noise_db=0.0,
            noise_scale=float("nan"),
            outcome="max_iterations",
        ).remarks()
    )
    assert "contradict the prior of floor" in text
    assert "no noise was declared" in text
    assert "too few links to judge the noise" in text
    assert "has not converged" in text


def test_the_dictionary_is_plain_json() -> None:
    text = json.dumps(estimate().to_dict(), allow_nan=False)
    back = json.loads(text)
    assert [o["name"] for o in back["objects"]] == ["floor", "box [bold]x", "door"]
    assert set(back["objects"][0]) >= {
        "name", "material", "conductivity", "low", "high", "prior", "verdict",
    }  # fmt: skip
    for key in ("outcome", "engine", "protocol", "seconds"):
        assert key in back
    assert back["held_out_db"] is None
    assert back["seconds"] == pytest.approx(1.25)


@pytest.mark.parametrize("name", ["noise_scale", "residual_db", "held_out_db"])
def test_no_number_of_the_dictionary_is_infinite(name: str) -> None:
    value = estimate(**{name: float("inf")}).to_dict()
    json.dumps(value, allow_nan=False)


def test_residuals_are_measured_minus_replayed_and_the_floor_hides_what_lies_below_it() -> None:
    np.testing.assert_array_equal(LINKS.residual_db, [[1.0, 0.0, -1.0], [-1.0, NAN, NAN]])
    np.testing.assert_array_equal(LINKS.standardised, [[2.0, 0.0, -2.0], [-0.5, NAN, NAN]])
    np.testing.assert_array_equal(LINKS.held_out_residual_db, [[3.0, -5.0, 0.0], [0.0, NAN, NAN]])


def test_root_mean_square_leaves_out_what_is_no_number() -> None:
    assert root_mean_square(np.array([[3.0, NAN], [4.0, NAN]])) == np.sqrt(12.5)
    assert np.isnan(root_mean_square(np.array([NAN])))
