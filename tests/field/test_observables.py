"""Observables of replayed paths against Sionna, closed forms and central differences."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import (
    Campaign,
    DelayMoment,
    DelayPower,
    FrequencyResponse,
    Observable,
    PlannedBins,
    RadioConfig,
    ResponseMagnitude,
    random_campaign,
)
from vlmrt_dist.field import (
    LinkOffsets,
    Materials,
    Observed,
    Parameter,
    ReplayObjective,
    trace,
)
from vlmrt_dist.field.observables import _MARGIN, REACH, _Bins, _Lines
from vlmrt_dist.paths import PathTable
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.units import SPEED_OF_LIGHT, dbm_to_watts

RADIO = RadioConfig(max_depth=2)
SUBCARRIERS = np.linspace(-50e6, 50e6, 8)
Known = Literal["known", "unknown"]
NAMES: tuple[Parameter, ...] = ("conductivity", "relative_permittivity", "thickness")


@pytest.fixture(scope="module")
def plan(room: SceneModel) -> Campaign:
    return random_campaign(room, 2, 4, seed=5)


@pytest.fixture(scope="module")
def paths(room: SceneModel, plan: Campaign, path_cache: None) -> PathTable:
    return trace(room, plan, RADIO)


def bins(plan: Campaign, edges: FloatArray, floor: float = np.nan) -> DelayPower:
    m, n = (np.repeat(x, len(edges) - 1) for x in np.nonzero(plan.present))
    links = plan.num_links
    nothing = np.full(len(m), np.nan)
    return DelayPower(
        m, n, np.tile(edges[:-1], links), np.tile(edges[1:], links), nothing, nothing + 1.0,
        floor_dbm=np.array(floor),
    )  # fmt: skip


def responses(plan: Campaign, phase: Known, timing: Known) -> FrequencyResponse:
    m, n = (np.repeat(x, len(SUBCARRIERS)) for x in np.nonzero(plan.present))
    rng = np.random.default_rng(1)
    value = 1e-4 * (rng.standard_normal(len(m)) + 1j * rng.standard_normal(len(m)))
    return FrequencyResponse(
        m, n, np.tile(SUBCARRIERS, plan.num_links), value, np.full(len(m), 1e-5),
        phase=phase, timing=timing,
    )  # fmt: skip


def magnitudes(plan: Campaign) -> ResponseMagnitude:
    m, n = (np.repeat(x, len(SUBCARRIERS)) for x in np.nonzero(plan.present))
    nothing = np.full(len(m), np.nan)
    frequency = np.tile(SUBCARRIERS, plan.num_links)
    return ResponseMagnitude(m, n, frequency, nothing, np.ones(len(m)))


def moments(plan: Campaign, moment: Literal["mean", "rms_spread"]) -> DelayMoment:
    m, n = np.nonzero(plan.present)
    nothing = np.full(len(m), np.nan)
    return DelayMoment(m, n, moment, nothing, np.ones(len(m)))


def uneven_bins(plan: Campaign) -> DelayPower:
    block = PlannedBins(3.7, 100.0).on(plan)
    assert isinstance(block, DelayPower)
    start, stop = block.start_ns, block.stop_ns
    return DelayPower(
        block.setup, block.receiver, start, stop, block.power_dbm, block.noise_db,
        floor_dbm=np.array(-120.0),
    )  # fmt: skip


BLOCKS: dict[str, Callable[[Campaign], Observable]] = {
    "bins": lambda plan: bins(plan, np.arange(0.0, 120.0, 4.0), -120.0),
    # The widths of these are rounded apart, as those of bins about each link's delays are.
    "uneven": uneven_bins,
    "mean": lambda plan: moments(plan, "mean"),
    "rms_spread": lambda plan: moments(plan, "rms_spread"),
    "response": lambda plan: responses(plan, "known", "known"),
    "phase": lambda plan: responses(plan, "unknown", "known"),
    "timing": lambda plan: responses(plan, "unknown", "unknown"),
    "magnitude": magnitudes,
}


def objective(
    room: SceneModel, plan: Campaign, paths: PathTable, *blocks: Observable
) -> ReplayObjective:
    level = np.where(plan.present, 0.0, np.nan)
    return ReplayObjective(room, replace(plan, rss_dbm=level, observables=blocks), RADIO, paths)


def observe(
    of: ReplayObjective, values: list[FloatArray], wanted: tuple[Parameter, ...] = (),
    delay: float = 0.0, gain: float = 0.0,
) -> Observed:  # fmt: skip
    shape = 1, 8
    offsets = LinkOffsets(np.full(shape, delay), np.full(shape, gain))
    return of.observe({RADIO.frequency: materials(values)}, wanted, offsets)


def materials(values: list[FloatArray]) -> Materials:
    sigma, permittivity, thickness = values
    return Materials(sigma, permittivity, thickness)


def own(room: SceneModel) -> list[FloatArray]:
    return [
        room.conductivity(RADIO.frequency),
        room.relative_permittivity(RADIO.frequency),
        room.thickness,
    ]


def test_delay_bins_add_up_to_the_received_power(
    room: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    edges = np.concatenate([[-50.0], np.sort(np.random.default_rng(0).uniform(0, 80, 40)), [400.0]])
    block = bins(plan, edges)
    of = objective(room, plan, paths, block)
    power = dbm_to_watts(observe(of, own(room)).value[0])
    total = np.bincount(block.setup * 4 + block.receiver, power)
    rss = of.rss(own(room)[0][None])[0].ravel()
    np.testing.assert_allclose(total, rss, rtol=1e-12)


def test_sharp_bins_hold_the_paths_that_arrive_in_them(
    room: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    block = replace(bins(plan, np.arange(0.0, 120.0, 4.0)), bandwidth_hz=1e12)
    of = objective(room, plan, paths, block)
    found = dbm_to_watts(observe(of, own(room)).value[0]).reshape(8, -1)
    from vlmrt_dist.field.replay import Replay

    each = Replay(paths, RADIO).by_path(materials(own(room)), (), coherent=False)
    delay = 1e9 * paths.length / SPEED_OF_LIGHT
    for link in range(8):
        here = paths.link == link
        edges = np.append(block.start_ns[:29], 116.0)
        expected, _ = np.histogram(delay[here], edges, weights=each.value[here, 0])
        np.testing.assert_allclose(found[link], expected, rtol=1e-9, atol=1e-30)


def test_moments_are_those_of_the_paths(room: SceneModel, plan: Campaign, paths: PathTable) -> None:
    from vlmrt_dist.field.replay import Replay

    of = objective(room, plan, paths, moments(plan, "mean"), moments(plan, "rms_spread"))
    mean, spread = observe(of, own(room)).value[0].reshape(2, -1)
    each = Replay(paths, RADIO).by_path(materials(own(room)), (), coherent=False)
    delay = 1e9 * paths.length / SPEED_OF_LIGHT
    for link in range(8):
        here = paths.link == link
        weight = each.value[here, 0]
        expected = np.average(delay[here], weights=weight)
        assert mean[link] == pytest.approx(expected, rel=1e-12)
        variance = np.average((delay[here] - expected) ** 2, weights=weight)
        assert spread[link] == pytest.approx(np.sqrt(variance), rel=1e-12)


@pytest.mark.parametrize("kind", BLOCKS)
def test_derivatives_are_those_of_central_differences(
    room: SceneModel, plan: Campaign, paths: PathTable, kind: str
) -> None:
    of = objective(room, plan, paths, BLOCKS[kind](plan))
    here = observe(of, own(room), NAMES, 0.7, 1.3)
    step = 1e-5
    for q, name in enumerate(NAMES):
        for k in (0, 5):
            ends = []
            for sign in (1.0, -1.0):
                values = [x.copy() for x in own(room)]
                values[q][k] *= np.exp(sign * step)
                ends.append(observe(of, values, (), 0.7, 1.3).value[0])
            check(here.by[name][0][:, k], ends, step)
    ends = [observe(of, own(room), (), 0.7 + d, 1.3).value[0] for d in (step, -step)]
    check(here.by_delay[0], ends, step)
    ends = [observe(of, own(room), (), 0.7, 1.3 + d).value[0] for d in (step, -step)]
    check(here.by_gain[0], ends, step)


def check(derivative: FloatArray, ends: list[FloatArray], step: float) -> None:
    difference = (ends[0] - ends[1]) / (2.0 * step)
    size = max(np.abs(derivative).max(), 1e-3 * np.abs(ends[0]).max())
    assert np.abs(difference - derivative).max() <= 1e-6 * size


def test_many_vectors_have_the_bits_of_one(
    room: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    of = objective(room, plan, paths, *(make(plan) for make in BLOCKS.values()))
    two = [np.stack([x, 1.1 * x]) for x in own(room)]
    offsets = LinkOffsets(np.zeros((2, 8)), np.zeros((2, 8)))
    both = of.observe({RADIO.frequency: materials(two)}, NAMES, offsets)
    alone = observe(of, own(room), NAMES)
    assert np.array_equal(both.value[0], alone.value[0])
    assert np.array_equal(both.by["thickness"][0], alone.by["thickness"][0])


def test_a_split_of_the_setups_changes_no_bit(
    room: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    blocks = tuple(make(plan) for make in BLOCKS.values())
    whole = replace(plan, observables=blocks)
    every = observe(objective(room, plan, paths, *blocks), own(room), NAMES)
    start = np.cumsum([0, *(len(b.row_setup) for b in blocks)])
    for m in range(2):
        part = whole.subset([m])
        of = ReplayObjective(
            room, replace(part, rss_dbm=np.zeros((1, 4))), RADIO, paths.setups([m])
        )
        offsets = LinkOffsets(np.zeros((1, 4)), np.zeros((1, 4)))
        found = of.observe({RADIO.frequency: materials(own(room))}, NAMES, offsets)
        rows = np.concatenate(
            [s + np.flatnonzero(b.row_setup == m) for s, b in zip(start, blocks, strict=False)]
        )
        assert np.array_equal(found.value[0], every.value[0, rows])
        assert np.array_equal(found.by["conductivity"][0], every.by["conductivity"][0, rows])


def test_setups_keep_the_pulse_of_the_measurement(plan: Campaign) -> None:
    """Where no bandwidth is stated it is that of the narrowest bin of all setups."""
    for width in (0.3, 1.1, 3.7, 10.0):  # rounded differently along each link's delays
        block = PlannedBins(width, 10.0 * width).on(plan)
        assert isinstance(block, DelayPower)
        own = [block.of_setups(np.array([m])) for m in range(plan.num_setups)]
        assert {each.pulse_ns for each in own} == {block.pulse_ns}
        assert {each.bandwidth_hz for each in own} == {None}
    setup, none = np.array([0, 1, 1]), np.zeros(3, np.int64)
    start, stop = np.array([0.0, 0.0, 2.0]), np.array([5.0, 2.0, 4.0])
    level = np.full(3, -70.0)
    mixed = DelayPower(setup, none, start, stop, level, np.ones(3))
    assert {mixed.of_setups(np.array([m])).pulse_ns for m in range(2)} == {mixed.pulse_ns}


def test_what_a_bin_gets_does_not_depend_on_the_links_beside_it() -> None:
    """Pairs of a path and a bin at the pulse's reach, some of which a list of many links rounds to
    either side of it."""
    edges = np.arange(0.0, 400.0, 3.7)
    count = len(edges) - 1
    nothing = np.full(count, np.nan)

    def bins_of(links: int) -> DelayPower:
        setup, none = np.repeat(np.arange(links), count), np.zeros(links * count, int)
        ends = np.tile(edges[:-1], links), np.tile(edges[1:], links)
        every = np.tile(nothing, links)
        return DelayPower(setup, none, *ends, every, every)

    one, many = bins_of(1), bins_of(40)
    rng = np.random.default_rng(0)
    reach = REACH * one.pulse_ns + _MARGIN  # where the list is searched
    delay = edges[rng.integers(0, count, 60)] + np.tile([reach, -reach], 30)
    delay += rng.normal(0.0, 3e-8, 60)
    power = 10.0 ** rng.uniform(-12.0, 0.0, 60)

    def heard(block: DelayPower, links: int) -> FloatArray:
        lines = np.arange(links * count)
        each = np.repeat(lines, 60)
        path = np.tile(np.arange(60), len(lines)) + 60 * (each // count)
        pairs = _Lines(len(lines), each, path, np.tile(delay, len(lines)),
                       60 * np.arange(len(lines) + 1))  # fmt: skip
        none = np.zeros(len(lines))
        return _Bins(block, pairs)(np.tile(power, links), none, none).value

    alone, together = heard(one, 1), heard(many, 40)
    assert np.isfinite(alone).any()
    np.testing.assert_array_equal(together.reshape(40, -1), np.tile(alone, (40, 1)))


def test_a_response_does_not_depend_on_a_phase_and_timing_that_are_unknown(
    room: SceneModel, plan: Campaign, paths: PathTable
) -> None:
    block = responses(plan, "known", "known")
    true = observe(objective(room, plan, paths, block), own(room)).value[0].view(np.complex128)
    rng = np.random.default_rng(3)
    link = block.setup * 4 + block.receiver
    turn = np.exp(1j * (rng.uniform(0, 6, 8)[link]))
    turn *= np.exp(-2j * np.pi * block.frequency_hz * 1e-9 * rng.uniform(-20, 20, 8)[link])
    unknown = replace(block, value=true * turn, phase="unknown", timing="unknown")
    found = observe(objective(room, plan, paths, unknown), own(room)).value[0]
    np.testing.assert_allclose(
        found.view(np.complex128), true * turn, atol=1e-9 * np.abs(true).max()
    )


@pytest.mark.slow
def test_the_response_is_that_of_sionna(room: SceneModel, plan: Campaign) -> None:
    from vlmrt_dist.paths.sionna_scene import LiveScene

    radio = RadioConfig(max_depth=2, path_set="single_solve", samples_per_src=200_000)
    paths = trace(room, plan, radio)
    block = responses(plan, "known", "known")
    level = np.where(plan.present, 0.0, np.nan)
    of = ReplayObjective(room, replace(plan, rss_dbm=level, observables=(block,)), radio, paths)
    found = observe(of, own(room)).value[0].view(np.complex128).reshape(2, 4, -1)
    live = LiveScene(room, radio)
    for m in range(2):
        live.place(plan.tx[m], plan.rx[m])
        response = live.solve(radio.seed).cfr(
            frequencies=SUBCARRIERS, normalize_delays=False, normalize=False, out_type="numpy"
        )
        theirs = np.asarray(response)[:, 0, 0, 0, 0]
        # Sionna's positions and delays are float32: the phase of a path is good to 1e-3.
        np.testing.assert_allclose(found[m], theirs, atol=3e-3 * np.abs(theirs).max())
