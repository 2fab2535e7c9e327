import dataclasses

import numpy as np
import pytest

from tests.numerics import PAPER, materials
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup, random_campaign
from vlmrt_dist.errors import (
    EngineUnavailable,
    PathOverflowError,
    StorageError,
    UnsupportedByReplay,
)
from vlmrt_dist.field import tracing
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.paths import receiver_groups as solve_size
from vlmrt_dist.paths.path_files import load_paths
from vlmrt_dist.paths.path_table import NONE, REFLECTION, ROWS, PathTable
from vlmrt_dist.paths.sionna_scene import VARIANT, FoundPaths, LiveScene
from vlmrt_dist.scene.model import SceneModel, SceneObject

COMPLETE = PAPER.replace(samples_per_src=200_000, complete=True)


def paths_of(table: PathTable) -> set[tuple[int, ...]]:
    return {tuple(row) for row in table.signature()}


def test_a_single_solve_is_a_sorted_set(table: PathTable) -> None:
    assert (table.num_setups, table.num_receivers, table.num_objects) == (3, 8, 9)
    assert table.max_depth == 4
    assert 550 < table.num_paths < 750  # facts: 606 to 633 without the gap under the boxes
    assert len(paths_of(table)) == table.num_paths
    assert np.isnan(table.incomplete)
    np.testing.assert_array_equal(table.num_solves, [1, 1, 1])
    assert (table.paths_per_link > 0).all()
    there = table.kind != NONE
    assert (there[:, :-1] >= there[:, 1:]).all()  # padding comes last
    assert (table.cosine[there] > 0).all()
    assert (table.cosine <= 1.0).all()
    np.testing.assert_allclose(np.linalg.norm(table.rotation, axis=2), 1.0, atol=1e-9)


def test_the_direct_path_is_as_long_as_the_distance(table: PathTable, campaign: Campaign) -> None:
    direct = np.flatnonzero((table.kind == NONE).all(1))
    assert len(direct) > 5
    m, n = table.setup[direct], table.receiver[direct]
    distance = np.linalg.norm(campaign.rx[m, n] - campaign.tx[m], axis=1)
    np.testing.assert_allclose(table.length[direct], distance, rtol=1e-14)


def test_the_same_again(room: SceneModel, campaign: Campaign, table: PathTable) -> None:
    assert trace(room, campaign, PAPER, cache=False).key == table.key


def test_setups_one_by_one_are_the_setups_together(
    room: SceneModel, campaign: Campaign, table: PathTable
) -> None:
    for m in (2, 0):
        alone = trace(room, campaign.subset([m]), PAPER, cache=False)
        assert alone.setup_keys() == [table.setup_keys()[m]]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [3, 8])
def test_receivers_in_parts_are_the_receivers_together(
    room: SceneModel,
    campaign: Campaign,
    table: PathTable,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    lanes = limit * PAPER.samples_per_src * PAPER.max_depth
    for name in ("MAX_LANES_AT_ONCE", "LANES_PER_GROUP"):
        monkeypatch.setattr(solve_size, name, lanes)
    assert trace(room, campaign.subset([0]), PAPER, cache=False).setup_keys() == [
        table.setup_keys()[0]
    ]


def test_without_interactions_only_the_direct_paths_are_left(
    room: SceneModel, campaign: Campaign, table: PathTable
) -> None:
    direct = trace(room, campaign, PAPER.replace(max_depth=0), cache=False)
    assert direct.max_depth == 0
    assert direct.num_paths == (table.kind == NONE).all(1).sum()


@pytest.mark.slow
def test_padded_receivers_have_no_paths(room: SceneModel, campaign: Campaign) -> None:
    present = np.ones((3, 8), bool)
    present[0, [1, 5]] = present[2, 0] = False
    whole = trace(room, campaign, PAPER)
    ragged = trace(room, dataclasses.replace(campaign, present=present), PAPER, cache=False)
    kept = present[whole.setup, whole.receiver]
    assert ragged.key == whole.rows(kept).key
    assert (ragged.paths_per_link[~present] == 0).all()


def hall() -> tuple[SceneModel, Campaign]:
    """One wall of metal between a transmitter and one of its two receivers; no other surface."""
    wall = SceneObject(
        "wall",
        "metal",
        np.array([[0, -50, -50], [0, 50, -50], [0, 50, 50], [0, -50, 50]], float),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
    )
    model = SceneModel("hall", (wall,), np.array([[-9.0, -9, -9], [9, 9, 9]]))
    return model, Campaign(np.array([[-2.0, 0, 0]]), np.array([[[-3.0, 1, 0.5], [2.0, 0, 0.3]]]))


def test_a_link_without_a_path_has_none() -> None:
    model, places = hall()
    table = trace(model, places, PAPER.replace(max_depth=1), cache=False)
    np.testing.assert_array_equal(table.paths_per_link, [[2, 0]])


def test_no_path_at_all_is_an_empty_table() -> None:
    model, places = hall()
    behind = Campaign(places.tx, places.rx[:, 1:])
    table = trace(model, behind, PAPER.replace(max_depth=1), cache=False)
    assert table.num_paths == 0
    np.testing.assert_array_equal(Replay(table, PAPER).rss(materials(model)), [[[0.0]]])


@pytest.mark.parametrize("wanted", ["diffuse", "diffraction"])
def test_what_replay_does_not_model_is_refused_by_name(
    room: SceneModel, campaign: Campaign, wanted: str
) -> None:
    with pytest.raises(UnsupportedByReplay, match=f"{wanted}.*retrace"):
        trace(room, campaign, PAPER.replace(**{wanted: True}))


def test_a_full_path_buffer_is_an_error(
    room: SceneModel, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmrt_dist.paths.sionna_scene.CANDIDATES", (101,))
    with pytest.raises(PathOverflowError, match=r"101 .*samples_per_src"):
        trace(room, campaign, PAPER, cache=False)


def test_progress_counts_setups(room: SceneModel, campaign: Campaign) -> None:
    seen: list[tuple[int, int]] = []
    trace(room, campaign, PAPER, progress=lambda _, done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# The cache.


@pytest.fixture
def folder(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    return tmp_path / "paths"


def refuse_to_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("Sionna was asked")

    monkeypatch.setattr(tracing, "LiveScene", refuse)


def test_a_second_trace_does_not_ask_sionna(
    room: SceneModel, campaign: Campaign, folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = trace(room, campaign, PAPER)
    assert len(list(folder.glob("*.arrow"))) == 3
    refuse_to_trace(monkeypatch)
    assert trace(room, campaign, PAPER).key == first.key
    # Neither power nor combining changes a path.
    louder = PAPER.replace(tx_power_dbm=10.0, combining="coherent")
    assert trace(room, campaign.subset([1]), louder).setup_keys() == first.setup_keys()[1:2]
    with pytest.raises(AssertionError, match="Sionna was asked"):
        trace(room, campaign, PAPER, cache=False)


@pytest.mark.slow
def test_a_damaged_cache_file_is_traced_again(room: SceneModel, campaign: Campaign, folder) -> None:
    single = campaign.subset([0])
    first = trace(room, single, PAPER)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 1
    for content in (b"", whole[: len(whole) // 2], bytes(altered)):
        file.write_bytes(content)
        assert trace(room, single, PAPER).key == first.key
        assert len(file.read_bytes()) == len(whole)


@pytest.mark.parametrize(
    "change",
    [
        {"frequency": 3.6e9},
        {"max_depth": 3},
        {"samples_per_src": 5001},
        {"seed": 2},
        {"complete": True},
        {"antenna_pattern": "dipole"},
        {"polarization": "H"},
    ],
)
def test_the_cache_key_changes_with_the_radio(
    room: SceneModel, campaign: Campaign, change: dict[str, object]
) -> None:
    setup = campaign.setups[0]
    key = tracing._cache_file(room, setup, PAPER)
    assert tracing._cache_file(room, setup, PAPER.replace(**change)) != key


def test_the_cache_key_changes_with_the_scene_and_the_positions(
    room: SceneModel, campaign: Campaign
) -> None:
    setup = campaign.setups[0]
    moved = MeasurementSetup(setup.tx + np.array([0.0, 0.0, 1e-9]), setup.rx)
    objects = list(room.objects)
    objects[5] = dataclasses.replace(objects[5], thickness=0.11)
    other = dataclasses.replace(room, objects=tuple(objects))
    keys = {
        tracing._cache_file(scene, places, PAPER)
        for scene, places in (
            (room, setup),
            (room, moved),
            (room, MeasurementSetup(setup.tx, setup.rx[::-1])),
            (other, setup),
        )
    }
    assert len(keys) == 4


def test_a_cache_that_cannot_be_written_does_not_lose_the_paths(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path, monkeypatch
) -> None:
    """Tracing may have taken minutes; a full or read-only disk must not throw that away."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way of a folder")
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(blocked))
    with pytest.warns(UserWarning, match="cache"):
        assert trace(room, campaign, PAPER).key == table.key


# Complete path sets.


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "tolerance"), [(2, 0.0), (4, 1e-3)])
def test_independently_seeded_complete_sets_are_equal(
    room: SceneModel, campaign: Campaign, depth: int, tolerance: float
) -> None:
    """At depth 4 a few paths in a thousand start through so small a window that 200,000 rays
    a solve may miss them again and again; each carries up to 4e-4 of its link's power."""
    radio = COMPLETE.replace(max_depth=depth)
    first, second = (trace(room, campaign, radio.replace(seed=seed)) for seed in (1, 2))
    assert first.incomplete <= tracing.COMPLETE_TOLERANCE
    power = [Replay(t, radio).rss(materials(room)) for t in (first, second)]
    np.testing.assert_allclose(power[1], power[0], rtol=tolerance)
    assert len(paths_of(first) ^ paths_of(second)) <= 10 * tolerance * first.num_paths
    if tolerance == 0.0:
        assert first.key == second.key


@pytest.mark.slow
def test_no_path_is_lost_to_sionnas_hash_table(room: SceneModel, campaign: Campaign) -> None:
    """Sionna keeps one of the candidates whose hashes agree modulo the size of its buffer; a round
    size lost the corner of wall_east and floor to whichever path came first, whatever the seed."""
    table = trace(room, campaign.subset([0]), COMPLETE.replace(max_depth=2))
    corner = [room.names.index(name) for name in ("wall_east", "floor")]
    found = table.receiver[(table.kind == REFLECTION).all(1) & (table.object == corner).all(1)]
    assert {4, 7} <= set(found.tolist())


@pytest.mark.slow
def test_a_single_solve_is_part_of_the_complete_set(
    room: SceneModel, campaign: Campaign, table: PathTable
) -> None:
    complete = trace(room, campaign, COMPLETE)
    assert paths_of(table) < paths_of(complete)
    assert complete.num_paths > 1.5 * table.num_paths


@pytest.mark.slow
def test_what_the_last_solve_added_is_what_it_says(
    room: SceneModel, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    radio = COMPLETE.replace(samples_per_src=2000)
    places = campaign.subset([0])
    tables = []
    for solves in (3, 4):
        monkeypatch.setattr(tracing, "MAX_SOLVES", solves)
        tables.append(trace(room, places, radio, cache=False))
        np.testing.assert_array_equal(tables[-1].num_solves, [solves])
    before, after = (Replay(t, radio).rss(materials(room))[0] for t in tables)
    assert tables[1].added.max() > 0.0
    np.testing.assert_allclose(tables[1].added, (after - before) / after, rtol=1e-9, atol=1e-15)
    assert tables[1].incomplete == tables[1].added.max()


@pytest.mark.slow
def test_a_complete_set_stops_after_two_clean_solves(room: SceneModel, campaign: Campaign) -> None:
    table = trace(room, campaign, COMPLETE.replace(max_depth=1))
    assert (table.num_solves == 3).all()
    assert table.incomplete == 0.0


@pytest.mark.slow
def test_many_receivers_of_one_transmitter() -> None:
    from vlmrt_dist.scene.paper_room import box_room

    room = box_room(10)
    places = random_campaign(room, 1, 70, seed=3)
    table = trace(room, places, PAPER.replace(max_depth=2), cache=False)
    assert (table.paths_per_link > 0).mean() > 0.95
    found = LiveScene(room, PAPER.replace(max_depth=2)).find_paths(places.setups[0], 1)
    assert abs(len(found.receiver) - table.num_paths) <= 2  # at most doubles that Sionna kept


def test_a_thousand_objects_are_one_mesh_and_still_themselves() -> None:
    """Dr.Jit walks through every mesh at every call; each face still knows its object."""
    from vlmrt_dist.scene.paper_room import box_room

    room, few = box_room(995), PAPER.replace(samples_per_src=50_000, max_depth=2)
    shared = LiveScene(tracing._sheets(room), few)
    assert len(shared.scene.objects) == 1
    setup = random_campaign(room, 1, 8, seed=2).setups[0]
    one = shared.find_paths(setup, 1)
    there = one.kind != NONE
    assert len(np.unique(one.object[there])) > 5
    sizes = np.array([len(item.faces) for item in room.objects])
    assert (one.face[there] < sizes[one.object[there]]).all()


def in_order(found: FoundPaths) -> np.ndarray:
    """[P, ...] all numbers of each path, the paths sorted by them."""
    columns = [np.asarray(values).reshape(len(found.length), -1) for values in vars(found).values()]
    table = np.hstack(columns)
    return table[np.lexsort(table.T[::-1])]


def test_sharing_a_mesh_finds_the_paths_that_meshes_of_their_own_find(
    room: SceneModel, campaign: Campaign
) -> None:
    for setup in campaign.setups[:2]:
        together, apart = (
            LiveScene(room, PAPER, material_per_object=alone).find_paths(setup, 1)
            for alone in (False, True)
        )
        # Threads find them in any order.
        np.testing.assert_array_equal(in_order(together), in_order(apart))


# Streamed to a file.


def test_a_table_that_is_kept_is_the_table(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path
) -> None:
    file = tmp_path / "paths.arrow"
    kept = trace(room, campaign, PAPER, keep=file)
    assert kept.key == table.key
    assert load_paths(file, [1]).setup_keys() == table.setup_keys()[1:2]
    for name in ("added", "num_solves"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(table, name))
    assert ((kept.seconds_in_solver > 0.0) & (kept.seconds_in_solver < kept.seconds)).all()
    assert [f.name for f in tmp_path.iterdir()] == ["paths.arrow"]


def test_a_place_that_cannot_be_kept_at_is_said_at_once(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path
) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(StorageError, match="cannot write"):
        trace(
            room, campaign, PAPER, keep=tmp_path / "no" / "paths.arrow",
            progress=lambda _, *done: seen.append(done),
        )  # fmt: skip
    assert len(seen) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("limit", [3])
def test_complete_sets_in_parts_are_the_set_together(
    room: SceneModel, campaign: Campaign, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    radio = COMPLETE.replace(max_depth=2)
    whole = trace(room, campaign.subset([0]), radio, cache=False)
    monkeypatch.setattr(solve_size, "MAX_LANES_AT_ONCE", limit * 400_000)
    monkeypatch.setattr(solve_size, "LANES_PER_GROUP", limit * 400_000)
    assert trace(room, campaign.subset([0]), radio, cache=False).key == whole.key


@pytest.mark.skipif(not VARIANT.startswith("llvm"), reason="a GPU has memory of its own")
def test_a_solve_beyond_the_machine_is_refused(
    room: SceneModel, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [50_000_000, 2_000_000_000]
    monkeypatch.setattr(solve_size, "free_memory", free.pop)
    # Asked once: what the first solve has taken is there for the second.
    assert trace(room, campaign, PAPER.replace(max_depth=1), cache=False).num_setups == 3
    with pytest.raises(EngineUnavailable, match=r"0\.1 GB of memory are free"):
        trace(room, campaign, PAPER, cache=False)


def test_a_large_campaign_is_one_file_that_is_mapped(
    room: SceneModel, campaign: Campaign, table: PathTable, folder, monkeypatch
) -> None:
    monkeypatch.setattr(tracing, "MAPPED_LINKS", 24)
    first = trace(room, campaign, PAPER)
    (whole,) = folder.glob("campaign-*.arrow")
    assert len(list(folder.iterdir())) == 4
    for name in ROWS:  # an array of its own would end the chain of views
        assert not owns(getattr(first, name)), name
    seen: list[tuple[int, int]] = []
    refuse_to_trace(monkeypatch)
    again = trace(room, campaign, PAPER, progress=lambda _, *done: seen.append(done))
    assert seen == [(3, 3)]
    assert first.key == again.key == table.key
    np.testing.assert_array_equal(first.seconds, again.seconds)
    # Other receivers are another campaign; a damaged file is made from the setups' own.
    present = campaign.present.copy()
    present[0, 0] = False
    assert tracing._campaign_file(room, campaign, PAPER, 1) != tracing._campaign_file(
        room, dataclasses.replace(campaign, present=present), PAPER, 1
    )
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    assert trace(room, campaign, PAPER).key == table.key
    assert whole.read_bytes() == content


def owns(array: np.ndarray) -> bool:
    """Whether the memory is NumPy's own, and not a file's."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return bool(array.flags.owndata)


def test_a_large_campaign_that_cannot_be_cached_is_not_lost(
    room: SceneModel, campaign: Campaign, table: PathTable, tmp_path, monkeypatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way of a folder")
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(blocked))
    monkeypatch.setattr(tracing, "MAPPED_LINKS", 24)
    with pytest.warns(UserWarning, match="cache"):
        assert trace(room, campaign, PAPER).key == table.key
