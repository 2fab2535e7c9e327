from tests.inference.made_estimates import estimate
from vlmrt_dist.inference.result_tables import _heading


def test_the_table_shows_every_object() -> None:
    text = str(estimate())
    for word in ("floor", "brick", "0.0291", "estimated", "not identified", "fixed", "S/m"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 200
    assert "mean relative error" not in text  # the truth is not known
    assert "held-out" not in text


def test_names_are_not_taken_for_markup() -> None:
    assert "[bold]x" in str(estimate())


def test_an_abbreviation_in_a_heading_is_written_in_capitals() -> None:
    assert _heading("xpd_coefficient") == "XPD coefficient"
    assert _heading("relative_permittivity") == "Relative permittivity"
