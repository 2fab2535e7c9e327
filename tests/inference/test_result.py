import json

import numpy as np
import pytest

from tests.inference.made_estimates import LINKS, NAN, estimate
from vlmrt_dist.inference.quantities import root_mean_square


def test_the_table_is_text_in_a_notebook_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = str(estimate())
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert str(estimate()) == plain


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
