#!/usr/bin/env python3
"""Which links do edges make heard? Streets with and without diffraction.

Sionna's bundled scenes `simple_street_canyon` and `munich`: transmitters above the street and
receivers at 1.5 m, at random positions in the street. Every path up to the depth is found exactly,
those that an edge diffracts among them; powers add. A link is heard from a level on.
"""

import vlmrt_dist.program  # isort: split

from functools import partial

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.placement import CandidateOptions, Random
from vlmrt_dist.report import edge_table
from vlmrt_dist.scene import bundled_scene
from vlmrt_dist.studies import EdgeLinks, Sweep, edge_counts, sweep


@sweep("diffraction", seeds=1, quick={"scenes": ("simple_street_canyon",), "setups": 2, "depth": 1})
def main(
    run: Sweep,
    scenes: tuple[str, ...] = ("simple_street_canyon", "munich"),
    setups: int = 4,
    receivers: int = 16,
    depth: int = 2,
    tx_height: tuple[float, float] = (3.0, 10.0),
    floor: float = -110.0,
) -> None:
    """Count the links that are heard, and by which mechanism.

    The seeds are those of the positions.

    :param scenes: Sionna's scenes
    :param setups: transmitter positions
    :param receivers: receiver positions of each
    :param depth: most interactions of a path, the diffraction among them
    :param tx_height: lowest and highest transmitter above the ground [m]
    :param floor: level from which on a link is heard [dBm], of a transmitter of 44 dBm
    """
    radio = vd.RadioConfig(max_depth=depth, diffraction=True)
    street = CandidateOptions(height=(1.5, 1.5), tx_height=tx_height)
    tasks = []
    for name in scenes:
        scene = vd.load_scene(bundled_scene(name), headroom=20.0)
        for seed in run.seeds:
            positions = Random(street).place(scene, setups, receivers, seed=seed)
            tasks.append(EdgeLinks(name, scene, positions, radio, floor))
    found = edge_counts(run.timings(tasks, partial(EdgeLinks.measure, study=run.study)))
    show(edge_table(f"Links heard from {floor:g} dBm on, D = {depth}", found))
    run.close(timings=True)


if __name__ == "__main__":
    main.script()
