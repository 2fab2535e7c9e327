#!/usr/bin/env python3
"""What does an estimation cost as the number of objects K grows, with 4 links for each object?

The room is `box_room`, its links look through the boxes one after another, the truth is simulated
on the estimator's own paths (protocol same_paths), without noise. Each size is measured in a
process of its own, so that its peak memory is its own. The paper calls the super-linear growth of
its backward time "a significant computational bottleneck, making the inverse problem intractable
for complex, real-world scenes with many materials".
"""

import hashlib
import json
from typing import Annotated, Any

import typer

import vlmrt_dist as vd
from vlmrt_dist.cost import FIXED_PATHS, Cost, in_own_process, measure_replay, measure_retrace
from vlmrt_dist.engine_timing import slope
from vlmrt_dist.ledger import SCHEMA_VERSION, Ledger, Timing
from vlmrt_dist.report import STORAGE_HELP, show, storage_folder
from vlmrt_dist.storage import Place
from vlmrt_dist.study import hardware
from vlmrt_dist.study_point import engine_versions
from vlmrt_dist.terminal import run_script, say

SIZES, QUICK_SIZES = (9, 15, 30, 100, 300, 1000, 2000), (9, 30, 100)
RECEIVERS = 16


def main(
    quick: Annotated[bool, typer.Option(help="Up to K = 100, without retrace.")] = False,
    sizes: Annotated[str, typer.Option(help="Numbers of objects, instead of the usual.")] = "",
    depth: Annotated[int, typer.Option(min=1, help="Most interactions of a path.")] = 2,
    samples: Annotated[int, typer.Option(min=1, help="Rays of one solve.")] = 20_000,
    budget: Annotated[float, typer.Option(min=0.0, help="Seconds for retrace at one size.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed of positions and truth.")] = 0,
    storage: Annotated[str | None, typer.Option(help=STORAGE_HELP)] = None,
) -> None:
    """Measure, print and draw time and memory against K."""
    folder = storage_folder(storage)
    wanted = [int(k) for k in sizes.split(",")] if sizes else QUICK_SIZES if quick else SIZES
    radio = vd.RadioConfig(max_depth=depth, samples_per_src=samples)
    paper = vd.RadioConfig.paper(max_depth=depth)
    name = "large_k_quick" if quick else "large_k"
    ledger = Ledger(folder)
    costs: list[Cost] = []
    retrace: dict[int, float] = {}
    tries = budget > 0.0 and not quick
    for k in sorted(wanted):
        cost = in_own_process(measure_replay, k, radio, RECEIVERS, seed)
        assert cost is not None  # it has no time limit
        costs.append(cost)
        ledger.publish_timings(name, [_timing(cost, radio, name, seed)])
        if tries:
            one = in_own_process(measure_retrace, k, paper, RECEIVERS, seed, seconds=budget)
            tries = one is not None  # a larger room takes longer
            if one is not None:
                retrace[k] = one * cost.num_setups
        say(f"K = {k} measured, peak {cost.peak / 1e9:.1f} GB")
    show(_table(costs, retrace, budget))
    show(*_slopes(costs, retrace))
    figure = _figure(costs, retrace, folder / f"{name}.png")
    show(f"results: {folder}\nfigure: {figure}")


def _timing(cost: Cost, radio: vd.RadioConfig, study: str, seed: int) -> Timing:
    """A row of the ledger; what it has no column for is in the label."""
    what = {"seed": seed, "boxes": cost.num_objects - 5, "receivers": RECEIVERS}
    extra = ("fixed", "extract", "value_cpu", "entries", "estimated", "seen", "load")
    where, versions = hardware(), json.dumps(engine_versions())
    text = json.dumps([what, radio.key, where, versions, SCHEMA_VERSION])
    return Timing(
        study=study,
        key=hashlib.sha256(text.encode()).hexdigest(),
        label=json.dumps(what | {name: getattr(cost, name) for name in extra}),
        engine="replay",
        num_objects=cost.num_objects,
        num_setups=cost.num_setups,
        num_links=cost.num_links,
        num_paths=cost.num_paths,
        max_depth=radio.max_depth,
        samples_per_src=radio.samples_per_src,
        seconds_scene=cost.scene,
        seconds_trace=cost.solve + cost.extract,
        seconds_value=float("nan"),
        seconds_gradient=cost.value,
        seconds_jacobian=cost.jacobian,
        seconds_fit=cost.fit,
        iterations=cost.iterations,
        mre=cost.mre,
        peak_bytes=cost.peak,
        outcome=cost.outcome,
        hardware=where,
        versions=versions,
    )


def _table(costs: list[Cost], retrace: dict[int, float], budget: float) -> Any:
    from rich.table import Table

    title = f"cost against K (retrace: all setups, given up beyond {budget:.0f} s a size)"
    table = Table(title=title, title_justify="left")
    columns = (
        "K", "M", "links", "paths", "scene [s]", "Sionna [s]", "around it [s]", "value+grad [ms]",
        "cpu [ms]", f"{FIXED_PATHS} paths [ms]",
        "Jacobian [ms]", "entries", "fit [s]", "estimated", "seen",
        "MRE [%]", "peak [GB]", "retrace [s]", "load",
    )  # fmt: skip
    for name in columns:
        table.add_column(name, justify="right")
    for c in costs:
        again = retrace.get(c.num_objects)
        table.add_row(
            str(c.num_objects), str(c.num_setups), str(c.num_links), str(c.num_paths),
            f"{c.scene:.2f}", f"{c.solve:.1f}", f"{c.extract:.2f}", f"{1e3 * c.value:.2f}",
            f"{1e3 * c.value_cpu:.2f}", f"{1e3 * c.fixed:.2f}", f"{1e3 * c.jacobian:.2f}",
            str(c.entries), f"{c.fit:.2f}", str(c.estimated), str(c.seen), f"{100 * c.mre:.2g}",
            f"{c.peak / 1e9:.2f}", "-" if again is None else f"{again:.1f}", f"{c.load:.1f}",
        )  # fmt: skip
    return table


def _slopes(costs: list[Cost], retrace: dict[int, float]) -> list[str]:
    """Growth with K between the smallest and the largest room, and from 100 objects on."""
    lines = []
    for name in ("solve", "value", "value_cpu", "fixed", "jacobian", "fit"):
        points = {c.num_objects: getattr(c, name) for c in costs}
        lines.append(f"{name}: {_growth(points)}")
    return [*lines, f"retrace: {_growth(retrace)}"] if len(retrace) > 1 else lines


def _growth(points: dict[int, float]) -> str:
    text = [f"x {points[max(points)] / points[min(points)]:.2f} from {min(points)} to "
            f"{max(points)}, log-log slope {slope([*points], [*points.values()]):.2f}"]  # fmt: skip
    large = {k: v for k, v in points.items() if k >= 100}
    if 1 < len(large) < len(points):
        text.append(f"{slope([*large], [*large.values()]):.2f} from K = {min(large)} on")
    return ", ".join(text)


def _figure(costs: list[Cost], retrace: dict[int, float], path: Place) -> Place:
    from matplotlib.figure import Figure

    from vlmrt_dist.figures import save_figure

    figure = Figure(figsize=(7.5, 5.0), layout="constrained")
    axes = figure.subplots()
    for name, label in (
        ("solve", "tracing (Sionna)"),
        ("extract", "tracing (around it)"),
        ("fit", "one estimation"),
        ("jacobian", "sparse Jacobian"),
        ("value", "value and gradient"),
        ("fixed", f"the same, {FIXED_PATHS} paths"),
    ):
        axes.plot([c.num_objects for c in costs], [getattr(c, name) for c in costs], "o-",
                  label=label)  # fmt: skip
    if retrace:
        axes.plot(
            list(retrace), list(retrace.values()), "ks--", label="value and gradient, retrace"
        )
    axes.set(xscale="log", yscale="log", xlabel="K, with 4 links an object", ylabel="seconds")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return save_figure(figure, path)


if __name__ == "__main__":
    run_script(main, __doc__)
