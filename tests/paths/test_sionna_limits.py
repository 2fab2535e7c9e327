"""Links that Sionna's solver gets wrong are named; the others raise no warning."""

import re
import warnings
from functools import partial

import numpy as np
import pytest

from tests.geometry_cases import UTM, lone_pane, metal_board, moved, pane_campaign, room_with_pane
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.field import trace
from vlmrt_dist.field.tracing import own_power
from vlmrt_dist.paths import (
    SearchLimits,
    SionnaLimits,
    prepare_scene,
    search_paths,
    sionna_limits,
    warn_of_sionna_limits,
)
from vlmrt_dist.paths.sionna_limits import segment_lengths
from vlmrt_dist.scene import SceneModel, SceneObject

PAPER = RadioConfig.paper()
EXACT = RadioConfig()


def check(scene: SceneModel, campaign: Campaign, radio: RadioConfig = PAPER) -> None:
    warn_of_sionna_limits(scene, campaign, radio, partial(own_power, scene, radio))


def messages(scene: SceneModel, campaign: Campaign, radio: RadioConfig = PAPER) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(scene, campaign, radio)
    assert all(issubclass(each.category, SionnaLimits) for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize("depth", [0, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_paper_room_raises_no_warning(room: SceneModel, depth: int, seed: int) -> None:
    campaign = random_campaign(room, 3, 8, seed=seed)
    assert messages(room, campaign, PAPER.replace(max_depth=depth)) == []
    assert messages(*moved(room, campaign, UTM), PAPER.replace(max_depth=depth)) == []


def test_segments_add_up_to_the_path(room: SceneModel, campaign: Campaign) -> None:
    prepared = prepare_scene(room)
    setups = list(campaign.setups)
    paths = search_paths(prepared, setups, SearchLimits(3))
    segments = segment_lengths(prepared, setups, paths)
    there = np.isfinite(segments)
    np.testing.assert_array_equal(there.sum(axis=1), 1 + (paths.kind > 0).sum(axis=1))
    table = trace(room, campaign, EXACT.replace(max_depth=3), cache=False)
    total = np.where(there, segments, 0.0).sum(axis=1)
    np.testing.assert_allclose(total, table.length, rtol=1e-12)


@pytest.mark.parametrize("drawn", [0.001, 0.006])
def test_a_pane_thinner_than_a_centimetre_is_named_with_its_links(drawn: float) -> None:
    (message,) = messages(room_with_pane(drawn), pane_campaign())
    assert "of 12 links" in message
    assert "'pane'" in message
    assert "path_set='exact'" in message
    assert re.search(r"setup [12] receiver [1-4] (loses [123]\d|has no path)", message)


@pytest.mark.parametrize(("drawn", "warned"), [(0.0099, 1), (0.0101, 0)])
def test_a_pane_of_more_than_a_centimetre_is_none(drawn: float, warned: int) -> None:
    rx = np.array([[[3.0, 0.1, 0.3], [-1.0, 0.4, 0.3]]])
    found = messages(lone_pane(drawn), Campaign(np.array([[-2.0, 0.1, 0.3]]), rx))
    assert len(found) == warned


def test_what_is_said_of_the_pane_is_what_sionna_computes() -> None:
    """Sampled at a depth at which it finds every path that it can."""
    scene, campaign = room_with_pane(0.006), pane_campaign()
    radio = EXACT.replace(max_depth=2, samples_per_src=200_000, path_set="single_solve")
    exact = own_power(scene, radio, trace(scene, campaign, radio.replace(path_set="exact")))
    with pytest.warns(SionnaLimits, match="'pane'") as caught:
        sampled = own_power(scene, radio, trace(scene, campaign, radio, cache=False))
    text = str(caught[0].message)
    with np.errstate(divide="ignore"):
        loss = 10.0 * np.log10(exact / sampled)
    assert f"level of {(loss > 0.01).sum()} of 12 links" in text
    m, n = np.unravel_index(np.argmax(loss), loss.shape)
    worst = "has no path left" if np.isinf(loss[m, n]) else f"loses {loss[m, n]:.3g} dB"
    assert any(
        f"setup {i + 1} receiver {j + 1} {worst}" in text
        for i, j in np.argwhere(np.isclose(loss, loss[m, n]) | (loss == loss[m, n]))
    )


@pytest.mark.parametrize(("distance", "named"), [(0.009, True), (0.0101, False)])
def test_an_antenna_within_a_centimetre_of_a_board_is_named(distance: float, named: bool) -> None:
    rx = np.array([[[-distance, 0.1, 0.0], [-1.0, 0.0, 0.0]]])
    found = messages(metal_board(), Campaign(np.array([[-3.0, 0.0, 0.0]]), rx))
    assert len(found) == named
    if named:
        assert "1 of 2 links" in found[0]
        assert "setup 1 receiver 1 loses 2.9" in found[0]
        assert "'board'" in found[0]


def test_receivers_are_numbered_as_in_the_campaign() -> None:
    rx = np.array([[[-1.0, 0.0, 0.0], [-2.0, 0.3, 0.1], [-0.002, 0.1, 0.0]]])
    present = np.array([[False, True, True]])
    (message,) = messages(metal_board(), Campaign(np.array([[-3.0, 0, 0]]), rx, present=present))
    assert "setup 1 receiver 3 loses" in message
    assert "of 2 links" in message


def test_antennas_within_a_centimetre_of_each_other_are_named() -> None:
    rx = np.array([[[-3.0, 0.005, 0.0]]])
    (message,) = messages(metal_board(), Campaign(np.array([[-3.0, 0, 0]]), rx))
    assert "setup 1 receiver 1 loses" in message


def test_a_path_beside_an_edge_that_float32_does_not_resolve_is_named() -> None:
    """A kilometre from the middle float32 has steps of 0.06 mm; the path misses by 0.02 mm."""
    far = np.array([[-1000, 0, 0], [-1000, 9, 0], [-1000, 9, 9], [-1000, 0, 9]], float)
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    objects = (
        SceneObject("far", "brick", far, quad),
        SceneObject("screen", "metal", far * [-1, 1, 1], quad),
    )
    scene = SceneModel("edge", objects, np.array([[-2000.0, -9, -9], [2000, 99, 99]]))
    tx, behind = np.array([[990.0, 4.0, 9.00002]]), np.array([[[1010.0, 4.0, 9.00002]]])
    (message,) = messages(scene, Campaign(tx, behind), PAPER.replace(max_depth=1))
    assert "float32" in message
    assert "setup 1 receiver 1 has no path left" in message
    clear = np.array([0.0, 0.0, 0.1])
    assert messages(scene, Campaign(tx + clear, behind + clear), PAPER.replace(max_depth=1)) == []


def test_what_was_not_checked_is_said(
    room: SceneModel, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sionna_limits, "MAX_PATHS", 100)
    (message,) = messages(room, campaign)
    assert "not checked for 3 setups: setup 1 beyond depth 1" in message
    assert "path_set='exact'" in message


def test_a_setup_that_the_exact_search_refuses_is_said_to_be_unchecked() -> None:
    tx = np.array([[-3.0, 0, 0], [-3.0, 0, 0]])
    rx = np.array([[[-1.0, 0, 0]], [[-5e-5, 0, 0]]])
    (message,) = messages(metal_board(), Campaign(tx, rx))
    assert "not checked for 1 setups: receiver 1 of setup 2 lies on the surface" in message


@pytest.mark.slow
def test_retrace_warns_as_sampled_sets_do() -> None:
    from vlmrt_dist.field.retrace import Retrace

    with pytest.warns(SionnaLimits, match="'pane'"):
        Retrace(room_with_pane(0.006), pane_campaign(), PAPER)


def test_exact_sets_are_not_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(room_with_pane(0.006), pane_campaign(), EXACT, cache=False)


def test_the_same_paths_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, campaign = room_with_pane(0.006), pane_campaign()
    first = messages(scene, campaign)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(sionna_limits, "search_paths", refuse)
    assert messages(scene, campaign, PAPER.replace(seed=7, samples_per_src=10)) == first
    with pytest.raises(AssertionError, match="searched again"):
        messages(scene, campaign, PAPER.replace(max_depth=1))
    with pytest.raises(AssertionError, match="searched again"):
        messages(scene, campaign.subset([0]))
