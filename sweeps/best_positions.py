#!/usr/bin/env python3
"""How near do ways of choosing positions come to the best that a long search finds?

Three setups of N receivers in the paper's room, judged by the mean over the objects of the standard
deviation of ln σ that they leave (0.1 dB of noise, a prior of 50 %). The long search takes the best
of many A-optimal exchanges, each from a random pool of its own and then moved continuously; how the
best falls with their number says how much further one could go. Beside the prediction the error of
fits at the first choice of each way, to levels with that noise (exact paths).
"""

import vlmrt_dist.program  # isort: split

import vlmrt_dist as vd
from vlmrt_dist.console import show
from vlmrt_dist.report import best_positions_figure, best_positions_table
from vlmrt_dist.studies import Point, Sweep, chosen_positions, predicted, sweep

NAMES = {"random": "RandSel", "grid": "grid", "vlm": "VLMSel (offline)", "d_optimal": "D-optimal",
         "a_optimal": "A-optimal", "d_optimal_refined": "D-optimal, refined",
         "a_optimal_refined": "A-optimal, refined"}  # fmt: skip

SEARCH = "long search"
SEARCH_SEED = 1000
"""First seed of the long search: its pools are none of the others'."""

DETERMINED = {"grid"}
"""Ways that have no random choice."""


@sweep("best_positions", seeds=4, quick={"seeds": 3, "search": 3, "pools": 2})
def main(
    run: Sweep,
    ways: tuple[str, ...] = tuple(NAMES),
    pools: int = 3,
    search: int = 10,
    setups: int = 3,
    receivers: int = 3,
    depth: int = 4,
    noise_db: float = 0.1,
) -> None:
    """Print and draw how the ways compare with the best found.

    :param ways: ways to choose positions
    :param pools: so often each way chooses, with other random pools
    :param search: exchanges of the long search
    :param setups: setups M
    :param receivers: receivers N of a setup
    :param depth: ray-tracing depth D
    :param noise_db: noise of the fitted levels [dB]
    """
    room, radio = vd.box_room(), vd.RadioConfig(max_depth=depth)
    size = setups, receivers
    chosen = {
        NAMES.get(way, way): chosen_positions(
            run, room, way, radio, size, range(1 if way in DETERMINED else pools)
        )
        for way in ways
    }
    long = chosen_positions(
        run, room, "a_optimal_refined", radio, size, range(SEARCH_SEED, SEARCH_SEED + search)
    )
    found = {name: [p.mean_posterior for p in predicted(run, room, some, radio)]
             for name, some in (chosen | {SEARCH: long}).items()}  # fmt: skip
    best = min(range(search), key=lambda i: found[SEARCH][i])
    fitted = {name: some[0] for name, some in chosen.items()} | {SEARCH: long[best]}
    rows = run.rows([
        Point(run.study, room, campaign, radio, ("map",), "itu", "same_paths", run.seeds,
              {"positions": name}, noise_db=noise_db, held_out=False)
        for name, campaign in fitted.items()
    ])  # fmt: skip
    title = f"Positions beside the best of {search} searches, M = {setups}, N = {receivers}"
    show(best_positions_table(title, rows, found, SEARCH))
    run.close(best_positions_figure(title, found, SEARCH, run.figure()))


if __name__ == "__main__":
    main.script()
