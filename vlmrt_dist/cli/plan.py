"""``vlmrt plan``: positions to measure at, and the uncertainty that they will leave."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from vlmrt_dist.campaign import Campaign, RadioConfig, parse_observables, write_campaign
from vlmrt_dist.cli.measurements import read_for
from vlmrt_dist.cli.options import (
    CandidateFlags,
    DesignOptions,
    PositionOptions,
    RadioOptions,
    SceneOptions,
    StrategyName,
    check_target,
    strategy_of,
    value_of,
)
from vlmrt_dist.command_line import Options, described, option_group
from vlmrt_dist.console import (
    counted,
    first_rows,
    listed,
    print_result,
    progress_bar,
    results_only,
    say,
)
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import (
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    estimate,
)
from vlmrt_dist.placement import (
    CandidateOptions,
    CandidatePool,
    Grow,
    NextSetup,
    ObservableWorth,
    OptimalStrategy,
    PlanTarget,
    TargetScope,
    compare_observables,
    plan_for_target,
    plan_next,
    pool_for,
)
from vlmrt_dist.report import percent, plan_report
from vlmrt_dist.scene import SceneModel

SCOPES = {
    "identifiable": "every object that can be",
    "all": "every object",
    "median": "the median object",
}


@option_group("Positions")
@dataclass(frozen=True)
class PlannedPositions(PositionOptions):
    """Positions of a plan.

    :param target: find the fewest links that bring the objects' predicted standard deviation here,
        such as 10%; then --setups or --receivers is found, see --grow
    :param which: the objects that the target is for: those that can reach it, all, or their median
    :param grow: the number that grows until the target is reached
    :param after: levels measured already (see estimate): plans the next setup
    :param start: positions that vlm_then_refine begins at; default: the offline rules'
    :param refine: move the chosen antennas through free space while that gains information
    :raises ConfigurationError: if options do not go together, or the target is no share
    """

    # The least error of sweeps/search.py: configurations b08db23a2ab7 and 7e8d20a52e88.
    placement: StrategyName = "a_optimal"
    target: Annotated[str | None, Parameter(metavar="PERCENT", allow_leading_hyphen=True)] = None
    which: TargetScope = "identifiable"
    grow: Grow = "receivers"
    after: Annotated[Path | None, Parameter(metavar="FILE")] = None
    start: Annotated[Path | None, Parameter(metavar="FILE")] = None
    refine: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.wanted is not None and self.placement not in ("d_optimal", "a_optimal"):
            raise ConfigurationError("--target goes with --placement d_optimal or a_optimal")
        if self.after is not None and (self.target is not None or self.start is not None):
            raise ConfigurationError("--after plans one setup; leave --target and --start out")
        if self.start is not None and self.placement != "vlm_then_refine":
            raise ConfigurationError("--start FILE goes with --placement vlm_then_refine")
        if self.refine and (
            self.placement not in ("d_optimal", "a_optimal")
            or self.target is not None
            or self.after is not None
        ):
            raise ConfigurationError(
                "--refine goes with --placement d_optimal or a_optimal; leave --target and "
                "--after out"
            )

    @property
    def wanted(self) -> PlanTarget | None:
        """The target; None: there is none.

        :raises ConfigurationError: if it is no share such as "10%", "10 %" or "0.1"
        """
        if self.target is None:
            return None
        bare = self.target.strip()
        try:
            value = float(bare.removesuffix("%")) / (100.0 if bare.endswith("%") else 1.0)
        except ValueError:
            value = math.nan
        if not 0.0 < value < 10.0:
            raise ConfigurationError(
                f"--target must be a share such as 10% or 0.1; got {self.target!r}"
            )
        return PlanTarget(value, self.which, self.grow)


@option_group("Output")
@dataclass(frozen=True)
class PlanOutput(Options):
    """Output of a plan.

    :param out: the file to write, .csv or .parquet
    :param figure: draw the positions to this .png
    :param overwrite: replace files that are there already
    :param as_json: print one JSON object
    :param compare: print what each of these would determine at the positions, as in
        power,delay:20ns,power+response:64 (see simulate --observe; + joins what is measured
        together)
    """

    out: Annotated[Path, Parameter(metavar="FILE")]
    figure: Annotated[Path | None, Parameter(metavar="FILE")] = None
    overwrite: bool = False
    as_json: Annotated[bool, Parameter(name="--json")] = False
    compare: Annotated[str | None, Parameter(metavar="WORDS")] = None

    def __post_init__(self) -> None:
        check_target(self.out, ".csv", ".parquet", overwrite=self.overwrite)
        check_target(self.figure, ".png", overwrite=self.overwrite)
        for words in self.alternatives:
            parse_observables(words.replace("+", ","))

    @property
    def alternatives(self) -> list[str]:
        """The sets of observables that are compared, as words."""
        return [] if self.compare is None else self.compare.split(",")

    def write(self, scene: SceneModel, planned: Campaign, text: str, answer: Any) -> None:
        """Write the positions, draw them, print what is said of them.

        :param text: a table
        :param answer: the same for JSON
        """
        write_campaign(planned, self.out)
        if self.figure is not None:
            from vlmrt_dist.report import positions_figure

            positions_figure(scene, planned, self.figure)
            say(f"figure written to {self.figure}")
        if self.as_json:
            print_result(json.dumps(answer, indent=2, allow_nan=False))
        else:
            print_result(text)
            print_result(
                f"{counted(planned.num_links, 'link')} of {counted(planned.num_setups, 'setup')} "
                f"written to {self.out}"
            )


@described
def plan_command(
    *,
    output: PlanOutput,
    scene: SceneOptions = SceneOptions(),
    positions: PlannedPositions = PlannedPositions(),
    candidates: CandidateFlags = CandidateFlags(),
    design: DesignOptions = DesignOptions(),
    radio: RadioOptions = RadioOptions(),
    seed: int = 0,
) -> None:
    """Positions to measure at [m], and the uncertainty predicted for each object.

    Add the levels as a column rss_dbm [dBm] to the file and give it to estimate.

    :param seed: seed of candidates and search
    """
    asked = value_of(RadioConfig, radio)
    room = scene.load(asked.frequency)
    if room.layers is not None:
        say(
            "note: the plan takes the layers of walls for known; it is made for the conductivities "
            "of the other objects"
        )
    if positions.after is not None:
        measured = read_for(
            room, positions.after, tx_power_dbm=asked.tx_power_dbm, devices=radio.devices
        )
        ahead = _next(room, measured, positions.receivers, candidates, design, asked, seed)
        output.write(room, ahead.campaign, *_said_of_next(room, ahead))
        return
    start = read_for(room, positions.start) if positions.start is not None else None
    strategy = strategy_of(positions.placement, candidates, asked, design, start)
    if isinstance(strategy, OptimalStrategy):
        strategy = dataclasses.replace(strategy, refine=positions.refine)
    size, wanted = (positions.setups, positions.receivers), positions.wanted
    lines: list[str] = []
    with results_only(), progress_bar() as progress:
        if not isinstance(strategy, OptimalStrategy):  # what can be refused, before the pool
            planned = strategy.place(room, *size, seed=seed, progress=progress)
        pool = pool_for(
            room, *size, seed=seed, radio=asked, candidates=value_of(CandidateOptions, candidates),
            design=design.value(), progress=progress,
        )  # fmt: skip
        if isinstance(strategy, OptimalStrategy):
            if wanted is not None:
                planned, lines = _for_target(room, strategy, pool, wanted, size, seed)
            else:
                planned = strategy.choose(room, pool, *size, seed=seed, progress=progress)
        report = plan_report(room, planned, pool, radio=asked, design=design.value(), seed=seed)
    text, answer = report.text(lines), report.to_dict(lines)
    if output.alternatives:
        worth = _compared(room, planned, output.alternatives, design, asked)
        text = "\n".join([text, *_worth_lines(worth)])
        answer = {**answer, "compare": [{"words": w.words, "num_values": w.num_values,
                                         "determined": w.determined} for w in worth]}  # fmt: skip
    output.write(room, planned, text, answer)


def _compared(
    scene: SceneModel,
    planned: Campaign,
    alternatives: list[str],
    design: DesignOptions,
    radio: RadioConfig,
) -> tuple[ObservableWorth, ...]:
    """Conductivities and permittivities that each alternative would determine."""
    both = dataclasses.replace(design.value(), quantities=("conductivity", "relative_permittivity"))
    with results_only(), progress_bar() as progress:
        return compare_observables(
            scene, planned, alternatives, radio=radio, design=both, progress=progress
        )


def _worth_lines(worth: tuple[ObservableWorth, ...]) -> list[str]:
    """A table of what alternatives would determine."""
    count = len(worth[0].std["conductivity"])
    width = max(20, *(len(each.words) for each in worth))
    lines = [
        f"what each would determine of {count} conductivities and {count} permittivities, both "
        "unknown:",
        f"{'measured':<{width}} {'values':>8} {'conductivities':>15} {'permittivities':>15}",
    ]
    lines += [
        f"{each.words:<{width}} {each.num_values:>8} {each.determined['conductivity']:>15.1f} "
        f"{each.determined['relative_permittivity']:>15.1f}"
        for each in worth
    ]
    return lines


def _for_target(
    scene: SceneModel,
    strategy: OptimalStrategy,
    pool: CandidatePool,
    target: PlanTarget,
    size: tuple[int, int],
    seed: int,
) -> tuple[Campaign, list[str]]:
    """The smallest campaign for a target, and what to say about it."""
    found = plan_for_target(strategy, scene, target, *size, pool=pool, seed=seed)
    m, n, value = next(
        (m, n, value)
        for m, n, value in found.tried
        if (m, n) == (found.campaign.num_setups, found.campaign.num_receivers)
    )
    lines = [
        f"target {percent(target.std)}: {m} setups of {n} receivers bring {SCOPES[target.scope]} "
        f"to {percent(value)}"
        if found.reached
        else f"target {percent(target.std)} is not reached: {m} setups of {n} receivers, the most "
        f"tried, leave {percent(value)}; grow the other number, or enlarge the pool"
    ]
    if found.never:
        lines.append(
            "even all links of the pool together would not bring there: " + listed(found.never)
        )
    return found.campaign, lines


def _next(
    scene: SceneModel,
    measured: Campaign,
    receivers: int,
    candidates: CandidateFlags,
    design: DesignOptions,
    radio: RadioConfig,
    seed: int,
) -> NextSetup:
    """Estimate from what is measured, and plan the next setup."""
    states_noise = np.nanmax(measured.noise_db) > 0.0
    with results_only(), progress_bar() as progress:
        result = estimate(
            scene, measured, radio=radio, prior=Prior(design.prior_width),
            noise=Noise(None if states_noise else design.noise_db),
            parameters=Parameters(fixed=design.fixed), solver=LevenbergMarquardt(folds=0),
            seed=seed, progress=progress,
        )  # fmt: skip
        return plan_next(
            scene, measured, result, num_receivers=receivers, radio=radio,
            candidates=value_of(CandidateOptions, candidates), observables=design.observe,
            seed=seed, progress=progress,
        )  # fmt: skip


def _said_of_next(scene: SceneModel, ahead: NextSetup) -> tuple[str, dict[str, Any]]:
    """The uncertainty before and after a further setup: a table, and the same for JSON."""
    told = [
        (name, float(now), float(then))
        for name, now, then in zip(scene.names, ahead.before, ahead.after, strict=True)
        if now > 0.0
    ]
    objects = [{"name": n, "std_now": now, "std_after": then} for n, now, then in told]
    lines = [f"{'object':<24} {'now':>8} {'after':>8}"]
    shown = first_rows([then - now for _, now, then in told])
    for name, now, then in (told[k] for k in shown):
        lines.append(f"{name:<24} {percent(now):>8} {percent(then):>8}")
    if len(shown) < len(told):
        lines.append(f"{len(told) - len(shown)} more objects gain less; all of them with --json")
    lines += ahead.sentences()
    answer = {
        "objects": objects,
        "num_links": ahead.campaign.num_links,
        "solution_levels_dbm": ahead.level_dbm.tolist(),
        "remarks": ahead.sentences(),
        "units": {"std": "of ln(conductivity)"},
    }
    return "\n".join(lines), answer
