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

    title = f"tracing against links (every path, D = {radio.max_depth})"
    table = Table(title=title, title_justify="left")
    columns = (
        "M×N", "links", "paths", "search [s]", "around [s]", "processor [s]", "complete to",
        "peak [GB]", "file [MB]", "map [ms]", "one [ms]", "copy [ms]", "mapped [MB]",
        "copied [MB]", "value+grad [ms]", "Jacobian [ms]", "load",
    )  # fmt: skip
    for name in columns:
        # Escaped, for [s] would strike through.
        table.add_column(escape(name).replace(" ", "\n", 1), justify="right", no_wrap=True)
    for c in costs:
        table.add_row(
            f"{c.num_setups}×{c.num_receivers}", str(c.num_links), str(c.num_paths),
            f"{c.search:.3g}", f"{c.around:.3g}", f"{c.processor:.3g}", f"D = {c.complete_to}",
            f"{c.peak / 1e9:.2f}",
            f"{c.file / 1e6:.1f}", f"{1e3 * c.load:.2f}", f"{1e3 * c.one:.2f}",
            f"{1e3 * c.copy:.2f}", f"{c.load_memory / 1e6:.1f}", f"{c.copy_memory / 1e6:.1f}",
            f"{1e3 * c.value:.2f}", f"{1e3 * c.jacobian:.2f}", f"{c.busy:.1f}",
        )  # fmt: skip
    return table


def links_findings(costs: Sequence[TracingCost]) -> list[str]:
    """Fragile paths, differences from Sionna's solves, and growth, in sentences."""
    links = [c.num_setups * c.num_receivers for c in costs]
    lines = [
        "map, one, copy: reading the file by memory map, one setup of it, and with a copy of every "
        "column, all compared with the content hash; mapped, copied: memory of the process's own",
        ", ".join(f"{c.fragile} of {c.num_paths}" for c in costs)
        + " paths pass within 0.1 mm of an edge",
    ]
    for c in costs:
        if c.difference_db is not None:
            lines.append(
                f"{c.num_setups} x {c.num_receivers}: a union of Sionna's solves lacks "
                f"{c.only_exact} of the paths and has {c.only_sampled} others; a link differs by "
                f"{c.difference_db:.1e} dB at most"
            )
    for name in ("search", "around", "peak", "file", "load", "value", "jacobian"):
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
        ("search", "searching for the paths"),
        ("around", "geometry, table, file"),
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
