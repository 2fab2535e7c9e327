#!/usr/bin/env python3
"""What does it cost not to know the permittivity, or the gain, and what do ties and carriers help?

The paper's room, M = 3, N = 8, D-optimal positions, coherent, 0.1 dB; truth and estimate have every
path up to D = 4 (exact). Truths of conductivities are
the paper's, and the prior of ln σ has their standard deviation, 0.1; permittivities are drawn 5 %
wide, offsets of a setup's levels 1 dB wide, each as its prior says. Tied: objects of one class
share their values, in the truth and in the estimate. Two carriers: every setup is measured at 3.5
and at 5 GHz, twice the links; the classes' exponents are known.
"""

import vlmrt_dist.program  # isort: split

from dataclasses import replace

import numpy as np

import vlmrt_dist as vd
from vlmrt_dist.campaign import Combining
from vlmrt_dist.console import show
from vlmrt_dist.report import joint_figure, joint_table
from vlmrt_dist.studies import Point, Sweep, optimal, sweep


@sweep("joint", seeds=100, quick={"seeds": 10})
def main(
    run: Sweep,
    carriers: tuple[float, ...] = (3.5e9, 5.0e9),
    noise_db: float = 0.1,
    gain_offset_db: float = 1.0,
    prior_width: float = 0.1,
    permittivity_width: float = 0.05,
    combining: Combining = "coherent",
) -> None:
    """Print errors, verdicts and coverage for what may be unknown, at one and two carriers.

    :param carriers: carriers of the second half of the cases [Hz]; the first half has 3.5 GHz alone
    :param noise_db: noise of a level [dB]
    :param gain_offset_db: standard deviation of the unknown offsets of the setups' levels [dB]
    :param prior_width: standard deviation of ln σ before measuring
    :param permittivity_width: standard deviation of ln ε_r, of the truths and before measuring
    :param combining: add the paths' powers, or their complex amplitudes
    """
    room = vd.box_room()
    radio = vd.RadioConfig(combining=combining)
    one = optimal(run, room, radio)
    many = vd.Campaign(
        np.tile(one.tx, (len(carriers), 1)), np.tile(one.rx, (len(carriers), 1, 1)),
        frequency=np.repeat(carriers, one.num_setups),
    )  # fmt: skip
    points = [
        replace(case, campaign=campaign, label={"unknown": name, "carriers": count})
        for count, campaign in ((1, one), (len(carriers), many))
        for name, case in _cases(
            Point(run.study, room, one, radio, ("map",), "itu", "same_paths", seeds=run.seeds,
                  noise_db=noise_db, prior_width=prior_width,
                  widths={"relative_permittivity": permittivity_width}), gain_offset_db).items()
    ]  # fmt: skip
    rows = run.rows(points)
    title = f"What may be unknown, {len(run.seeds)} seeds, {noise_db:g} dB of noise"
    show(joint_table(title, rows))
    run.close(joint_figure(title, rows, run.figure()))


def _cases(base: Point, offset: float) -> dict[str, Point]:
    """Points by the quantities that are unknown beside the conductivities."""
    both = replace(base, unknowns=("conductivity", "relative_permittivity"))
    tied = replace(both, groups="material")
    return {
        "σ": base,
        "σ, tied": replace(base, groups="material"),
        "σ, gain unknown": replace(base, gain_offset_db=offset),
        "σ and ε_r": both,
        "σ and ε_r, tied": tied,
        "σ and ε_r, gain unknown": replace(both, gain_offset_db=offset),
        "σ and ε_r, tied, gain unknown": replace(tied, gain_offset_db=offset),
    }


if __name__ == "__main__":
    main.script()
