#!/usr/bin/env python3
"""Do two disjoint sets of seeds give the same verdicts on the paper's claims?

Nothing is computed: the rows that the sweeps of the paper left in the storage are judged as they
are and in two halves, seeds of even and of odd rank. With 200 seeds these are two sets of 100:

    for name in depth rays initialization placement receivers; do
        python sweeps/$name.py --seeds 200 --methods adam; done
"""

import vlmrt_dist.program  # isort: split

from vlmrt_dist.console import show
from vlmrt_dist.report import halves_of, halves_table
from vlmrt_dist.studies import Sweep, sweep

OF_THE_PAPER = ("depth", "rays", "initialization", "placement", "receivers")


@sweep("verdicts")
def main(run: Sweep, studies: tuple[str, ...] = OF_THE_PAPER) -> None:
    """Print the verdicts of all seeds and of both halves.

    :param studies: names of the studies, with their reading or advisor (depth_small_step)
    """
    found = {name: halves_of(name, run.ledger.rows(name)) for name in studies}
    show(halves_table(found))
    judged = [each for some in found.values() for each in some if each.parts]
    apart = sum(each.parts[0] != each.parts[1] for each in judged if each.parts)
    show(f"{len(judged)} claims have seeds enough; the halves of {apart} differ")
    lacking = [name for name, some in found.items() if not some]
    if lacking:
        show(f"without rows that can judge a claim: {', '.join(lacking)}; run these sweeps first")


if __name__ == "__main__":
    main.script()
