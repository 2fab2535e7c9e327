import numpy as np
import pytest

from tests.geometry_cases import UTM, moved
from tests.numerics import PAPER
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import PathOverflowError
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.paths.path_table import NONE
from vlmrt_dist.paths.sionna_scene import FoundPaths, LiveScene, float32_shift
from vlmrt_dist.paths.sionna_solver import thin_sheets
from vlmrt_dist.scene.model import SceneModel


def test_a_full_path_buffer_is_an_error(
    room: SceneModel, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmrt_dist.paths.sionna_scene.CANDIDATES", (101,))
    with pytest.raises(PathOverflowError, match=r"101 .*samples_per_src"):
        trace(room, campaign, PAPER, cache=False)


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
    shared = LiveScene(thin_sheets(room), few)
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


def test_rooms_about_the_origin_are_not_moved_and_others_come_near_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        size = rng.uniform(0.5, 300.0, 3)
        low = -size * rng.uniform(0.0, 1.0, 3)
        box = np.array([[low, low + size]])
        np.testing.assert_array_equal(float32_shift(box), np.zeros(3))
        place = rng.uniform(-1e7, 1e7, 3)
        far = box + place
        shift = float32_shift(far)
        assert np.abs(far - shift).max() <= 2.0 * max(size.max(), 1.0)
        # A multiple of a power of two: no bit of a coordinate is lost.
        np.testing.assert_array_equal((far - shift) + shift, far)


def test_sionna_is_given_a_room_at_utm_coordinates_as_it_is_at_the_origin(
    room: SceneModel, campaign: Campaign
) -> None:
    """A multiple of 16 m, the step of this room: not one path differs."""
    shift = 16.0 * np.round(UTM / 16.0)
    there, places = moved(room, campaign, shift)
    live = LiveScene(there, PAPER)
    np.testing.assert_array_equal(live.shift, shift)
    here = LiveScene(room, PAPER).find_paths(campaign.setups[0], 1)
    found = live.find_paths(places.setups[0], 1)
    for name in ("receiver", "kind", "object", "face"):
        one, other = (np.sort(getattr(each, name).reshape(-1)) for each in (here, found))
        np.testing.assert_array_equal(other, one)
    np.testing.assert_allclose(np.sort(found.length), np.sort(here.length), atol=1e-5)


@pytest.mark.slow
def test_positions_are_in_no_kernel(room: SceneModel) -> None:
    from vlmrt_dist.paths import dr

    radio = RadioConfig(max_depth=1, samples_per_src=500, path_set="single_solve")
    live = LiveScene(room, radio)
    compiled = []
    for setup in random_campaign(room, 4, 3, seed=5).setups:
        with dr.scoped_set_flag(dr.JitFlag.KernelHistory, True):
            dr.kernel_history_clear()
            live.find_paths(setup, 0)
            kernels = dr.kernel_history([dr.KernelType.JIT])
        # By transmitters, receivers and rays; others hold the number of paths that was found.
        own = [each for each in kernels if each["size"] in (1, 3, 500)]
        compiled.append({each["hash"] for each in own})
    assert len(compiled[0]) > 5
    assert compiled[1] == compiled[2] == compiled[3]
