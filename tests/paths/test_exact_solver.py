"""Exact sets as estimations get them: by the radio configuration, through trace and its cache."""

import dataclasses
import warnings

import numpy as np
import pytest

from tests.numerics import PAPER
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.field import RetraceObjective, trace
from vlmrt_dist.paths import exact_solver, path_cache
from vlmrt_dist.paths.path_table import NONE, REFLECTION, TRANSMISSION, PathTable
from vlmrt_dist.scene import SceneModel, box_room

EXACT = RadioConfig(max_depth=4)


def paths_of(table: PathTable) -> set[tuple[int, ...]]:
    return {tuple(row) for row in table.signature()}


def shapes_of(table: PathTable) -> set[tuple[float, ...]]:
    """Link, kinds, objects and length of each path; planes are numbered by each solver."""
    columns = (table.link, table.kind, table.object, np.round(table.length, 5))
    return {tuple(row) for row in np.column_stack(columns).tolist()}


def test_every_path_of_the_paper_room_is_there(room: SceneModel, campaign: Campaign) -> None:
    table = trace(room, campaign, EXACT, cache=False)
    assert (table.certificate, table.max_depth) == (4, 4)
    np.testing.assert_array_equal(table.complete_to, [4, 4, 4])
    assert (table.margin > 0.0).all()
    sampled = trace(room, campaign, PAPER)
    assert len(shapes_of(sampled) - shapes_of(table)) <= 1  # a point outside its face, in float32
    assert table.num_paths > 2 * sampled.num_paths


def test_threads_cache_and_split_change_no_bit(
    room: SceneModel, campaign: Campaign, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("vlmrt_dist.field.tracing.KEPT_SECONDS", 0.0)
    whole = trace(room, campaign, EXACT, cache=False)
    for threads in (1, 3):
        assert trace(room, campaign, EXACT, cache=False, threads=threads).key == whole.key
    for m in (2, 0):
        alone = trace(room, campaign.subset([m]), EXACT)
        assert alone.setup_keys() == [whole.setup_keys()[m]]
    # Two of the three setups are read from the cache now.
    assert len(list((tmp_path / "paths").glob("*.arrow"))) == 2
    assert trace(room, campaign, EXACT).key == whole.key
    monkeypatch.setattr("vlmrt_dist.field.tracing.LINKS_AT_ONCE", 8)
    assert trace(room, campaign, EXACT, cache=False).key == whole.key


def test_quick_searches_are_not_cached(
    room: SceneModel, campaign: Campaign, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    trace(room, campaign.subset([0]), EXACT.replace(max_depth=0))  # compiled and prepared now
    monkeypatch.setattr("vlmrt_dist.field.tracing.KEPT_SECONDS", 1e9)
    trace(room, campaign, EXACT.replace(max_depth=1))
    assert not list(tmp_path.rglob("*.arrow"))


def test_an_exact_set_needs_no_seed_and_no_rays(room: SceneModel, campaign: Campaign) -> None:
    setup = campaign.setups[0]
    files = {
        path_cache.PathCache(scene, radio).setup_file(setup)
        for scene, radio in (
            (room, EXACT),
            (room, EXACT.replace(seed=9, samples_per_src=77)),
            (room.with_materials(conductivity=np.full(room.num_objects, 0.3)), EXACT),
        )
    }
    assert len(files) == 1


def test_receivers_that_are_not_there_have_no_paths(room: SceneModel, campaign: Campaign) -> None:
    present = np.ones((3, 8), bool)
    present[0, [1, 5]] = present[2, 0] = False
    whole = trace(room, campaign, EXACT, cache=False)
    ragged = trace(room, dataclasses.replace(campaign, present=present), EXACT, cache=False)
    assert ragged.key == whole.rows(present[whole.setup, whole.receiver]).key
    assert (ragged.paths_per_link[~present] == 0).all()


@pytest.mark.parametrize("caps", [(1, None), (None, 1), (2, 1), (0, None), (None, 0)])
def test_caps_keep_the_paths_within_them(
    room: SceneModel, campaign: Campaign, caps: tuple[int | None, int | None]
) -> None:
    whole = trace(room, campaign, EXACT, cache=False)
    radio = EXACT.replace(max_reflections=caps[0], max_transmissions=caps[1])
    few = trace(room, campaign, radio, cache=False)
    keep = np.ones(whole.num_paths, bool)
    for kind, cap in zip((REFLECTION, TRANSMISSION), caps, strict=True):
        keep &= (whole.kind == kind).sum(axis=1) <= (4 if cap is None else cap)
    assert few.key == whole.rows(keep).key
    assert 0 < few.num_paths < whole.num_paths


def test_the_straight_path_can_be_kept_through_any_number_of_walls() -> None:
    """A row of boxes between the antennas: at depth 1 nothing arrives but what is kept always."""
    scene = box_room(8)
    campaign = random_campaign(scene, 4, 12, seed=2)
    limited = trace(scene, campaign, RadioConfig(max_depth=1), cache=False)
    always = trace(scene, campaign, RadioConfig(max_depth=1, line_of_sight="always"), cache=False)
    straight = (always.kind != REFLECTION).all(axis=1)
    np.testing.assert_array_equal(
        np.bincount(always.link[straight], minlength=48), np.ones(48, int)
    )
    distance = np.linalg.norm(campaign.rx - campaign.tx[:, None], axis=2).ravel()
    np.testing.assert_allclose(always.length[straight], distance[always.link[straight]], rtol=1e-12)
    assert ((always.kind == TRANSMISSION).sum(axis=1) > 1).any()
    shallow = (always.kind != NONE).sum(axis=1) <= 1
    assert limited.num_paths == shallow.sum()


def test_straight_paths_beyond_the_depth_need_the_exact_set() -> None:
    with pytest.raises(ConfigurationError, match="path_set='exact'"):
        RadioConfig.paper(line_of_sight="always")


@pytest.mark.parametrize("change", [{"max_reflections": 1}, {"line_of_sight": "always"}])
def test_retrace_refuses_what_sionna_does_not_have(
    room: SceneModel, campaign: Campaign, change: dict[str, object]
) -> None:
    measured = campaign.with_rss(np.full(campaign.present.shape, -50.0))
    with pytest.raises(ConfigurationError, match="engine='replay'"):
        RetraceObjective(room, measured, EXACT.replace(**change))


def test_an_antenna_on_a_wall_is_refused_by_name(room: SceneModel, campaign: Campaign) -> None:
    rx = campaign.rx.copy()
    rx[1, 2, 0] = room.bounds[0, 0] + 5e-5
    with pytest.raises(CampaignError, match=r"receiver 3 of setup 2.*'wall_west'.*move it"):
        trace(room, dataclasses.replace(campaign, rx=rx), EXACT, cache=False)


def test_a_search_beyond_its_budget_says_how_deep_it_is_complete(
    room: SceneModel, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = exact_solver.SearchLimits

    monkeypatch.setattr(limits, "of", lambda radio: limits(radio.max_depth, max_paths=100))
    with pytest.warns(UserWarning, match="budget"):
        table = trace(room, campaign.subset([0]), EXACT, cache=False)
    assert 0 < table.certificate < 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shallow = trace(
            room, campaign.subset([0]), RadioConfig(max_depth=table.certificate), cache=False
        )
    assert shallow.key == table.key
