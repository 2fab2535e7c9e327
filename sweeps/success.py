#!/usr/bin/env python3
"""How often does each optimizer find the materials, wherever the antennas stand?

Three setups of eight receivers at random places of the paper's room, with a truth of its own for
each of many placements (--seeds: several), and two starts. An optimizer has found the materials if
its mean relative error ends at 1 % or less. Truth and estimate have every path up to D (exact) and
there is no noise, so that what fails is the optimizer, or the placement: the links of some
placements do not determine each object.

Algorithm 1   the paper's Adam, read literally (loss (8), η = 1e-3, rule (13), 1000 iterations)
small step    the same with η = 1e-4
Levenberg-M.  least squares of decibels, no prior, one start
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.inference import Initial, ReadingName
from vlmrt_dist.report import success_figure, success_table
from vlmrt_dist.studies import Method, Point, StudyOptions, Sweep, chosen_positions, sweep


@sweep("success", seeds=1, quick={"seeds": 2, "placements": 5})
def main(
    run: Sweep,
    placements: int = 1000,
    starts: tuple[Initial, ...] = ("itu", "random"),
    readings: tuple[ReadingName, ...] = ("literal", "small_step"),
    setups: int = 3,
    receivers: int = 8,
    depth: int = 4,
    options: StudyOptions = StudyOptions(),
) -> None:
    """Print how often and how fast each optimizer succeeds, and draw the errors that they end at.

    :param placements: random placements, each with truths and random starts of its own
    :param starts: where the optimizers start
    :param readings: how the paper's optimization is read; options.reading is not used
    :param setups: setups M
    :param receivers: receivers N of a setup
    :param depth: ray-tracing depth D
    :param options: configuration, truth and solver
    """
    room, radio = vd.box_room(), options.exact_radio(max_depth=depth)
    size, each = (setups, receivers), len(run.seeds)
    where = chosen_positions(run, room, "random", radio, size, range(placements))
    points = []
    for start in starts:
        for reading in readings:
            methods: tuple[Method, ...] = (
                ("adam", "levenberg_marquardt") if reading == readings[0] else ("adam",)
            )
            points += options.read_as(reading).points(
                Point(run.study, room, campaign, radio, methods, start, "same_paths",
                      tuple(range(number * each, (number + 1) * each)), {"start": start},
                      held_out=False)
                for number, campaign in enumerate(where)
            )  # fmt: skip
    rows = run.rows(points)
    truths = "a truth each" if each == 1 else f"{each} truths each"
    title = f"{placements} placements, {truths}, M = {setups}, N = {receivers}, D = {depth}"
    show(success_table(title, rows))
    run.close(success_figure(title, rows, run.figure()))


if __name__ == "__main__":
    main.script()
