"""The paper's claims against rows made here: what holds, what is contradicted, with the numbers."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from tests.store.test_ledger import ROW
from vlmrt_dist.report.claims import (
    NEAR,
    claims_of,
    complexity_claims,
    initialization_claims,
    iterations_until,
    placement_claims,
    rays_claims,
    receivers_claims,
    without_drt,
)
from vlmrt_dist.store.rows import Row, Timing


def row(label: dict[str, object], **values: object) -> Row:
    return dataclasses.replace(ROW, label=json.dumps(label), optimizer="adam", **values)  # type: ignore[arg-type]


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


def starts(vlm: float, other: float, steps: int) -> list[Row]:
    rows = [
        row({"start": "VLMInit"}, initial_mre=vlm, mre_history=falling(20), seed=s)
        for s in range(3)
    ]
    return rows + [
        row({"start": name}, initial_mre=other, mre_history=falling(steps), seed=s)
        for name in ("UnifInit", "RandInit")
        for s in range(3)
    ]


def test_starts_are_three_times_nearer_and_quicker_or_not() -> None:
    good = initialization_claims(starts(0.07, 0.6, 200))
    assert len(good) == 6
    assert all(judged.holds for judged in good)
    assert "7 % against 60 %, 8.6 times" in str(good[0])
    assert "20 iterations against 200 iterations" in str(good[1])
    bad = initialization_claims(starts(0.3, 0.6, 10))
    assert not any(judged.holds for judged in bad)
    assert "CONTRADICTED by our result; 30 % against 60 %, 2.0 times" in str(bad[0])
    between = initialization_claims(starts(0.07, 0.6, 60))  # 3 times the iterations
    assert {j.claim: j.holds for j in between}["UnifInit needs over 2 times more iterations"]
    assert not {j.claim: j.holds for j in between}["RandInit needs over 4 times more iterations"]


def test_a_start_that_never_arrives_needs_more_iterations_than_one_that_does() -> None:
    rows = starts(0.07, 0.6, 200)
    lost = [dataclasses.replace(r, mre_history=[0.6] * 50) if "Rand" in r.label else r
            for r in rows]  # fmt: skip
    last = initialization_claims(lost)[-1]
    assert last.holds
    assert "never to stay below 1 % (0 of 3 RandInit seeds do)" in last.numbers
    # and if VLMInit does not arrive either, nobody was quicker
    all_lost = [dataclasses.replace(r, mre_history=[0.6] * 50) for r in rows]
    assert not any(j.holds for j in initialization_claims(all_lost) if j.source == "Figure 3")


def test_two_receivers_are_too_few_or_not() -> None:
    rows = [
        row({"positions": "VLMSel", "N": n}, mre=mre, mre_history=falling(steps))
        for n, mre, steps in ((2, 0.04, 9), (3, 0.01, 50), (4, 0.008, 41), (8, 0.004, 20))
    ]
    assert [j.holds for j in receivers_claims(rows)] == [True, True, True]
    slow = [dataclasses.replace(r, mre_history=falling(30)) for r in rows]
    assert [j.holds for j in receivers_claims(slow)] == [True, True, False]
    worse = [dataclasses.replace(r, mre=0.05) if json.loads(r.label)["N"] == 4 else r for r in rows]
    judged = receivers_claims(worse)
    assert [j.holds for j in judged] == [False, True, True]
    assert "4 % at N = 2, 1 % at N = 3, 5 % at N = 4, 0.4 % at N = 8" in str(judged[0])
    # An error that is no number is no good error.
    nan = [dataclasses.replace(r, mre=math.nan) if json.loads(r.label)["N"] == 8 else r
           for r in rows]  # fmt: skip
    assert [j.holds for j in receivers_claims(nan)] == [False, False, True]


def test_positions_and_starts_end_at_less_error_or_not() -> None:
    errors = {
        ("RandSel", "VLMInit"): 0.04, ("RandSel", "RandInit"): 0.5,
        ("D-optimal", "VLMInit"): 0.004, ("D-optimal", "RandInit"): 0.005,
    }  # fmt: skip
    rows = [row({"positions": p, "start": s}, mre=e) for (p, s), e in errors.items()]
    holds = [(j.claim, j.holds) for j in placement_claims(rows)]
    assert [h for c, h in holds if "from VLMInit" in c or "from RandInit" in c] == [True, True]
    assert [h for c, h in holds if "at RandSel" in c] == [True]
    assert [h for c, h in holds if "at D-optimal" in c] == [False]


def test_trends_are_judged_by_protocol() -> None:
    rows = [
        row({}, protocol=protocol, samples_per_src=u, mre=mre, iterations=1000)
        for protocol, errors in (("same_paths", (0.003, 0.003)), ("independent", (0.3, 0.1)))
        for u, mre in zip((3000, 6000), errors, strict=True)
    ]
    judged = {j.claim: j for j in rays_claims(rows)}
    assert judged["the largest number of rays gives the smallest error (independent)"].holds
    assert not judged["the largest number of rays gives the smallest error (same_paths)"].holds
    few = judged["the largest number of rays needs the fewest iterations (independent)"]
    assert not few.holds
    assert few.numbers == "1000 for every U"
    assert not rays_claims(rows[:1])


@pytest.mark.parametrize(("power", "superlinear"), [(2.0, True), (0.5, False)])
def test_growth_is_judged_by_slopes_of_the_engine_that_works_as_the_papers(
    power: float, superlinear: bool
) -> None:
    timings = [
        timing(engine, {"varies": "K"}, k, 1, 0.01, 0.1 * k, 0.01 * k**power)
        for engine, flat in (("retrace", False), ("replay", True)) for k in (5, 10, 15)
        if not (flat and k == 10)
    ]  # fmt: skip
    judged = complexity_claims(timings)
    assert [j.holds for j in judged] == [True, True, superlinear]
    assert f"slope is {power:.2f}" in str(judged[2])
    assert claims_of("complexity_quick", [], timings) == judged


def test_vlminit_without_drt_stays_where_it_began() -> None:
    rows = [row({}, initial_mre=0.07, mre=0.001, mre_history=[0.07, 0.01, 0.001],
                loss_history=[0.5, 0.2, 0.1])]  # fmt: skip
    [stays] = without_drt(rows)
    assert (stays.mre, stays.mre_history, stays.loss_history) == (0.07, [0.07] * 3, [0.5] * 3)


def test_studies_that_are_not_the_papers_have_no_claims() -> None:
    assert claims_of("noise", starts(0.07, 0.6, 200)) == []
    assert claims_of("initialization_quick", starts(0.07, 0.6, 200))
    assert claims_of("initialization", []) == []
