"""``vlmrt plan``: where to measure, and what that will tell."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from vlmrt_dist.campaign import (
    DEFAULT_CLEARANCE,
    Campaign,
    RadioConfig,
    read_campaign,
    write_campaign,
)
from vlmrt_dist.cli.options import (
    CombiningOption,
    DepthOption,
    FileOutOption,
    FrequencyOption,
    HeadroomOption,
    MaterialsOption,
    PatternOption,
    PlacementOption,
    PolarizationOption,
    ReceiversOption,
    SamplesOption,
    SceneOption,
    SeedOption,
    SetupsOption,
    check_target,
    named_scene,
    opt,
)
from vlmrt_dist.console import print_result, progress_bar, results_only, say
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.placement import (
    NUM_RX,
    NUM_TX,
    AOptimal,
    CandidateOptions,
    CandidatePool,
    DOptimal,
    Grid,
    Grow,
    OptimalStrategy,
    PlanTarget,
    Random,
    Strategy,
    TargetScope,
    Vlm,
    VlmThenRefine,
    pool_for,
)
from vlmrt_dist.report import percent, plan_report
from vlmrt_dist.scene import SceneModel

OPTIMAL: dict[str, type[DOptimal | AOptimal]] = {"d_optimal": DOptimal, "a_optimal": AOptimal}

_Noise = Annotated[float, opt("Standard deviation of each level that is expected [dB].")]
_PriorWidth = Annotated[float, opt("Standard deviation of ln(conductivity) before measuring.")]
_Target = Annotated[
    str | None,
    opt(
        "Find the fewest links that bring the objects' predicted standard deviation here, such as "
        "10%; then --setups or --receivers is found, see --grow.",
        metavar="PERCENT",
    ),
]
_Which = Annotated[
    TargetScope,
    opt("What the target is for: objects that can reach it, all objects, or their median."),
]
_Grow = Annotated[Grow, opt("What grows until the target is reached.")]
_After = Annotated[
    Path | None,
    opt("Levels measured already (see estimate): plans the next setup.", metavar="FILE"),
]
_Start = Annotated[
    Path | None,
    opt("Positions that vlm_then_refine begins at; default: the offline rules'.", metavar="FILE"),
]
_Transmitters = Annotated[
    int | None, opt(f"Candidate transmitters; default: {NUM_TX}, or twice --setups.", min=1)
]
_Candidates = Annotated[
    int | None,
    opt(f"Candidate receivers of each; default: {NUM_RX}, or twice --receivers.", min=1),
]
_Height = Annotated[
    tuple[float, float] | None,
    opt("Lowest and highest antenna above the ground [m], in the street; default: anywhere."),
]
_TxHeight = Annotated[
    tuple[float, float] | None,
    opt("The same for transmitters; default: as --height."),
]
_Clearance = Annotated[float, opt("Distance of antennas from every surface [m].", min=0.0)]
_Fixed = Annotated[
    list[str] | None, opt("Object of known conductivity; may be repeated.", metavar="NAME")
]
_Figure = Annotated[Path | None, opt("Draw the positions to this .png.", metavar="FILE")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def plan(
    out: FileOutOption,
    scene: SceneOption = "box_room",
    setups: SetupsOption = 3,
    receivers: ReceiversOption = 8,
    # The least error of sweeps/search.py: configurations b08db23a2ab7 and 7e8d20a52e88.
    placement: PlacementOption = "a_optimal",
    noise_db: _Noise = 0.1,
    prior_width: _PriorWidth = 0.5,
    target: _Target = None,
    which: _Which = "identifiable",
    grow: _Grow = "receivers",
    after: _After = None,
    start: _Start = None,
    num_tx_candidates: _Transmitters = None,
    num_rx_candidates: _Candidates = None,
    height: _Height = None,
    tx_height: _TxHeight = None,
    clearance: _Clearance = DEFAULT_CLEARANCE,
    fixed: _Fixed = None,
    figure: _Figure = None,
    as_json: _Json = False,
    seed: SeedOption = 0,
    frequency: FrequencyOption = 3.5e9,
    headroom: HeadroomOption = 0.0,
    material: MaterialsOption = None,
    antenna_pattern: PatternOption = "iso",
    polarization: PolarizationOption = "V",
    combining: CombiningOption = "power",
    max_depth: DepthOption = 4,
    samples_per_src: SamplesOption = 1_000_000,
) -> None:
    """Where to measure [m], and how well each object will be known.

    Add the levels as a column rss_dbm [dBm] to the file and give it to estimate.
    """
    radio = RadioConfig(
        frequency=frequency,
        antenna_pattern=antenna_pattern,
        polarization=polarization,
        max_depth=max_depth,
        samples_per_src=samples_per_src,
        combining=combining,
    )
    check_target(out, ".csv", ".parquet")
    if figure is not None:
        check_target(figure, ".png")
    if not (0.0 < noise_db < math.inf and 0.0 < prior_width < math.inf):
        raise ConfigurationError("--noise-db and --prior-width must be positive and finite")
    share = None if target is None else _share(target)
    if share is not None and placement not in OPTIMAL:
        raise ConfigurationError("--target goes with --placement d_optimal or a_optimal")
    if after is not None and (share is not None or start is not None):
        raise ConfigurationError("--after plans one setup; leave --target and --start out")
    if start is not None and placement != "vlm_then_refine":
        raise ConfigurationError("--start FILE goes with --placement vlm_then_refine")
    if (height or tx_height) is not None and after is None and placement == "vlm":
        raise ConfigurationError("--placement vlm takes no --height")
    room = named_scene(scene, headroom, material)
    measured = read_campaign(after, scene=room) if after is not None else None
    proposed = read_campaign(start, scene=room) if start is not None else None
    candidates = CandidateOptions(
        num_tx=num_tx_candidates,
        num_rx=num_rx_candidates,
        clearance=clearance,
        height=height,
        tx_height=tx_height,
    )
    known = tuple(fixed or ())
    if measured is not None:
        planned, text, answer = _plan_after(
            room, measured, receivers, candidates, radio, noise_db, prior_width, known, seed
        )
        _hand_out(room, planned, out, figure, answer if as_json else text)
        return
    strategy = _strategy(placement, candidates, radio, noise_db, prior_width, known, proposed)
    with results_only(), progress_bar() as progress:
        lines: list[str] = []
        if share is None:  # before the pool is traced: most of what can be refused is refused here
            planned = strategy.place(room, setups, receivers, seed=seed, progress=progress)
        pool = pool_for(
            room,
            setups,
            receivers,
            seed=seed,
            radio=radio,
            candidates=candidates,
            prior_width=prior_width,
            fixed=known,
            progress=progress,
        )
        if share is not None and isinstance(strategy, OptimalStrategy):
            wanted = PlanTarget(share, which, grow)
            planned, lines = _for_target(strategy, room, pool, wanted, setups, receivers, seed)
        report = plan_report(
            room,
            planned,
            pool,
            radio=radio,
            noise_db=noise_db,
            prior_width=prior_width,
            fixed=known,
            seed=seed,
        )
    _hand_out(room, planned, out, figure, report.to_dict(lines) if as_json else report.text(lines))


def _strategy(
    placement: str,
    candidates: CandidateOptions,
    radio: RadioConfig,
    noise_db: float,
    prior_width: float,
    fixed: tuple[str, ...],
    start: Campaign | None,
) -> Strategy:
    """The strategy of a name, with those of the options that it has."""
    if placement == "random":
        return Random(candidates)
    if placement == "grid":
        return Grid(candidates)
    if placement == "vlm":
        return Vlm()
    if placement == "vlm_then_refine":
        return VlmThenRefine(
            candidates=candidates,
            radio=radio,
            noise_db=noise_db,
            prior_width=prior_width,
            fixed=fixed,
            start=start or Vlm(),
        )
    return OPTIMAL[placement](
        candidates=candidates,
        radio=radio,
        noise_db=noise_db,
        prior_width=prior_width,
        fixed=fixed,
    )


def _for_target(
    strategy: OptimalStrategy,
    scene: SceneModel,
    pool: CandidatePool,
    target: PlanTarget,
    setups: int,
    receivers: int,
    seed: int,
) -> tuple[Campaign, list[str]]:
    """The smallest campaign for a target, and the sentences that report it."""
    from vlmrt_dist.placement import plan_for_target

    found = plan_for_target(strategy, scene, target, setups, receivers, pool=pool, seed=seed)
    m, n, value = next(
        (m, n, value)
        for m, n, value in found.tried
        if (m, n) == (found.campaign.num_setups, found.campaign.num_receivers)
    )
    words = {
        "identifiable": "every object that can be",
        "all": "every object",
        "median": "the median object",
    }
    lines = [
        f"target {percent(target.std)}: {m} setups of {n} receivers bring {words[target.scope]} to "
        f"{percent(value)}"
        if found.reached
        else f"target {percent(target.std)} is not reached: {m} setups of {n} receivers, the most "
        f"tried, leave {percent(value)}; grow the other number, or enlarge the pool"
    ]
    if found.never:
        lines.append(
            "even all links of the pool together would not bring there: " + ", ".join(found.never)
        )
    return found.campaign, lines


def _plan_after(
    scene: SceneModel,
    measured: Campaign,
    receivers: int,
    candidates: CandidateOptions,
    radio: RadioConfig,
    noise_db: float,
    prior_width: float,
    fixed: tuple[str, ...],
    seed: int,
) -> tuple[Campaign, str, dict[str, Any]]:
    """Estimate from what is measured, plan the next setup; its positions, table and JSON."""
    from vlmrt_dist.inference import LevenbergMarquardt, Noise, Parameters, Prior, estimate
    from vlmrt_dist.placement import plan_next

    states_noise = np.nanmax(measured.noise_db) > 0.0
    with results_only(), progress_bar() as progress:
        result = estimate(
            scene,
            measured,
            radio=radio,
            prior=Prior(prior_width),
            noise=Noise(db=None if states_noise else noise_db),
            parameters=Parameters(fixed=fixed),
            solver=LevenbergMarquardt(folds=0),
            seed=seed,
            progress=progress,
        )
        ahead = plan_next(
            scene,
            measured,
            result,
            num_receivers=receivers,
            radio=radio,
            candidates=candidates,
            seed=seed,
            progress=progress,
        )
    lines = [f"{'object':<24} {'now':>8} {'after':>8}"]
    objects = []
    for k, name in enumerate(scene.names):
        if result.verdict[k] == "fixed":
            continue
        now, then = float(ahead.before[k]), float(ahead.after[k])
        lines.append(f"{name:<24} {percent(now):>8} {percent(then):>8}")
        objects.append({"name": name, "std_now": now, "std_after": then})
    answer = {
        "objects": objects,
        "num_links": ahead.campaign.num_links,
        "units": {"std": "of ln(conductivity)"},
    }
    return ahead.campaign, "\n".join(lines), answer


def _hand_out(
    scene: SceneModel,
    planned: Campaign,
    out: Path,
    figure: Path | None,
    said: str | dict[str, Any],
) -> None:
    """Write the positions, print what is said of them (a table, or JSON), draw them."""
    write_campaign(planned, out)
    if isinstance(said, str):
        print_result(said)
        print_result(f"{planned.num_links} links of {planned.num_setups} setups written to {out}")
    else:
        print_result(json.dumps(said, indent=2, allow_nan=False))
    if figure is not None:
        from vlmrt_dist.report import positions_figure

        positions_figure(scene, planned, figure)
        say(f"figure written to {figure}")


def _share(text: str) -> float:
    """0.1 of "10%", "10 %" or "0.1".

    :raises ConfigurationError: if it is none of these
    """
    bare = text.strip()
    try:
        value = float(bare.removesuffix("%")) / (100.0 if bare.endswith("%") else 1.0)
    except ValueError:
        value = math.nan
    if not 0.0 < value < 10.0:
        raise ConfigurationError(f"--target must be a share such as 10% or 0.1; got {text!r}")
    return value
