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
    overwrite: bool = False,
) -> None:
    """Everything in a ledger as one HTML page that needs no network, the paper's numbers beside.

    :param results: folder or URL that sweeps wrote to (--storage)
    :param out: the page to write, .html
    :param figures: write each figure as PNG and PDF to this folder
    :param overwrite: replace a page that is there already, and figures in a folder that is not
        empty
    """
    from vlmrt_dist.report import gather, report_page
    from vlmrt_dist.store import Ledger, write_atomic

    check_target(out, ".html", overwrite=overwrite)
    if figures is not None and not overwrite and figures.is_dir() and any(figures.iterdir()):
        raise StorageError(
            f"the folder {figures} is not empty; name another one, or let figures in it be "
            "replaced with --overwrite"
        )
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
    lines = [
        f"{out}: {len(found.studies)} studies, {sum(len(s.rows) for s in found.studies)} rows, "
        f"{len(text) / 1e6:.1f} MB"
    ]
    if figures is not None:
        from vlmrt_dist.report import write_figures

        written = write_figures(found, figures)
        lines.append(f"{figures}: {len(written)} figures, each as PNG and PDF")
    print_result("\n".join(lines))
