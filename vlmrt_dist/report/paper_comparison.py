"""Tables of our rows beside the numbers that the paper prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlmrt_dist.report.paper import Printed
from vlmrt_dist.store import Row

OPTIMIZER_NAMES = {
    "adam": "Adam, as the paper",
    "adam_fine": "Adam, η = 1e-4",
    "adam_log": "Adam on ln σ",
    "levenberg_marquardt": "Levenberg-Marquardt",
    "map": "Levenberg-Marquardt with the prior",
}


STEP_NOTE = (
    "† Adam circles the answer at a distance proportional to its step, as the gradient of loss "
    "(8) does not fade: η = 1e-3 S/m is 6 % of marble's conductivity. A tenth of it goes below."
)
CUT_NOTE = (
    "‡ the path search passed its budget: some paths of more than {depth} interactions may be "
    "missing"
)

MISSING_NOTE = (
    "§ the estimate rests on one solve, which misses paths that the truth has: the error is theirs"
)


def comparison(
    title: str,
    column: str,
    symbol: str,
    paper: Mapping[Any, Printed | None],
    rows: Sequence[Row],
) -> list[Any]:
    """A rich table of our numbers, each followed by the paper's, and its footnotes.

    Ours are medians over the seeds, the error with its 10 % and 90 % quantiles. Tracing is done
    once for all seeds; fitting is the time of one seed (Adam's seeds run side by side).

    :param column: field of a row that the paper's table varies
    :param symbol: its symbol in the paper
    :param paper: the printed numbers of each value; None where there are none
    """
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(symbol, no_wrap=True)
    table.add_column("method", no_wrap=True)
    table.add_column("protocol", no_wrap=True)
    for name in (
        "MRE [%]", "paper", "10 … 90 % [%]", "fit [s]", "paper", "iter.", "paper", "s / iter.",
        "paper", "tracing [s]", "held out [dB]",
    ):  # fmt: skip
        style = "dim" if name == "paper" else None
        # Escaped, for [s] would strike through.
        table.add_column(escape(name), justify="right", no_wrap=True, style=style)
    notes: dict[str, None] = {}  # an ordered set
    for value, printed in paper.items():
        table.add_section()
        for (optimizer, protocol), some in groups(rows, column, value):
            mre = 100.0 * np.array([r.mre for r in some])
            fit = np.array([r.seconds_fit for r in some])
            iterations = np.array([r.iterations for r in some])
            low, high = np.quantile(mre, [0.1, 0.9])
            mark = ""
            if some[0].protocol == "independent" and some[0].path_set == "single_solve":
                mark = " §"
                notes[MISSING_NOTE] = None
            elif optimizer == "adam" and printed and np.median(mre) > printed.mre:
                mark = " †"
                notes[STEP_NOTE] = None
            elif cut_off(some[0]):
                mark = " ‡"
                notes[CUT_NOTE.format(depth=some[0].complete_to)] = None
            table.add_row(
                str(value),
                OPTIMIZER_NAMES[optimizer],
                protocol,
                _percent(float(np.median(mre))) + mark,
                f"{printed.mre:.3f}" if printed else "",
                f"{_percent(low)} … {_percent(high)}",
                f"{np.median(fit):.2g}",
                f"{printed.seconds:.0f}" if printed else "",
                f"{np.median(iterations):.0f}",
                str(printed.iterations) if printed else "",
                f"{np.median(fit / np.maximum(iterations, 1)):.1e}",
                f"{printed.per_iteration:.2f}" if printed else "",
                f"{some[0].seconds_trace:.1f}",
                f"{np.median([r.held_out_db for r in some]):.1e}",
            )
    return [table, *notes]


def groups(rows: Sequence[Row], column: str, value: Any) -> list[tuple[tuple[str, str], list[Row]]]:
    """The rows with ``value`` in ``column``, by (optimizer, protocol)."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if getattr(row, column) == value:
            groups.setdefault((row.optimizer, row.protocol), []).append(row)
    return sorted(groups.items())


def _percent(value: float) -> str:
    if value >= 1.0:
        return f"{value:.3g}"
    return f"{value:.3f}" if value >= 5e-4 else f"{value:.0e}"


def cut_off(row: Row) -> bool:
    """Whether the path search passed its budget, so that deep paths may be missing."""
    return 0 <= row.complete_to < row.max_depth
