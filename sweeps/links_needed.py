#!/usr/bin/env python3
"""How many links does a room with K objects need?

Rooms of more and more boxes, levels with 0.1 dB of noise, and 1 to 8 links for each object: at
random places (RandSel), or where links look through the boxes one after another. Estimates have the
prior of 50 % about the ITU values, truths vary by 10 % about them (λ of the paper), so an error of
8 % is that of the prior alone. An object is known if the standard deviation of its ln σ is 10 % or
less. Truth and estimate have every path up to D (exact).
"""

import vlmrt_dist.program  # isort: split

from collections.abc import Callable
from functools import partial

import vlmrt_dist as vd
from vlmrt_dist.campaign import Combining, random_campaign
from vlmrt_dist.console import show
from vlmrt_dist.report import links_needed_figure, links_needed_table
from vlmrt_dist.studies import Point, Sweep, looking_through, sweep

CHOOSE: dict[str, Callable[..., vd.Campaign]] = {
    "random": partial(random_campaign, seed=0), "through": looking_through
}  # fmt: skip
PLACES = {"random": "random", "through": "through the boxes"}


@sweep("links_needed", seeds=2, quick={"seeds": 2, "objects": (9, 30), "links": (1, 4)})
def main(
    run: Sweep,
    objects: tuple[int, ...] = (9, 30, 100, 300),
    links: tuple[int, ...] = (1, 2, 4, 8),
    places: tuple[str, ...] = ("random", "through"),
    receivers: int = 8,
    depth: int = 2,
    noise_db: float = 0.1,
    combining: Combining = "power",
) -> None:
    """Print and draw errors and the share of known objects against links, for each K.

    :param objects: numbers of objects K
    :param links: links for each object
    :param places: random, or through (the boxes)
    :param receivers: receivers N of a setup
    :param depth: ray-tracing depth D
    :param noise_db: noise of a level [dB]
    :param combining: add the paths' powers, or their complex amplitudes
    """
    radio = vd.RadioConfig(max_depth=depth, combining=combining)
    points = []
    for k in objects:
        room = vd.box_room(k - 5)
        for place in places:
            for ratio in links:
                setups = max(1, round(k * ratio / receivers))
                campaign = run.call(partial(CHOOSE[place], room, setups, receivers), f"K = {k}")
                label: dict[str, float | str] = {
                    "positions": PLACES[place], "K": k, "links per object": ratio
                }  # fmt: skip
                points.append(
                    Point(run.study, room, campaign, radio, ("map",), "itu", "same_paths",
                          run.seeds, label, noise_db=noise_db, held_out=False)
                )  # fmt: skip
    rows = run.rows(points)
    title = f"Links for rooms of K objects, {noise_db:g} dB, {len(run.seeds)} truths"
    show(links_needed_table(title, rows))
    run.close(links_needed_figure(title, rows, run.figure()))


if __name__ == "__main__":
    main.script()
