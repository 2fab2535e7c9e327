#!/usr/bin/env python3
"""What can be told of a real place? Five cities, one material object per shape.

Sionna's bundled scenes, loaded as they are: `simple_street_canyon`, `etoile`, `munich`, `florence`
and `san_francisco`, 7 to 4735 objects. Transmitters stand 3 to 10 m above the street, receivers at
1.5 m, never under a roof. The truth is σ = λ σ_ITU as in the paper, the levels have noise, and the
estimate is Levenberg-Marquardt with the prior. Most buildings no link depends on: they have to keep
the prior, with the verdict "unidentifiable"; metal has nothing to estimate and is "fixed".

Positions are random (as they fall in the street, so that many hear nothing) or chosen from a traced
pool. Every case runs in a process of its own, so that its peak memory is its own.
"""

import json
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

import vlmrt_dist as vd
from vlmrt_dist.console import run_script, say, show
from vlmrt_dist.inference import LinkLoss
from vlmrt_dist.scene import bundled_scene
from vlmrt_dist.store import Ledger, Place, Row, Timing, results_place
from vlmrt_dist.studies import (
    Case,
    DryRun,
    Finding,
    Protocol,
    Storage,
    city,
    finding,
    in_own_process,
    seen_by,
    survey,
    survey_key,
)

SIZES = {
    "simple_street_canyon": (4, 12),
    "etoile": (8, 16),
    "munich": (8, 16),
    "florence": (8, 16),
    "san_francisco": (8, 16),
}
"""M setups of N receivers."""

USUAL = (8, 16)
"""The same for other scenes."""

QUICK = {"simple_street_canyon": (3, 8), "etoile": (4, 12)}


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Two scenes, few links.")] = False,
    scenes: Annotated[str, typer.Option(help="Scenes, instead of the usual.")] = "",
    placements: Annotated[
        str, typer.Option(help="Of random, d_optimal, a_optimal.")
    ] = "random,a_optimal",
    setups: Annotated[int | None, typer.Option(min=1, help="M, instead of the usual.")] = None,
    receivers: Annotated[int | None, typer.Option(min=1, help="N, instead of the usual.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Truths, each with its own noise.")] = 5,
    depth: Annotated[int, typer.Option(min=1, help="Most interactions of a path.")] = 2,
    samples: Annotated[int, typer.Option(min=1, help="Rays of one solve.")] = 300_000,
    protocol: Annotated[Protocol, typer.Option(help="Whose paths the truth has.")] = "independent",
    noise_db: Annotated[float, typer.Option(min=0.0, help="Noise of a level [dB].")] = 0.1,
    loss: Annotated[LinkLoss, typer.Option(help="How large residuals count.")] = "huber",
    prior_width: Annotated[float, typer.Option(help="Of ln σ before measuring.")] = 0.1,
    height: Annotated[tuple[float, float], typer.Option(help="Receivers [m].")] = (1.5, 1.5),
    tx_height: Annotated[tuple[float, float], typer.Option(help="Transmitters [m].")] = (3.0, 10.0),
    storage: Storage = None,
    dry_run: DryRun = False,
) -> None:
    """Survey the scenes, print what was learnt of them, and draw them."""
    folder, study = results_place(storage), "real_scenes_quick" if quick else "real_scenes"
    sizes = QUICK if quick else SIZES
    wanted = [name.strip() for name in scenes.split(",")] if scenes else list(sizes)
    for name in wanted:
        bundled_scene(name)  # a wrong name is said at once
    radio = vd.RadioConfig(max_depth=depth, samples_per_src=samples)
    cases = [
        Case(
            scene, strategy.strip(), setups or sizes.get(scene, USUAL)[0],
            receivers or sizes.get(scene, USUAL)[1], height, tx_height, protocol, noise_db,
            prior_width, tuple(range(seeds)), loss,
        )
        for scene in wanted for strategy in placements.split(",")
    ]  # fmt: skip
    ledger = Ledger(folder)
    known = {timing.key: timing for timing in ledger.timings(study)}
    if dry_run:
        for case in cases:
            there = "complete" if survey_key(case, radio) in known else f"{seeds} rows missing"
            show(f"{case.scene} {case.strategy} {case.protocol}: M={case.num_setups} "
                 f"N={case.num_receivers}, {there}")  # fmt: skip
        raise typer.Exit
    found: list[tuple[Case, Timing, list[Row]]] = []
    for case in cases:
        timing = known.get(survey_key(case, radio))
        if timing is None:
            timing = in_own_process(survey, case, radio, study, folder)
            assert timing is not None  # it has no time limit
            say(f"{case.scene} {case.strategy}: done, peak {timing.peak_bytes / 1e9:.1f} GB")
        keys = json.loads(timing.label)["rows"]
        rows = ledger.read(study, keys)
        found.append((case, timing, [rows[key] for key in keys]))
    places = {scene: city(scene) for scene in wanted}
    prior = {name: place.conductivity(radio.frequency) for name, place in places.items()}
    findings = [[finding(r, prior[case.scene]) for r in rows] for case, _, rows in found]
    show(_learnt(found, findings, radio), _cost(found))
    show(f"rows: {ledger.folder(study)}\nfigure: {_figure(found, places, folder / f'{study}.png')}")


def _short(case: Case) -> str:
    return {"simple_street_canyon": "canyon", "san_francisco": "s. francisco"}.get(
        case.scene, case.scene
    )


def _spread(values: list[float], scale: float = 1.0, digits: str = ".2g") -> str:
    """Median, and the range of the seeds."""
    numbers = scale * np.array(values)
    if not np.isfinite(numbers).any():
        return "-"
    low, middle, high = np.nanmin(numbers), np.nanmedian(numbers), np.nanmax(numbers)
    text = f"{middle:{digits}}"
    return text if low == high else f"{text} ({low:{digits}}…{high:{digits}})"


def _learnt(
    found: list[tuple[Case, Timing, list[Row]]],
    findings: list[list[Finding]],
    radio: vd.RadioConfig,
) -> Table:
    case = found[0][0]
    title = (
        f"What is learnt: D = {radio.max_depth}, noise {case.noise_db:g} dB, protocol "
        f"{case.protocol}, {case.loss}, {len(case.seeds)} seeds: median "
        f"(least…most); errors in %, prior ± {100 * case.prior_width:g} %"
    )
    table = Table(title=title, title_justify="left")
    for name in ("scene", "positions", "K", "fixed", "heard", "paths", "seen", "estimated",
                 "weak", "unident.", "contradict", "MRE est.", "prior", "MRE seen", "prior",
                 "in 95 %"):  # fmt: skip
        left = name in ("scene", "positions")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for (case, timing, rows), some in zip(found, findings, strict=True):
        label = json.loads(timing.label)
        counts = [
            _spread([f.verdicts["estimated"] for f in some], digits=".0f"),
            f"{np.median([f.verdicts['weak'] for f in some]):.0f}",
            f"{np.median([f.verdicts['unidentifiable'] for f in some]):.0f}",
            _spread([f.num_contradicting for f in some], digits=".0f"),
        ]
        table.add_row(
            _short(case), case.strategy, str(timing.num_objects), str(some[0].verdicts["fixed"]),
            f"{rows[0].num_links}/{label['planned']}", str(timing.num_paths),
            f"{np.median([f.num_seen for f in some]):.0f}", *counts,
            _spread([f.mre for f in some], 100.0), f"{_middle([f.prior_mre for f in some]):.2g}",
            _spread([f.seen_mre for f in some], 100.0),
            f"{_middle([f.seen_prior_mre for f in some]):.2g}",
            _spread([f.coverage for f in some], 100.0, ".0f"),
        )  # fmt: skip
    return table


def _middle(values: list[float]) -> float:
    return 100.0 * float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _cost(found: list[tuple[Case, Timing, list[Row]]]) -> Table:
    table = Table(title="Seconds; positions include the tracing of their pool",
                  title_justify="left")  # fmt: skip
    for name in ("scene", "positions", "triangles", "load", "choose positions", "trace links",
                 "all of the study", "one fit", "steps", "peak [GB]", "load average"):  # fmt: skip
        table.add_column(name, justify="left" if name in ("scene", "positions") else "right")
    for case, timing, _ in found:
        label: dict[str, Any] = json.loads(timing.label)
        table.add_row(
            _short(case), case.strategy, str(label["triangles"]), f"{timing.seconds_scene:.1f}",
            f"{label['positions_s']:.1f}", f"{timing.seconds_trace:.1f}", f"{label['study_s']:.1f}",
            f"{timing.seconds_fit:.2f}", str(timing.iterations), f"{timing.peak_bytes / 1e9:.2f}",
            f"{label['busy']:.1f}",
        )  # fmt: skip
    return table


def _figure(
    found: list[tuple[Case, Timing, list[Row]]], places: dict[str, vd.SceneModel], path: Place
) -> Place:
    """The first seed of each scene's last placement."""
    from vlmrt_dist.report import UNSEEN, Panel, city_figure

    panels = {}
    for case, _, rows in found:
        row, scene = rows[0], places[case.scene]
        seen = seen_by(row)
        kinds = [
            UNSEEN if v == "unidentifiable" and not s else v
            for v, s in zip(row.verdict, seen, strict=True)
        ]
        tx = np.array(row.tx).reshape(-1, 3)
        rx = np.array(row.rx).reshape(len(tx), -1, 3)
        title = (
            f"{case.scene}, {case.strategy}: {row.verdict.count('estimated')} estimated, "
            f"{int(seen.sum())} seen of {scene.num_objects - row.verdict.count('fixed')}"
        )
        panels[case.scene] = Panel(title, scene, vd.Campaign(tx, rx), kinds)
    return city_figure(list(panels.values()), path)


if __name__ == "__main__":
    run_script(main, __doc__)
