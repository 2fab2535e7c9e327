"""``vlmrt plan``: where to measure, and what that will tell."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from vlmrt_dist.campaign_files import read_campaign, write_campaign
from vlmrt_dist.cli.options import (
    CombiningOption,
    DepthOption,
    FileOutOption,
    FrequencyOption,
    HeadroomOption,
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
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.placement import place
from vlmrt_dist.placement.candidates import NUM_RX, NUM_TX, CandidatePool
from vlmrt_dist.placement.information import Criterion
from vlmrt_dist.placement.optimal import pool_for
from vlmrt_dist.placement.prediction import Grow, Which
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.setups import DEFAULT_CLEARANCE, Campaign
from vlmrt_dist.terminal import print_result, progress_bar, results_only, say

CRITERIA: dict[str, Criterion] = {"d_optimal": "D", "a_optimal": "A"}

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
    Which,
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
_Transmitters = Annotated[int, opt("Candidate transmitters.", min=1)]
_Candidates = Annotated[int, opt("Candidate receivers of each transmitter.", min=1)]
_Height = Annotated[
    tuple[float, float] | None,
    opt("Lowest and highest antenna above the ground [m], outdoors for one; default: anywhere."),
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
    placement: PlacementOption = "a_optimal",
    noise_db: _Noise = 0.1,
    prior_width: _PriorWidth = 0.5,
    target: _Target = None,
    which: _Which = "identifiable",
    grow: _Grow = "receivers",
    after: _After = None,
    start: _Start = None,
    num_tx_candidates: _Transmitters = NUM_TX,
    num_rx_candidates: _Candidates = NUM_RX,
    height: _Height = None,
    clearance: _Clearance = DEFAULT_CLEARANCE,
    fixed: _Fixed = None,
    figure: _Figure = None,
    as_json: _Json = False,
    seed: SeedOption = 0,
    frequency: FrequencyOption = 3.5e9,
    headroom: HeadroomOption = 0.0,
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
    if share is not None and placement not in CRITERIA:
        raise ConfigurationError("--target goes with --placement d_optimal or a_optimal")
    if after is not None and (share is not None or start is not None):
        raise ConfigurationError("--after plans one setup; leave --target and --start out")
    if start is not None and placement != "vlm_then_refine":
        raise ConfigurationError("--start FILE goes with --placement vlm_then_refine")
    measured = read_campaign(after) if after is not None else None
    proposed = read_campaign(start) if start is not None else None
    room = named_scene(scene, headroom)
    pooled: dict[str, Any] = {
        "radio": radio,
        "num_tx_candidates": num_tx_candidates,
        "num_rx_candidates": num_rx_candidates,
        "clearance": clearance,
        "height": height,
    }
    belief: dict[str, Any] = {"noise_db": noise_db, "prior_width": prior_width}
    if measured is not None:
        _plan_after(room, measured, receivers, {**pooled, **belief}, fixed, seed, out, figure)
        return
    # What each strategy takes of these, the others do not know.
    options: dict[str, Any] = {}
    if placement in ("random", "grid"):
        options = {"clearance": clearance} | ({"height": height} if placement == "grid" else {})
    elif placement != "vlm":
        options = {**pooled, **belief, "fixed": tuple(fixed or ())}
    if proposed is not None:
        options["start"] = proposed
    with results_only(), progress_bar() as progress:
        shared: dict[str, Any] = {"prior_width": prior_width, "fixed": tuple(fixed or ())}
        pool = pool_for(room, 1, 1, seed=seed, progress=progress, **pooled, **shared)
        lines: list[str] = []
        if share is not None:
            planned, lines = _for_target(
                room, pool, share, which, grow, setups, receivers, CRITERIA[placement], belief, seed
            )
        else:
            planned = place(placement, room, setups, receivers, seed=seed, **options)
        report = _Report(room, planned, pool, radio, belief, tuple(fixed or ()), seed)
    write_campaign(planned, out)
    if as_json:
        for line in lines:
            say(line)
        print_result(json.dumps(report.to_dict(lines), indent=2, allow_nan=False))
    else:
        print_result(report.text(lines))
        print_result(f"{planned.num_links} links of {planned.num_setups} setups written to {out}")
    _draw(room, planned, figure)


class _Report:
    """What the plan is expected to tell, beside random positions of the same number."""

    def __init__(
        self,
        scene: SceneModel,
        planned: Campaign,
        pool: CandidatePool,
        radio: RadioConfig,
        belief: dict[str, Any],
        fixed: tuple[str, ...],
        seed: int,
    ) -> None:
        from vlmrt_dist.placement.prediction import predicted_std, random_campaigns

        size = planned.num_setups, planned.num_receivers
        self.predicted = predicted_std(scene, planned, radio=radio, fixed=fixed, **belief)
        self.random = random_campaigns(scene, pool, *size, seed=seed, **belief)

    def text(self, lines: list[str]) -> str:
        """The table and what to read in it."""
        import io

        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        p, r = self.predicted, self.random
        table = Table(
            title=f"Predicted standard deviation of ln σ: {p.num_links} links, {p.noise_db:g} dB",
            title_justify="left",
        )
        for name in ("object", "material"):
            table.add_column(name)
        for name in ("before", "planned", "at random"):
            table.add_column(name, justify="right")
        table.add_column("expected verdict")
        for k, name in enumerate(p.names):
            cells = [_percent(v) for v in (p.prior[k], p.posterior[k], r.posterior[k])]
            shown = cells if p.free[k] else ["", "", ""]
            table.add_row(escape(name), escape(p.materials[k]), *shown, p.verdict[k])
        text = io.StringIO()
        console = Console(file=text, width=112, no_color=True, highlight=False)
        console.print(table)
        for line in [*self.sentences(), *lines]:
            console.print(line, soft_wrap=True)
        return text.getvalue().rstrip()

    def sentences(self) -> list[str]:
        """How much better than random positions, and why."""
        p, r = self.predicted, self.random
        found = [
            f"on average {_percent(p.mean_posterior)}; {r.count} random campaigns of as many links "
            f"leave {_percent(r.mean_posterior)} (median)"
        ]
        if math.isfinite(p.mean_cramer_rao) and p.mean_cramer_rao > 0.0:
            found.append(
                f"without the prior's help (Cramér-Rao) {_percent(p.mean_cramer_rao)} against "
                f"{_percent(r.mean_cramer_rao)}: {r.mean_cramer_rao / p.mean_cramer_rao:.3g} times"
            )
        gain = [
            p.strongest[k] / r.strongest[k] if p.free[k] and r.strongest[k] > 0.0 else 0.0
            for k in range(len(p.names))
        ]
        if max(gain) > 1.0:
            k = gain.index(max(gain))
            found.append(
                f"why: the link that tells most of {p.names[k]} changes by {p.strongest[k]:.2g} dB "
                f"when its conductivity grows by a factor e, at random positions by "
                f"{r.strongest[k]:.2g} dB"
            )
        lost = [n for n, v in zip(p.names, p.verdict, strict=True) if v == "unidentifiable"]
        if lost:
            found.append(f"these links will not tell: {', '.join(lost)}")
        if p.num_heard < p.num_links:
            found.append(f"no path reaches {p.num_links - p.num_heard} of {p.num_links} links")
        return found

    def to_dict(self, lines: list[str]) -> dict[str, Any]:
        """Plain values (an infinite bound is null)."""
        p, r = self.predicted, self.random
        return {
            "objects": [
                {
                    "name": name,
                    "material": p.materials[k],
                    "prior_std": float(p.prior[k]),
                    "predicted_std": float(p.posterior[k]),
                    "cramer_rao": _finite(p.cramer_rao[k]),
                    "random_std": float(r.posterior[k]),
                    "verdict": p.verdict[k],
                }
                for k, name in enumerate(p.names)
            ],
            "num_links": p.num_links,
            "num_heard": p.num_heard,
            "noise_db": p.noise_db,
            "mean_predicted_std": _finite(p.mean_posterior),
            "mean_cramer_rao": _finite(p.mean_cramer_rao),
            "random": {
                "campaigns": r.count,
                "mean_predicted_std": _finite(r.mean_posterior),
                "mean_cramer_rao": _finite(r.mean_cramer_rao),
            },
            "remarks": [*self.sentences(), *lines],
            "units": {"std": "of ln(conductivity)", "noise_db": "dB"},
        }


def _for_target(
    scene: SceneModel,
    pool: CandidatePool,
    target: float,
    which: Which,
    grow: Grow,
    setups: int,
    receivers: int,
    criterion: Criterion,
    belief: dict[str, Any],
    seed: int,
) -> tuple[Campaign, list[str]]:
    """The smallest campaign for a target, and what to say about it."""
    from vlmrt_dist.placement.prediction import plan_for_target

    found = plan_for_target(
        scene,
        pool,
        target,
        criterion=criterion,
        which=which,
        grow=grow,
        num_setups=setups,
        num_receivers=receivers,
        seed=seed,
        **belief,
    )
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
        f"target {_percent(target)}: {m} setups of {n} receivers bring {words[which]} to "
        f"{_percent(value)}"
        if found.reached
        else f"target {_percent(target)} is not reached: {m} setups of {n} receivers, the most "
        f"tried, leave {_percent(value)}; grow the other number, or enlarge the pool"
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
    options: dict[str, Any],
    fixed: list[str] | None,
    seed: int,
    out: Path,
    figure: Path | None,
) -> None:
    """Estimate from what is measured, plan the next setup, say what it is for."""
    from vlmrt_dist.closed_loop import next_setup
    from vlmrt_dist.estimation import estimate

    declared = float(measured.noise_db.max()) if hasattr(measured.noise_db, "max") else (
        measured.noise_db
    )  # fmt: skip
    noise_db = None if declared > 0.0 else options["noise_db"]
    with results_only(), progress_bar() as progress:
        result = estimate(
            scene,
            measured,
            radio=options["radio"],
            prior_width=options["prior_width"],
            noise_db=noise_db,
            fixed=fixed or (),
            seed=seed,
            folds=0,
            progress=progress,
        )
        ahead = next_setup(
            scene,
            measured,
            result,
            num_receivers=receivers,
            radio=options["radio"],
            num_tx_candidates=options["num_tx_candidates"],
            num_rx_candidates=options["num_rx_candidates"],
            clearance=options["clearance"],
            height=options["height"],
            seed=seed,
            progress=progress,
        )
    write_campaign(ahead.campaign, out)
    print_result(f"{'object':<24} {'now':>8} {'after':>8}")
    for k, name in enumerate(scene.names):
        if result.verdict[k] != "fixed":
            print_result(f"{name:<24} {_percent(ahead.before[k]):>8} {_percent(ahead.after[k]):>8}")
    print_result(f"the next setup, {ahead.campaign.num_links} links, written to {out}")
    _draw(scene, ahead.campaign, figure)


def _draw(scene: SceneModel, planned: Campaign, figure: Path | None) -> None:
    if figure is None:
        return
    from vlmrt_dist.figures import positions_figure

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


def _percent(share: float) -> str:
    return f"±{100.0 * share:.3g} %" if math.isfinite(share) else "no bound"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
