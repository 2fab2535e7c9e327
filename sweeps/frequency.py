#!/usr/bin/env python3
"""At which carriers can conductivities be told from levels? From 0.5 to 100 GHz.

The paper's room with the positions that are D-optimal at 3.5 GHz, so that only the carrier changes;
truth and estimate have every path up to D (exact). The conductivities σ = c f^d and permittivities
a f^b are ITU-R P.2040's. Outside the ranges of a material (brick: 1 to 40 and from 110 GHz, marble:
1 to 60 and from 100 GHz, wood: from 1 MHz, concrete and chipboard: 1 to 100 GHz) its nearest row is
continued, which the recommendation does not vouch for: those carriers are marked.

Adam, as the paper, and Levenberg-Marquardt have levels without noise; with the prior of 50 % the
levels have 0.1 dB.
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import frequency_figure, frequency_table
from vlmrt_dist.scene import continued, is_tabulated
from vlmrt_dist.studies import Point, StudyOptions, Sweep, optimal, sweep


@sweep("frequency", seeds=6, quick={"seeds": 3, "carriers": (0.5e9, 3.5e9, 100e9)})
def main(
    run: Sweep,
    carriers: tuple[float, ...] = (0.5e9, 1e9, 2e9, 3.5e9, 7e9, 15e9, 28e9, 40e9, 60e9, 100e9),
    depth: int = 4,
    noise_db: float = 0.1,
    options: StudyOptions = StudyOptions(),
) -> None:
    """Print and draw error and remaining uncertainty against the carrier.

    :param carriers: frequencies [Hz]; --frequency is the one that the positions are chosen for
    :param depth: ray-tracing depth D
    :param noise_db: noise of the levels that are fitted with the prior [dB]
    :param options: configuration, truth and solver
    """
    room = vd.box_room()
    positions = optimal(run, room, options.exact_radio(max_depth=depth))
    points = []
    for carrier in carriers:
        here = options.exact_radio(max_depth=depth, frequency=carrier)
        scene = continued(room, carrier)
        told = all(is_tabulated(m, carrier) for m in set(room.materials))
        label = {"carrier [GHz]": carrier / 1e9, "P.2040": "tabulated" if told else "continued"}
        points += options.points([
            Point(run.study, scene, positions, here, ("adam", "levenberg_marquardt"), "itu",
                  "same_paths", run.seeds, label, held_out=False)
        ])  # fmt: skip
        points.append(
            Point(run.study, scene, positions, here, ("map",), "itu", "same_paths", run.seeds,
                  label | options.label, noise_db=noise_db, held_out=False,
                  truth_width=options.truth_width)
        )  # fmt: skip
    rows = run.rows(points)
    title = f"Carriers, {len(run.seeds)} truths; {noise_db:g} dB with the prior"
    show(frequency_table(title, rows))
    run.close(frequency_figure(title, rows, run.figure()))


if __name__ == "__main__":
    main.script()
