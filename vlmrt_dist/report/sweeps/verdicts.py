"""Table of verdicts from all seeds and from two disjoint sets of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmrt_dist.report.claims import Halves


def halves_table(found: Mapping[str, Sequence[Halves]]) -> Any:
    """A rich table with a line for each claim, study by study."""
    from rich.table import Table

    table = Table(title="Verdicts from two disjoint sets of seeds", title_justify="left")
    table.add_column("claim")
    for name in ("seeds", "effect (95 %)", "asked for", "verdict", "the halves"):
        table.add_column(name, no_wrap=name != "the halves")
    for study, some in found.items():
        table.add_section()
        for each in some:
            whole = each.whole
            table.add_row(f"{study}: {whole.claim}", whole.count.partition(" seeds")[0],
                          str(whole.interval), whole.asked, whole.verdict, each.told)  # fmt: skip
    return table
