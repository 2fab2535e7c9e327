#!/usr/bin/env python3
"""Which reading of the paper can give the numbers that it prints? Tables 1 and 2, sixteen numbers.

The paper leaves its optimization open: as printed (loss (8), η = 1e-3, rule (13)) Adam never stops
within 1000 iterations. Each reading changes something of it, and runs on both tables: K = 9, M = 3,
N = 8, VLMInit; D-optimal positions, those of the offline advisor, and those of a recorded one.
Truth and estimate share one solve (same_paths).

A reading that comes near shows what is compatible with the printed numbers, not what was run.
"""

import vlmrt_dist.program  # isort: split

from pathlib import Path
from typing import get_args

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.inference import READINGS, ReadingName
from vlmrt_dist.report import TABLE_1, TABLE_2, readings_figure, readings_table
from vlmrt_dist.studies import Point, PositionName, PositionOptions, StudyOptions, Sweep, sweep


@sweep(
    "readings",
    seeds=100,
    quick={"seeds": 5, "readings": ("literal", "patience", "decibel_squares"),
           "placements": ("d_optimal",)},
)  # fmt: skip
def main(
    run: Sweep,
    readings: tuple[ReadingName, ...] = get_args(ReadingName),
    depths: tuple[int, ...] = tuple(TABLE_1),
    rays: tuple[int, ...] = tuple(TABLE_2),
    placements: tuple[PositionName, ...] = ("d_optimal", "vlm"),
    recording: Path | None = None,
    options: StudyOptions = StudyOptions(),
) -> None:
    """Print which of the sixteen printed numbers each reading can give, and draw its ranges.

    :param readings: the readings
    :param depths: depths D, at 5000 rays
    :param rays: numbers of rays U, at D = 4
    :param placements: ways to choose positions; vlm: the offline advisor's
    :param recording: recorded answers of an advisor, whose positions and materials are run too
    :param options: configuration, truth and solver; --reading is --readings here
    """
    room = vd.box_room()
    cells = dict.fromkeys([(depth, 5000) for depth in depths] + [(4, u) for u in rays])
    wheres = [PositionOptions(positions=name) for name in placements]
    if recording is not None:
        wheres.append(PositionOptions(vlm="recorded", recording=recording))
    points = []
    for where in wheres:
        advice, positions = where.chosen(run, room, options.radio(max_depth=4))
        place = where.vlm or where.positions
        for name in readings:
            radio = options.radio(combining=options.combining or READINGS[name].combining)
            points += options.read_as(name).points(
                Point(
                    run.study, room, positions, radio.replace(max_depth=depth, samples_per_src=u),
                    ("adam",), "vlm" if advice else "itu", "same_paths", seeds=run.seeds,
                    label={"reading": name, "positions": place, "D": depth, "U": u},
                    priors=(advice.prior,) * len(run.seeds) if advice else None, held_out=False,
                )
                for depth, u in cells
            )  # fmt: skip
    rows = run.rows(points)
    title = f"Readings of the paper, {len(run.seeds)} seeds"
    show(*readings_table(title, rows))
    show(*(f"{name}: {READINGS[name].summary}" for name in readings))
    run.close(readings_figure(title, rows, run.figure()))


if __name__ == "__main__":
    main.script()
