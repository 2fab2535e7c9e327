from tests.inference.made_estimates import estimate


def test_the_table_shows_every_object() -> None:
    text = str(estimate())
    for word in ("floor", "brick", "0.0291", "estimated", "not identified", "fixed", "S/m"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 200
    assert "mean relative error" not in text  # the truth is not known
    assert "held-out" not in text


def test_names_are_not_taken_for_markup() -> None:
    assert "[bold]x" in str(estimate())
