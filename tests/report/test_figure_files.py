from pathlib import Path

import pytest

from vlmrt_dist.report.charts import charts_of
from vlmrt_dist.report.data import Results
from vlmrt_dist.report.figure_files import write_figures


@pytest.mark.slow
def test_figures_are_written_twice(results: Results, tmp_path: Path) -> None:
    written = write_figures(results, tmp_path)
    charts = [c for s in results.studies for c in charts_of(s)]
    assert len(written) == len(charts) + 2  # the plans of depth and mine
    for file in written:
        assert file.read_bytes().startswith(b"\x89PNG")
        assert file.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
