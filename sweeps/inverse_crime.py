#!/usr/bin/env python3
"""What does an error of 1e-13 % say, if the levels come from the estimator's own model?

Levels that are simulated with the model that estimates them commit the "inverse crime": nothing is
wrong with the model but its unknowns. The same estimation on truths that are made otherwise, in the
paper's room at D-optimal positions (M = 3, N = 8, D = 4):

one solve, the same       truth and estimate share one solve of 5000 rays, as in the paper
exact, the same           both have every path
one solve, truth exact    the estimate lacks paths that the truth has
exact, truth one solve    the truth lacks paths that the estimate has
1 mm, 1 cm, 10 cm         both have every path, but antennas stand that far off in the truth
                          (standard deviation of each coordinate)
rough surfaces            surfaces of the truth scatter (S = 0.3), those of the estimate are smooth

Adam, as the paper, and Levenberg-Marquardt have no noise and no prior; "with the prior" (50 %) has
0.1 dB of noise, and says how often its intervals of 95 % hold the truth.
"""

import vlmrt_dist.program  # isort: split

from dataclasses import replace

import vlmrt_dist as vd
from vlmrt_dist.campaign import Combining
from vlmrt_dist.console import show
from vlmrt_dist.report import inverse_crime_figure, inverse_crime_table
from vlmrt_dist.studies import TRUTH_SEED, Point, StudyOptions, Sweep, optimal, sweep


@sweep("inverse_crime", seeds=8, quick={"seeds": 3, "errors_m": (0.01,), "combinings": ("power",)})
def main(
    run: Sweep,
    combinings: tuple[Combining, ...] = ("power", "coherent"),
    errors_m: tuple[float, ...] = (0.001, 0.01, 0.1),
    depth: int = 4,
    rays: int = 5000,
    noise_db: float = 0.1,
    prior_seeds: int = 2,
    scattering: float = 0.3,
    options: StudyOptions = StudyOptions(),
) -> None:
    """Print and draw the error of each truth.

    :param combinings: add the paths' powers, or their complex amplitudes
    :param errors_m: standard deviations of the antennas' coordinates in the truth [m]
    :param depth: ray-tracing depth D
    :param rays: rays of one solve
    :param noise_db: noise of the levels that are fitted with the prior [dB]
    :param prior_seeds: truths that are fitted with the prior too; their search for other minima
        takes seconds where the model is wrong
    :param scattering: scattering coefficient S of every surface in one of the truths
    :param options: configuration, truth and solver; --combining is not used
    """
    room = vd.box_room()
    positions = optimal(run, room, options.exact_radio(max_depth=depth, combining="power"))
    points = []
    for combining in combinings:
        exact = options.exact_radio(max_depth=depth, combining=combining)
        solve = options.radio(max_depth=depth, samples_per_src=rays, combining=combining)
        base = Point(run.study, room, positions, exact, ("adam", "levenberg_marquardt"), "itu",
                     "same_paths", run.seeds, held_out=False)  # fmt: skip
        other = solve.replace(seed=solve.seed + TRUTH_SEED)
        cases = {
            "one solve, the same": replace(base, radio=solve),
            "exact, the same": base,
            "one solve, truth exact": replace(base, radio=solve, protocol="independent"),
            "exact, truth one solve": replace(base, protocol="independent", truth_radio=other),
            **{f"antennas {_length(error)} off": replace(base, position_error_m=error)
               for error in errors_m},
            f"rough surfaces, S = {scattering:g}": replace(
                base, scene=rough(room, scattering), protocol="independent",
                truth_radio=exact.replace(diffuse_reflection=True)),
        }  # fmt: skip
        for name, case in cases.items():
            label: dict[str, float | str] = {"truth": name, "adds": combining}
            points += options.points([replace(case, label=label)])
            points.append(
                replace(case, optimizers=("map",), label=label | options.label, noise_db=noise_db,
                        truth_width=options.truth_width, seeds=run.seeds[:prior_seeds])
            )  # fmt: skip
    rows = run.rows(points)
    title = f"Truths of other making, {len(run.seeds)} seeds"
    show(inverse_crime_table(title, rows))
    run.close(inverse_crime_figure(title, rows, run.figure()))


def rough(room: vd.SceneModel, scattering: float) -> vd.SceneModel:
    """A room whose surfaces all scatter."""
    objects = tuple(replace(item, scattering_coefficient=scattering) for item in room.objects)
    return replace(room, objects=objects)


def _length(meters: float) -> str:
    return f"{1e3 * meters:g} mm" if meters < 0.01 else f"{1e2 * meters:g} cm"


if __name__ == "__main__":
    main.script()
