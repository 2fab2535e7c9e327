import pytest

from tests.report.made_rows import DEPTH
from vlmrt_dist.console import show
from vlmrt_dist.report.paper import Printed
from vlmrt_dist.report.paper_comparison import comparison


def test_the_table_holds_the_papers_numbers_and_units(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(*comparison("Table 1", "max_depth", "D", {4: Printed(0.467, 1370.49, 409, 3.35)}, DEPTH))
    text = capsys.readouterr().out
    for expected in ("0.467", "1370", "409", "3.35", "tracing [s]", "MRE [%]", "same_paths"):
        assert expected in text
