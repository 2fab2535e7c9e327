#!/usr/bin/env python3
"""What does an estimation cost as the number of objects K grows, with 4 links for each object?

The room is `box_room`, its links look through the boxes one after another, the truth is simulated
on the estimator's own paths (protocol same_paths), without noise. Each size is measured in a
process of its own, so that its peak memory is its own, and kept as a row that a second run finds
again. The paper calls the super-linear growth of its backward time "a significant computational
bottleneck, making the inverse problem intractable for complex, real-world scenes with many
materials".
"""

import hashlib
import json
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import typer

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, say, show
from vlmrt_dist.engine import engine_versions
from vlmrt_dist.field import Engine
from vlmrt_dist.store import SCHEMA_VERSION, Ledger, Place, Timing, label_of, results_place
from vlmrt_dist.studies import (
    FIXED_PATHS,
    STORAGE_HELP,
    Cost,
    hardware,
    in_own_process,
    nothing_timed,
    slope,
    whole_numbers,
)
from vlmrt_dist.studies import cost_by_objects as cost

SIZES, QUICK_SIZES = (9, 15, 30, 100, 300, 1000, 2000), (9, 30, 100)
LEAST = 6
"""Floor, walls and one box to look through."""

RECEIVERS = 16
GIVEN_UP = "given up"


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
    folder = results_place(storage)
    usual = QUICK_SIZES if quick else SIZES
    wanted = whole_numbers(sizes, "--sizes", LEAST) if sizes else list(usual)
    name = "large_k_quick" if quick else "large_k"
    radio = vd.RadioConfig(max_depth=depth, samples_per_src=samples)
    kept = Kept(Ledger(folder), name, radio, seed)
    replay = [kept.replay(k) for k in wanted]
    fixed = kept.fixed(wanted)
    retrace: list[Timing] = []
    for k in wanted if budget > 0.0 and not quick else []:
        retrace.append(kept.retrace(k, vd.RadioConfig.paper(max_depth=depth), budget))
        if retrace[-1].outcome == GIVEN_UP:
            break  # a larger room takes longer
    show(_table(replay, fixed, retrace, budget))
    show(*_slopes(replay, fixed, retrace))
    figure = _figure(replay, fixed, retrace, folder / f"{name}.png")
    show(f"rows: {folder}, timings of {name}\nfigure: {figure}")


class Kept:
    """Measures what the ledger does not hold yet, for these versions and this hardware."""

    def __init__(self, ledger: Ledger, study: str, radio: vd.RadioConfig, seed: int) -> None:
        self._ledger, self._study, self._radio, self._seed = ledger, study, radio, seed
        self._found = {timing.key: timing for timing in ledger.timings(study)}

    def replay(self, k: int) -> Timing:
        """All parts of an estimation by replay."""
        row = self._row("replay", k, self._radio)
        if row.key not in self._found:
            measured = in_own_process(cost.measure_replay, k, self._radio, RECEIVERS, self._seed)
            assert measured is not None  # it has no time limit
            self._keep(_filled(row, measured))
            say(f"K = {k} measured, peak {measured.peak / 1e9:.1f} GB")
        return self._found[row.key]

    def fixed(self, sizes: list[int]) -> list[Timing]:
        """Value and gradient with the same number of paths in rooms of all sizes."""
        what = {"varies": f"K, {FIXED_PATHS} paths", "beside": sizes}
        rows = [self._row("replay", k, self._radio, **what) for k in sizes]
        if any(row.key not in self._found for row in rows):
            seconds = in_own_process(cost.measure_fixed, sizes, self._radio, RECEIVERS, self._seed)
            assert seconds is not None
            for k, row in zip(sizes, rows, strict=True):
                self._keep(replace(row, num_paths=FIXED_PATHS, seconds_gradient=seconds[k]))
        return [self._found[row.key] for row in rows]

    def retrace(self, k: int, radio: vd.RadioConfig, budget: float) -> Timing:
        """Value and gradient by tracing anew, or that this takes longer than ``budget`` seconds;
        what was given up is tried again with a larger budget only."""
        row = self._row("retrace", k, radio)
        if row.key in self._found:
            return self._found[row.key]
        for other in self._found.values():
            tried = (label_of(other) or {}).get("budget", -1.0)
            same = other.key == self._row("retrace", k, radio, budget=tried).key
            if same and tried >= budget:
                return other
        seconds = in_own_process(
            cost.measure_retrace, k, radio, RECEIVERS, self._seed, seconds=budget
        )
        if seconds is None:
            row = self._row("retrace", k, radio, budget=budget)
            self._keep(replace(row, outcome=GIVEN_UP))
        else:
            self._keep(replace(row, seconds_gradient=seconds))
            say(f"K = {k}, retrace: {seconds:.1f} s")
        return self._found[row.key]

    def _keep(self, timing: Timing) -> None:
        self._ledger.publish_timings(self._study, [timing])
        self._found[timing.key] = timing

    def _row(self, engine: Engine, k: int, radio: vd.RadioConfig, **more: Any) -> Timing:
        """A row with nothing measured yet; its key is that of what is to be."""
        label = {"seed": self._seed, "boxes": k - 5, "receivers": RECEIVERS, **more}
        parts = [engine, label, radio.key, hardware(), json.dumps(engine_versions()),
                 cost.COST_VERSION, SCHEMA_VERSION]  # fmt: skip
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return nothing_timed(self._study, key, json.dumps(label), engine, radio, num_objects=k)


def _filled(row: Timing, measured: Cost) -> Timing:
    """What a row has no column for is in the label."""
    extra = ("extract", "value_cpu", "entries", "whole", "estimated", "seen", "load")
    more = {name: getattr(measured, name) for name in extra}
    return replace(
        row,
        label=json.dumps({**(label_of(row) or {}), **more}),
        num_setups=measured.num_setups,
        num_links=measured.num_links,
        num_paths=measured.num_paths,
        seconds_scene=measured.scene,
        seconds_trace=measured.solve + measured.extract,
        seconds_gradient=measured.value,
        seconds_jacobian=measured.jacobian,
        seconds_fit=measured.fit,
        iterations=measured.iterations,
        mre=measured.mre,
        peak_bytes=measured.peak,
        outcome=measured.outcome,
    )


def _label(row: Timing, name: str) -> float:
    return float((label_of(row) or {})[name])


def _table(replay: list[Timing], fixed: list[Timing], retrace: list[Timing], budget: float) -> Any:
    from rich.markup import escape
    from rich.table import Table

    title = f"cost against K (retrace: all setups, given up beyond {budget:.0f} s a size)"
    table = Table(title=title, title_justify="left")
    columns = (
        "K", "M", "links", "paths", "scene [s]", "Sionna [s]", "around [s]", "value+grad [ms]",
        f"{FIXED_PATHS} paths [ms]", "Jacobian [ms]", "fit [s]", "5 folds [s]", "estimated", "seen",
        "MRE [%]", "peak [GB]", "retrace [s]", "load",
    )  # fmt: skip
    for name in columns:
        # Escaped, for [s] would strike through.
        table.add_column(escape(name).replace(" ", "\n", 1), justify="right", no_wrap=True)
    again = {t.num_objects: t.seconds_gradient for t in retrace if t.outcome != GIVEN_UP}
    for t, same in zip(replay, fixed, strict=True):
        seconds = again.get(t.num_objects)
        label = partial(_label, t)
        table.add_row(
            str(t.num_objects), str(t.num_setups), str(t.num_links), str(t.num_paths),
            f"{t.seconds_scene:.2f}", f"{t.seconds_trace - label('extract'):.1f}",
            f"{label('extract'):.2f}", f"{1e3 * t.seconds_gradient:.2f}",
            f"{1e3 * same.seconds_gradient:.3f}",
            f"{1e3 * t.seconds_jacobian:.2f}", f"{t.seconds_fit:.2f}",
            f"{label('whole'):.2f}", f"{label('estimated'):.0f}", f"{label('seen'):.0f}",
            f"{100 * t.mre:.2g}", f"{t.peak_bytes / 1e9:.2f}",
            "-" if seconds is None else f"{seconds:.1f}", f"{label('load'):.1f}",
        )  # fmt: skip
    return table


def _curves(
    replay: list[Timing], fixed: list[Timing], retrace: list[Timing]
) -> dict[str, dict[int, float]]:
    """Seconds by number of objects."""
    curves = {
        "tracing (Sionna)": {t.num_objects: t.seconds_trace - _label(t, "extract") for t in replay},
        "tracing (around it)": {t.num_objects: _label(t, "extract") for t in replay},
        "value and gradient": {t.num_objects: t.seconds_gradient for t in replay},
        "value and gradient (processor)": {t.num_objects: _label(t, "value_cpu") for t in replay},
        f"value and gradient, {FIXED_PATHS} paths": {
            t.num_objects: t.seconds_gradient for t in fixed
        },
        "sparse Jacobian": {t.num_objects: t.seconds_jacobian for t in replay},
        "one fit": {t.num_objects: t.seconds_fit for t in replay},
        "estimation with 5 folds": {t.num_objects: _label(t, "whole") for t in replay},
        "value and gradient, retrace": {
            t.num_objects: t.seconds_gradient for t in retrace if t.outcome != GIVEN_UP
        },
    }
    return {name: points for name, points in curves.items() if points}


def _slopes(replay: list[Timing], fixed: list[Timing], retrace: list[Timing]) -> list[str]:
    """Growth with K between the smallest and the largest room, and from 100 objects on."""
    curves = _curves(replay, fixed, retrace)
    return [f"{name}: {_growth(points)}" for name, points in curves.items() if len(points) > 1]


def _growth(points: dict[int, float]) -> str:
    text = [f"x {points[max(points)] / points[min(points)]:.2f} from {min(points)} to "
            f"{max(points)}, log-log slope {slope([*points], [*points.values()]):.2f}"]  # fmt: skip
    large = {k: v for k, v in points.items() if k >= 100}
    if 1 < len(large) < len(points):
        text.append(f"{slope([*large], [*large.values()]):.2f} from K = {min(large)} on")
    return ", ".join(text)


def _figure(replay: list[Timing], fixed: list[Timing], retrace: list[Timing], path: Place) -> Place:
    from matplotlib.figure import Figure

    from vlmrt_dist.report import save_figure

    figure = Figure(figsize=(9.5, 5.0), layout="constrained")
    axes = figure.subplots()
    for name, points in _curves(replay, fixed, retrace).items():
        if name.endswith("(processor)"):
            continue  # on one thread, as good as the wall's
        style = "ks--" if name.endswith("retrace") else "o-"
        axes.plot(list(points), list(points.values()), style, label=name)
    axes.set(xscale="log", yscale="log", xlabel="K, with 4 links an object", ylabel="seconds")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", fontsize=8)
    return save_figure(figure, path)


if __name__ == "__main__":
    run_script(main, __doc__)
