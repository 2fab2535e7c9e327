from vlmrt_dist.report.claims import claims_of
from vlmrt_dist.report.data import Results
from vlmrt_dist.report.page import report_page
from vlmrt_dist.report.tables import tables_of


def test_the_paper_stands_beside_and_its_numbers_outside_our_range_are_named(
    results: Results,
) -> None:
    study = results.studies[0]
    (table,) = tables_of(study)
    line = next(x for x in table.lines if x[0] == "6")
    ours = table.head.index("MRE [%]")
    assert line[ours : ours + 2] == ("0.24", "0.070")
    assert [table.head[i] for i in table.paper] == [
        "paper's MRE [%]", "paper's iterations", "paper's time [s]", "paper's s / iteration"
    ]  # fmt: skip
    text = report_page(results)
    text = " ".join(text.split())
    assert "D = 6, same_paths: Adam ends at 0.240 % (10 … 90 % of 5 seeds: 0.208 … 0.272)" in text
    assert "the paper prints 0.070 %" in text
    assert claims_of("depth", study.rows) == []  # D = 2 was not run
