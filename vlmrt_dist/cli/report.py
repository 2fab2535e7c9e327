"""``vlmrt report``: all that a ledger holds as one page, and as figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmrt_dist.cli.options import check_target, opt
from vlmrt_dist.console import print_result, say
from vlmrt_dist.errors import StorageError

_Results = Annotated[
    str,
    typer.Argument(metavar="RESULTS", help="Folder or URL that sweeps wrote to (--storage)."),
]
_Out = Annotated[Path, typer.Option("--out", "-o", help="The page to write, .html.")]
_Figures = Annotated[
    Path | None, opt("Write each figure as PNG and PDF to this folder.", metavar="FOLDER")
]


def report(results: _Results = "results", out: _Out = Path("report.html"),
           figures: _Figures = None) -> None:  # fmt: skip
    """Everything in a ledger as one HTML page that needs no network, the paper's numbers beside."""
    from vlmrt_dist.report import gather, report_page
    from vlmrt_dist.store import Ledger, write_atomic

    check_target(out, ".html")
    found = gather(Ledger(results))
    for sentence in found.damaged:
        say(f"warning: {sentence}")
    if not found.studies:
        raise StorageError(
            f"there are no rows in {results}; name the folder that sweeps wrote to, or make some: "
            f"python sweeps/depth.py --quick --storage {results}"
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
