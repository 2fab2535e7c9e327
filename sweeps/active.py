#!/usr/bin/env python3
"""How many links does it take to know every object to 10 %, at 0.1 dB of noise, coherent?

active      setup after setup of at most 3 receivers, planned with what the ones before told and
            with as many further ones as the target is predicted to take (--lookahead at most)
D-optimal   one batch of M setups, planned before anything is measured
advised     the first M setups of the offline advisor (VLMSel's stand-in)
random      the first M of each seed's own random setups (RandSel)

The estimate is MAP with a prior of 50 %; a campaign has arrived when the largest standard
deviation of ln σ that it states is 10 %. Truth and estimate have every path up to D = 4 (exact).
"""

import vlmrt_dist.program  # isort: split

from functools import partial

import vlmrt_dist as vd
from vlmrt_dist.campaign import Combining
from vlmrt_dist.console import show
from vlmrt_dist.field import perturbed
from vlmrt_dist.placement import CandidateOptions, DOptimal
from vlmrt_dist.report import labelled, links_to_target_table, progress_figure
from vlmrt_dist.studies import Point, Sweep, sweep

PLANS = ("active", "D-optimal, one batch", "advised (offline)", "random")


@sweep("active", seeds=20, quick={"seeds": 2, "most": 4})
def main(
    run: Sweep,
    most: int = 12,
    batches: int = 6,
    receivers: int = 3,
    target: float = 0.1,
    noise_db: float = 0.1,
    combining: Combining = "coherent",
    lookahead: int = 3,
) -> None:
    """Print how many links each way of planning needs, and draw how the uncertainty falls.

    :param most: most setups of a campaign
    :param batches: most setups of a D-optimal batch
    :param receivers: most receivers of a setup
    :param target: largest standard deviation of ln σ
    :param noise_db: noise of a level [dB]
    :param combining: add the paths' powers, or their complex amplitudes
    :param lookahead: most setups that the loop plans together
    """
    room, radio = vd.box_room(), vd.RadioConfig(combining=combining)
    aim = vd.Target(target, max_setups=most, lookahead=lookahead)
    loop = Loop(room, radio, receivers, aim, noise_db)
    advised = vd.place("vlm", room, most, receivers)
    optimal = DOptimal(radio=radio, candidates=CandidateOptions(num_tx=24))
    plans: list[tuple[str, vd.Campaign, tuple[int, ...]]] = [
        (PLANS[1], run.call(partial(vd.place, optimal, room, m, receivers), f"D-optimal M={m}"),
         run.seeds)
        for m in range(1, min(most, batches) + 1)
    ]  # fmt: skip
    plans += [(PLANS[2], advised.subset(range(m)), run.seeds) for m in range(1, most + 1)]
    if run.options.dry_run:
        show("the setups of a closed loop are known once it was run, so its rows are not listed")
    for seed in run.seeds:
        drawn = {"random": vd.place("random", room, most, receivers, seed=seed)}
        if not run.options.dry_run:
            drawn["active"] = run.call(partial(loop.close, seed), f"active {seed}")
        for name, whole in drawn.items():
            plans += [(name, whole.subset(range(m)).with_rss(None), (seed,))
                      for m in range(1, whole.num_setups + 1)]  # fmt: skip
    rows = run.rows([
        Point(run.study, room, positions, radio, ("map",), "itu", "same_paths", which,
              {"plan": name, "M": positions.num_setups}, noise_db=noise_db)
        for name, positions, which in plans
    ])  # fmt: skip
    title = f"Links to ±{100 * target:g} % for every object, {len(run.seeds)} seeds"
    show(links_to_target_table(title, rows, PLANS, target, receivers * most))
    show("the paper leaves closed-loop measurement to future work")
    curves: dict[str, dict[int, list[float]]] = {name: {} for name in PLANS}
    for name, curve in curves.items():
        for row in sorted(labelled(rows, plan=name), key=lambda r: r.num_links):
            curve.setdefault(row.num_links, []).append(100.0 * max(row.std))
    title, scale = f"{combining.capitalize()}, {noise_db:g} dB", "largest std of ln σ [%]"
    run.close(progress_figure(title, scale, curves, 100.0 * target, run.figure()))


class Loop:
    """Campaigns that grow setup by setup, each planned with what the ones before told."""

    def __init__(
        self, room: vd.SceneModel, radio: vd.RadioConfig, receivers: int, target: vd.Target,
        noise_db: float,
    ) -> None:  # fmt: skip
        self.room, self.radio, self.receivers = room, radio, receivers
        self.target, self.noise_db = target, noise_db

    def close(self, seed: int) -> vd.Campaign:
        """The positions that a closed loop comes to for the truth of ``seed``."""
        truth = perturbed(self.room.conductivity(self.radio.frequency), seed)

        def measure(planned: vd.Campaign) -> vd.Campaign:
            noise_seed = 1000 * seed + int(planned.key[:6], 16)  # other positions, other noise
            return vd.simulate(self.room, planned, conductivity=truth, radio=self.radio,
                               noise_db=self.noise_db, seed=noise_seed)  # fmt: skip

        estimator = partial(vd.estimate, prior=vd.Prior(0.5), solver=vd.LevenbergMarquardt(folds=0))
        return vd.measure_until(self.room, measure, self.target, num_receivers=self.receivers,
                                radio=self.radio, estimator=estimator).campaign  # fmt: skip


if __name__ == "__main__":
    main.script()
