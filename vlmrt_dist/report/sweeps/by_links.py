"""Cost of tracing against the number of links M · N."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmrt_dist.campaign import RadioConfig
from vlmrt_dist.report.plotting.figures import save_figure
from vlmrt_dist.store import Place
from vlmrt_dist.studies import TracingCost, slope


def links_table(costs: Sequence[TracingCost], radio: RadioConfig) -> Any:
    """A rich table of times and memory."""
    from rich.markup import escape
    from rich.table import Table

    title = f"tracing against links (D = {radio.max_depth}, {radio.samples_per_src} rays a solve)"
    table = Table(title=title, title_justify="left")
    columns = (
        "M×N", "links", "paths", "Sionna [s]", "around [s]", "share [%]", "last added",
        "peak [GB]", "file [MB]", "map [ms]", "one [ms]", "copy [ms]", "mapped [MB]",
        "copied [MB]", "value+grad [ms]", "Jacobian [ms]", "load",
    )  # fmt: skip
    for name in columns:
        # Escaped, for [s] would strike through.
        table.add_column(escape(name).replace(" ", "\n", 1), justify="right", no_wrap=True)
    for c in costs:
        table.add_row(
            f"{c.num_setups}×{c.num_receivers}", str(c.num_links), str(c.num_paths),
            f"{c.solver:.1f}", f"{c.around:.2f}",
            f"{100 * c.around / c.solver:.1f}", f"{c.incomplete:.0e}", f"{c.peak / 1e9:.2f}",
            f"{c.file / 1e6:.1f}", f"{1e3 * c.load:.2f}", f"{1e3 * c.one:.2f}",
            f"{1e3 * c.copy:.2f}", f"{c.load_memory / 1e6:.1f}", f"{c.copy_memory / 1e6:.1f}",
            f"{1e3 * c.value:.2f}", f"{1e3 * c.jacobian:.2f}", f"{c.busy:.1f}",
        )  # fmt: skip
    return table


def links_findings(costs: Sequence[TracingCost]) -> list[str]:
    """Shares, differences between seeds, and growth, in sentences."""
    links = [c.num_setups * c.num_receivers for c in costs]
    share = [c.around / c.solver for c in costs]
    lines = [
        "map, one, copy: reading the file by memory map, one setup of it, and with a copy of every "
        "column, all compared with the content hash; mapped, copied: memory of the process's own",
        f"extraction and de-duplication take {100 * min(share):.1f} to {100 * max(share):.1f} % of "
        "the time inside Sionna",
    ]
    for c in costs:
        if c.difference_db is not None:
            lines.append(
                f"{c.num_setups} x {c.num_receivers}: a set of other seeds differs in {c.only_one} "
                f"paths, and by {c.difference_db:.1e} dB on a link at most"
            )
    for name in ("solver", "around", "peak", "file", "load", "value", "jacobian"):
        values = [float(getattr(c, name)) for c in costs]
        lines.append(f"{name}: log-log slope {slope(links, values):.2f}")
    return lines


def links_figure(costs: Sequence[TracingCost], path: Place) -> Place:
    """Draw seconds against links."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5.0), layout="constrained")
    axes = figure.subplots()
    links = [c.num_setups * c.num_receivers for c in costs]
    for name, label in (
        ("solver", "tracing (Sionna)"),
        ("around", "tracing (around it)"),
        ("copy", "reading the file, with a copy"),
        ("load", "reading the file, by memory map"),
        ("jacobian", "sparse Jacobian"),
        ("value", "value and gradient"),
    ):
        axes.plot(links, [getattr(c, name) for c in costs], "o-", label=label)
    axes.set(xscale="log", yscale="log", xlabel="links M · N", ylabel="seconds")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return save_figure(figure, path)
