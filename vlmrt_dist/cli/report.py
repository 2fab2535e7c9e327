"""``vlmrt report``: all that a ledger holds as one page, and as figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.cli.options import check_target
from vlmrt_dist.command_line import described
from vlmrt_dist.console import print_result, say
from vlmrt_dist.errors import StorageError


@described
def report_command(
    results: str = "results",
    /,
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"), metavar="FILE")] = Path("report.html"),
    figures: Annotated[Path | None, Parameter(metavar="FOLDER")] = None,
) -> None:
    """Everything in a ledger as one HTML page that needs no network, the paper's numbers beside.

    :param results: folder or URL that sweeps wrote to (--storage)
    :param out: the page to write, .html
    :param figures: write each figure as PNG and PDF to this folder
    """
    from vlmrt_dist.report import gather, report_page
    from vlmrt_dist.store import Ledger, write_atomic

    check_target(out, ".html")
    found = gather(Ledger(results))
    for sentence in found.damaged:
        say(f"warning: {sentence}")
    if not found.studies:
        raise StorageError(
            f"there are no rows in {results}; name the folder that sweeps wrote to, or make some: "
            f"vlmrt sweep depth --quick --storage {results}"
        )
    text = report_page(found).encode()
    write_atomic(out, text)
    print_result(
        f"{out}: {len(found.studies)} studies, {sum(len(s.rows) for s in found.studies)} rows, "
        f"{len(text) / 1e6:.1f} MB"
    )
    if figures is not None:
        from vlmrt_dist.report import write_figures

        written = write_figures(found, figures)
        print_result(f"{figures}: {len(written)} figures, each as PNG and PDF")
