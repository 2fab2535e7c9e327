#!/usr/bin/env python3
"""Do the intervals from each observable hold the truth, those of offsets too?

Truths of the paper's room (conductivities, permittivities; offsets of levels and of delays where an
observable has any) are drawn from the prior, and values from the declared noise. Counted for each
quantity: the normal 95 % intervals that miss the truth.
"""

import vlmrt_dist.program  # isort: split

from functools import partial

import vlmrt_dist as vd
from vlmrt_dist.campaign import RadioConfig, random_campaign
from vlmrt_dist.console import show
from vlmrt_dist.report import observable_table
from vlmrt_dist.studies import ObservableCoverage, Sweep, UnknownOf, observable_tallies, sweep


@sweep("observables", seeds=300, quick={"seeds": 5, "max_depth": 1})
def main(
    run: Sweep,
    words: tuple[str, ...] = (
        "power",
        "delay:10ns",
        "mean_delay@0.3ns",
        "delay_spread@0.3ns",
        "response:16@25db",
        "magnitude:16",
        "power+delay:20ns+response:8@20db",
    ),
    setups: int = 2,
    receivers: int = 8,
    max_depth: int = 2,
    unknown: tuple[UnknownOf, ...] = ("offsets",),
) -> None:
    """Count the intervals that miss the truth, by observable and quantity.

    The seeds are the truths.

    :param words: what is measured, joined by + where several are
    :param setups: transmitter positions
    :param receivers: receiver positions of each
    :param max_depth: depth of the paths
    :param unknown: what of links and devices is unknown: offsets, orientations (and powers) or
        positions, which go with power alone
    """
    room = vd.box_room()
    positions = random_campaign(room, setups, receivers, seed=1)
    radio = RadioConfig(max_depth=max_depth)
    tasks = [
        ObservableCoverage(each.replace("+", ","), room, positions, radio, len(run.seeds), of)
        for of in unknown
        for each in words
    ]
    timings = run.timings(tasks, partial(ObservableCoverage.measure, study=run.study))
    title = f"95 % intervals that miss the truth, {len(run.seeds)} truths"
    show(observable_table(title, observable_tallies(timings)))
    run.close(timings=True)


if __name__ == "__main__":
    main.script()
