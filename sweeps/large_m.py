#!/usr/bin/env python3
"""What does tracing cost as the number of links grows, and what do the paths of all of them take?

Random positions in the paper's room, complete path sets, nothing in the cache. Setups are written
to one Arrow file as they are traced, which is then read by memory map and evaluated. Each size is
measured in a process of its own, so that its peak memory is its own; one that the ledger has, from
the same hardware and versions, is not measured again. The smallest is traced once more with other
seeds, and both sets are compared.
"""

import hashlib
import json
from dataclasses import asdict, fields
from typing import Annotated, Any

import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, say, show
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.store import SCHEMA_VERSION, Ledger, Place, Timing, label_of, results_place
from vlmrt_dist.studies import (
    STORAGE_HELP,
    TracingCost,
    hardware,
    in_own_process,
    measure_tracing,
    nothing_timed,
    slope,
)

SIZES, QUICK_SIZES = "3x8,10x10,10x100,100x100", "3x8,10x10,10x50"
MEASURED = 1
"""Part of every key: raise it when something else is timed."""

COLUMNS = {"value": "seconds_gradient", "jacobian": "seconds_jacobian", "peak": "peak_bytes"}
"""What the ledger's columns call it, where that is not the same."""


def main(
    quick: Annotated[bool, typer.Option(help="Up to 500 links, with fewer rays.")] = False,
    sizes: Annotated[str, typer.Option(help="Setups x receivers, instead of the usual.")] = "",
    depth: Annotated[int, typer.Option(min=1, help="Most interactions of a path.")] = 4,
    samples: Annotated[int, typer.Option(min=0, help="Rays of one solve; 0: 100 000.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the positions.")] = 0,
    storage: Annotated[str | None, typer.Option(help=STORAGE_HELP)] = None,
) -> None:
    """Measure, print and draw time and memory against the number of links."""
    folder = results_place(storage)
    wanted = _parsed(sizes or (QUICK_SIZES if quick else SIZES))
    rays = samples or (20_000 if quick else 100_000)
    radio = vd.RadioConfig(max_depth=depth, samples_per_src=rays)
    name = "large_m_quick" if quick else "large_m"
    ledger = Ledger(folder)
    known = {t.key: t for t in ledger.timings(name)}
    costs = []
    for m, n in wanted:
        twice = (m, n) == wanted[0]
        key = _key(m, n, radio, seed, twice)
        cost = _read(known[key]) if key in known else None
        if cost is None:
            cost = in_own_process(measure_tracing, m, n, radio, seed, twice)
            assert cost is not None  # it has no time limit
            ledger.publish_timings(name, [_timing(cost, radio, name, seed, key)])
            say(f"{m} x {n} links: {cost.solver:.0f} s in Sionna, {cost.around:.1f} s around it")
        costs.append(cost)
    show(_table(costs, radio))
    show(*_findings(costs))
    figure = _figure(costs, folder / f"{name}.png")
    show(f"results: {folder}\nfigure: {figure}")


def _parsed(text: str) -> list[tuple[int, int]]:
    """Sizes in growing number of links.

    :raises ConfigurationError: if one is not two whole numbers
    """
    found = []
    for part in text.split(","):
        m, _, n = part.strip().partition("x")
        if not (m.isdecimal() and n.isdecimal() and int(m) > 0 and int(n) > 0):
            raise ConfigurationError(f"--sizes: {part!r} is no size; write setups x receivers, 3x8")
        found.append((int(m), int(n)))
    return sorted(found, key=lambda size: size[0] * size[1])


def _what(num_setups: int, num_receivers: int, seed: int, twice: bool) -> dict[str, Any]:
    return {"setups": num_setups, "receivers": num_receivers, "seed": seed, "twice": twice}


def _key(m: int, n: int, radio: vd.RadioConfig, seed: int, twice: bool) -> str:
    parts = [_what(m, n, seed, twice), radio.key, hardware(), engine_versions(), SCHEMA_VERSION,
             MEASURED]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _timing(cost: TracingCost, radio: vd.RadioConfig, study: str, seed: int, key: str) -> Timing:
    """A row of the ledger; what it has no column for is in the label."""
    have = {f.name for f in fields(Timing)}
    values = {COLUMNS.get(name, name): value for name, value in asdict(cost).items()}
    what = _what(cost.num_setups, cost.num_receivers, seed, cost.only_one is not None)
    label = json.dumps(what | {n: v for n, v in values.items() if n not in have})
    known = {name: value for name, value in values.items() if name in have}
    trace = cost.solver + cost.around
    return nothing_timed(study, key, label, "replay", radio, seconds_trace=trace, **known)


def _read(timing: Timing) -> TracingCost | None:
    """What a row of the ledger says; None where somebody else has written it."""
    values = asdict(timing) | (label_of(timing) or {})
    try:
        return TracingCost(**{f.name: values[COLUMNS.get(f.name, f.name)]
                              for f in fields(TracingCost)})  # fmt: skip
    except KeyError:
        return None


def _table(costs: list[TracingCost], radio: vd.RadioConfig) -> Any:
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


def _findings(costs: list[TracingCost]) -> list[str]:
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


def _figure(costs: list[TracingCost], path: Place) -> Place:
    from matplotlib.figure import Figure

    from vlmrt_dist.report import save_figure

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


if __name__ == "__main__":
    run_script(main, __doc__)
