"""The paper's claims against rows made here: what holds, what does not, and what stays open."""

from __future__ import annotations

import dataclasses
import json
import math
import random

import pytest

from tests.store.test_ledger import ROW
from vlmrt_dist.report.claims import (
    NEAR,
    QUICK_NOTE,
    claims_of,
    complexity_claims,
    depth_claims,
    halves_of,
    initialization_claims,
    iterations_until,
    of_the_paper,
    placement_claims,
    rays_claims,
    receivers_claims,
    without_drt,
)
from vlmrt_dist.report.verdicts import MIN_SEEDS, Judged
from vlmrt_dist.store.rows import Row, Timing


def row(label: dict[str, object], **values: object) -> Row:
    return dataclasses.replace(ROW, label=json.dumps(label), optimizer="adam", **values)  # type: ignore[arg-type]


def seeds(label: dict[str, object], count: int = MIN_SEEDS, **values: object) -> list[Row]:
    """Rows of as many seeds as a verdict needs, whose errors scatter by a few percent."""
    rng = random.Random(0)
    factors = [math.exp(rng.gauss(0.0, 0.05)) for _ in range(count)]
    rows = []
    for s, factor in enumerate(factors):
        one = row(label, seed=s, **values)
        rows.append(
            dataclasses.replace(one, mre=one.mre * factor, initial_mre=one.initial_mre * factor)
        )
    return rows


def verdicts(judged: list[Judged]) -> dict[str, str]:
    return {one.claim: one.verdict for one in judged}


def falling(steps: int) -> list[float]:
    """An error that is near from step ``steps`` on."""
    return [1.0] * (steps - 1) + [NEAR / 2] * 10


def timing(engine: str, label: dict[str, object], k: int, m: int, scene: float, forward: float,
           back: float) -> Timing:  # fmt: skip
    return Timing(
        study="complexity", key="k", label=json.dumps(label), engine=engine, num_objects=k,
        num_setups=m, num_links=3 * m, num_paths=-1, max_depth=4, samples_per_src=5000,
        seconds_scene=scene, seconds_trace=math.nan, seconds_value=forward,
        seconds_gradient=forward + back, seconds_jacobian=math.nan, seconds_fit=math.nan,
        iterations=-1, mre=math.nan, peak_bytes=-1, outcome="measured", hardware="CPU",
        versions="{}",
    )  # fmt: skip


def test_iterations_count_until_the_error_stays_low() -> None:
    one = row({}, mre_history=[1.0, 0.005, 0.02, 0.009, 0.008])
    assert iterations_until(one, 0.01) == 4
    assert iterations_until(row({}, mre_history=[0.001]), 0.01) == 1
    assert iterations_until(row({}, mre_history=[0.001, 0.5]), 0.01) == math.inf
    assert iterations_until(row({}, mre_history=[math.nan, math.nan]), 0.01) == math.inf
    assert iterations_until(row({}, mre_history=[]), 0.01) == math.inf


def starts(vlm: float, other: float, steps: int, count: int = MIN_SEEDS) -> list[Row]:
    rows = seeds({"start": "VLMInit"}, count, initial_mre=vlm, mre_history=falling(20))
    for name in ("UnifInit", "RandInit"):
        rows += seeds({"start": name}, count, initial_mre=other, mre_history=falling(steps))
    return rows


def test_starts_are_nearer_and_quicker_or_not() -> None:
    good = initialization_claims(starts(0.05, 0.7, 200))
    assert len(good) == 8
    assert set(verdicts(good).values()) == {"holds"}
    assert "reading literal" in str(good[0])
    assert "200 iterations at UnifInit" in str(good[2])
    assert "10 (10 … 10), asked for: 2 or more; 50 seeds" in str(good[3])
    bad = verdicts(initialization_claims(starts(0.6, 0.6, 10)))
    assert set(bad.values()) == {"not reproduced"}
    between = verdicts(initialization_claims(starts(0.05, 0.35, 60)))  # 7 times, 3 times
    assert between["UnifInit needs over 2 times more iterations"] == "holds"
    assert between["RandInit needs over 4 times more iterations"] == "not reproduced"
    assert between["VLMInit starts up to 3 times nearer than RandInit"] == "holds"
    assert between["VLMInit starts up to 10 times nearer than UnifInit"] == "not reproduced"


def test_halves_of_the_seeds_are_judged_apart() -> None:
    """Equal seeds give equal verdicts; half of the seeds further away, and the halves differ."""
    rows = starts(0.05, 0.7, 200, count=2 * MIN_SEEDS)
    told = halves_of("initialization", rows)
    assert [h.whole for h in told] == claims_of("initialization", rows)
    assert {h.parts for h in told} == {("holds", "holds")}
    assert {h.told for h in told} == {"the same"}
    mixed = [dataclasses.replace(r, initial_mre=0.05) if r.seed % 2 else r for r in rows]
    apart = {h.told for h in halves_of("initialization", mixed) if h.whole.source == "Figure 4"}
    assert apart == {"holds and not reproduced"}
    few = halves_of("initialization", starts(0.05, 0.7, 200, count=2 * MIN_SEEDS - 1))
    assert {h.parts for h in few} == {None}
    assert halves_of("noise", rows) == []


def test_a_start_that_never_arrives_needs_more_iterations_than_one_that_does() -> None:
    rows = starts(0.07, 0.6, 200)
    lost = [dataclasses.replace(r, mre_history=[0.6] * 50) if "Rand" in r.label else r
            for r in rows]  # fmt: skip
    last = initialization_claims(lost)[-1]
    assert last.verdict == "holds"
    assert "never at RandInit, 0 of 50 at RandInit seeds that arrive" in last.numbers
    # and if VLMInit does not arrive either, nobody was quicker
    all_lost = [dataclasses.replace(r, mre_history=[0.6] * 50) for r in rows]
    assert {j.verdict for j in initialization_claims(all_lost) if j.source == "Figure 3"} == {
        "not reproduced"
    }


def test_few_seeds_decide_nothing_and_a_quick_run_says_nothing() -> None:
    few = starts(0.05, 0.6, 200, count=MIN_SEEDS - 1)
    assert {j.verdict for j in initialization_claims(few)} == {"undecided"}
    assert "49 seeds of the 50 needed" in str(initialization_claims(few)[0])
    enough = starts(0.05, 0.6, 200)
    assert claims_of("initialization", enough)
    assert claims_of("initialization_offline", enough)
    for study in ("initialization_quick", "initialization_quick_patience"):
        assert claims_of(study, enough) == []
        assert of_the_paper(study, enough)[-1] == QUICK_NOTE
    assert claims_of("noise", enough) == claims_of("initialization", []) == []


def receivers(errors: dict[int, float], steps: dict[int, int]) -> list[Row]:
    return [r for n, error in errors.items() for r in
            seeds({"positions": "VLMSel", "N": n}, mre=error, mre_history=falling(steps[n]))
            ]  # fmt: skip


def test_two_receivers_are_too_few_or_not() -> None:
    errors, steps = {2: 0.04, 3: 0.01, 4: 0.008, 8: 0.004}, {2: 9, 3: 60, 4: 55, 8: 20}

    def told(rows: list[Row]) -> list[str]:
        return [j.verdict for j in receivers_claims(rows)]

    assert told(receivers(errors, steps)) == ["holds"] * 3
    assert told(receivers(errors, dict.fromkeys(errors, 30)))[2] == "not reproduced"
    judged = receivers_claims(receivers(errors | {4: 0.05}, steps))
    assert [j.verdict for j in judged] == ["not reproduced", "holds", "holds"]
    assert "3.99 % at N = 2" in str(judged[0])
    # An error that is no number is no good error, and a size that was not run is not judged.
    assert told(receivers(errors | {8: math.nan}, steps)) == ["not reproduced"] * 2 + ["holds"]
    assert told(receivers({n: errors[n] for n in (2, 3, 8)}, steps)) == []


def test_positions_and_starts_end_at_less_error_or_not() -> None:
    errors = {
        ("RandSel", "VLMInit"): 0.04, ("RandSel", "RandInit"): 0.5,
        ("D-optimal", "VLMInit"): 0.004, ("D-optimal", "RandInit"): 0.005,
    }  # fmt: skip
    rows = [r for (p, s), e in errors.items() for r in seeds({"positions": p, "start": s}, mre=e)]
    found = verdicts(placement_claims(rows))
    assert [v for c, v in found.items() if "from VLMInit" in c or "from RandInit" in c] == [
        "holds", "holds"
    ]  # fmt: skip
    assert [v for c, v in found.items() if "at RandSel" in c] == ["holds"]
    assert [v for c, v in found.items() if "at D-optimal" in c] == ["not reproduced"]


def rays(
    errors: dict[int, float], label: dict[str, object], protocol: str = "same_paths"
) -> list[Row]:  # fmt: skip
    return [r for u, e in errors.items()
            for r in seeds({"U": u} | label, samples_per_src=u, mre=e, iterations=1000,
                       protocol=protocol)
            ]  # fmt: skip


FALLING = {3000: 0.004, 4000: 0.003, 5000: 0.003, 6000: 0.002}


def test_trends_are_judged_by_protocol_and_by_reading() -> None:
    flat = dict.fromkeys(FALLING, 0.003)
    rows = rays(FALLING, {}, protocol="independent") + rays(flat, {}, protocol="same_paths")
    rows += rays(FALLING, {"reading": "patience"}, protocol="same_paths")
    judged = {(j.claim, j.under): j for j in rays_claims(rows)}
    smallest = "U = 6000 gives the smallest error"
    assert judged[f"{smallest} (independent)", "reading literal"].verdict == "holds"
    assert judged[f"{smallest} (same_paths)", "reading patience"].verdict == "holds"
    one = judged[f"{smallest} (same_paths)", "reading literal"]
    assert one.told == "not reproduced under reading literal"
    few = judged["U = 6000 needs the fewest iterations (independent)", "reading literal"]
    assert few.verdict == "not reproduced"
    assert few.interval == (1.0, 1.0, 1.0)


def test_nothing_is_said_of_a_depth_that_was_not_run() -> None:
    depths = {1: 0.004, 2: 0.004, 4: 0.003, 6: 0.002}
    rows = [r for d, e in depths.items() for r in seeds({"D": d}, mre=e, max_depth=d)]
    assert depth_claims(rows)[0].verdict == "holds"
    assert depth_claims([r for r in rows if r.max_depth < 6]) == []


def test_rows_that_depart_from_the_paper_are_not_judged() -> None:
    rows = rays(FALLING, {}) + rays(dict.fromkeys(FALLING, 9.0), {"frequency": 28e9})
    assert [j.verdict for j in rays_claims(rows)] == [j.verdict for j in rays_claims(rows[:200])]
    assert rays_claims(rays(FALLING, {"noise_db": 1.0})) == []
    assert rays_claims(rays(FALLING, {"vlm": "offline", "said": "box: wood"}))


@pytest.mark.parametrize(("power", "verdict"), [(2.0, "holds"), (0.5, "not reproduced")])
def test_growth_is_judged_by_slopes_of_the_engine_that_works_as_the_papers(
    power: float, verdict: str
) -> None:
    sizes = (5, 8, 11, 15)
    timings = [
        timing(engine, {"varies": "K"}, k, 1, 0.01, 0.1 * k, 0.01 * k**power)
        for engine, flat in (("retrace", False), ("replay", True)) for k in sizes
        if not (flat and k == 8)
    ]  # fmt: skip
    judged = complexity_claims(timings)
    assert [j.verdict for j in judged] == ["holds", "holds", verdict]
    assert str(judged[2].interval).startswith(f"{power:.3g} (")
    assert claims_of("complexity", [], timings) == judged
    assert claims_of("complexity_quick", [], timings) == []
    assert complexity_claims([t for t in timings if t.num_objects > 5]) == []


def test_the_time_of_an_iteration_hardly_depends_on_depth_or_it_does() -> None:
    def at(depth: int, seconds: float) -> Timing:
        one = timing("retrace", {"varies": "D"}, 9, 3, 0.01, seconds, 0.0)
        return dataclasses.replace(one, max_depth=depth)

    [flat] = complexity_claims([at(1, 1.0), at(2, 1.01), at(4, 1.02), at(6, 1.05)])
    assert (flat.source, flat.verdict) == ("Table 1", "holds")
    [grows] = complexity_claims([at(1, 1.0), at(2, 2.0), at(4, 4.1), at(6, 6.0)])
    assert grows.verdict == "not reproduced"
    assert grows.told == "not reproduced under the retrace engine"


def test_vlminit_without_drt_stays_where_it_began() -> None:
    rows = [row({}, initial_mre=0.07, mre=0.001, mre_history=[0.07, 0.01, 0.001],
                loss_history=[0.5, 0.2, 0.1])]  # fmt: skip
    [stays] = without_drt(rows)
    assert (stays.mre, stays.mre_history, stays.loss_history) == (0.07, [0.07] * 3, [0.5] * 3)
