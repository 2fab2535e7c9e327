#!/usr/bin/env python3
"""What can be told of a real place? Five cities, one material object per shape.

Sionna's bundled scenes, loaded as they are: `simple_street_canyon`, `etoile`, `munich`, `florence`
and `san_francisco`, 7 to 4735 objects. Transmitters stand 3 to 10 m above the street, receivers at
1.5 m, never under a roof. The truth is σ = λ σ_ITU as in the paper, the levels have noise, and the
estimate is Levenberg-Marquardt with the prior. The estimate has every path up to D, found exactly;
the truth has those of another solver, a union of Sionna's solves (independent). Most buildings no
link depends on: they have to keep the prior, with the verdict "not_identified"; metal has nothing
to estimate and is "fixed".

Positions are random (as they fall in the street, so that many hear nothing) or chosen from a traced
pool. Every case runs in a process of its own, so that its peak memory is its own.
"""

import vlmrt_dist.program  # isort: split

from dataclasses import dataclass

import vlmrt_dist as vd
from vlmrt_dist.command_line import Options, option_group
from vlmrt_dist.console import show
from vlmrt_dist.inference import LinkLoss
from vlmrt_dist.report import cities_cost_table, cities_figure, cities_table
from vlmrt_dist.scene import bundled_scene
from vlmrt_dist.studies import Case, CityTask, Protocol, Surveyed, Sweep, city, sweep

SIZES = {"simple_street_canyon": (4, 12)}
"""M setups of N receivers, where they are not 8 and 16."""

QUICK_SIZES = {"simple_street_canyon": (3, 8), "etoile": (4, 12)}


@option_group("Measurement")
@dataclass(frozen=True)
class Conditions(Options):
    """Heights of antennas, noise and prior of a measurement in a city.

    :param height: lowest and highest receiver above the ground [m]
    :param tx_height: the same for transmitters [m]
    :param protocol: independent: the estimate has every path, the truth a union of Sionna's solves;
        same_paths: both have every path
    :param noise_db: noise of a level [dB]
    :param prior_width: standard deviation of ln σ before measuring
    :param loss: how large residuals count
    """

    height: tuple[float, float] = (1.5, 1.5)
    tx_height: tuple[float, float] = (3.0, 10.0)
    protocol: Protocol = "independent"
    noise_db: float = 0.1
    prior_width: float = 0.1
    loss: LinkLoss = "huber"


@sweep("real_scenes", seeds=5, quick={"scenes": tuple(QUICK_SIZES)})
def main(
    run: Sweep,
    scenes: tuple[str, ...] = (
        "simple_street_canyon",
        "etoile",
        "munich",
        "florence",
        "san_francisco",
    ),
    placements: tuple[str, ...] = ("random", "a_optimal"),
    setups: int | None = None,
    receivers: int | None = None,
    depth: int = 2,
    rays: int = 300_000,
    campaign: Conditions = Conditions(),
) -> None:
    """Survey the scenes, print verdicts and errors, and draw them.

    :param scenes: Sionna's scenes
    :param placements: random, d_optimal or a_optimal positions
    :param setups: M; default: 8 (street canyon: 4)
    :param receivers: N; default: 16 (street canyon: 12)
    :param depth: most interactions of a path
    :param rays: rays of one of Sionna's solves, of which the truth of "independent" is a union
    :param campaign: antennas, noise and prior
    """
    for name in scenes:
        bundled_scene(name)  # a wrong name is said at once
    radio = vd.RadioConfig(max_depth=depth, samples_per_src=rays)
    sizes = QUICK_SIZES if run.quick else SIZES
    cases = [
        Case(scene, strategy, setups or sizes.get(scene, (8, 16))[0],
             receivers or sizes.get(scene, (8, 16))[1], seeds=run.seeds, **vars(campaign))
        for scene in scenes for strategy in placements
    ]  # fmt: skip
    tasks = [CityTask(case, radio, run.study, run.folder) for case in cases]
    timings = run.timings(tasks, CityTask.measure)
    found = [Surveyed.read(case, timing, run.ledger)
             for case, timing in zip(cases, timings, strict=True)]  # fmt: skip
    places = {scene: city(scene) for scene in scenes}
    show(cities_table(found, places, radio), cities_cost_table(found))
    run.close(cities_figure(found, places, run.figure()))


if __name__ == "__main__":
    main.script()
