"""What launched rays propose exists, and they miss little."""

import numpy as np
import pytest

from tests.paths.exact.path_cases import find, keys, l_shaped_flat, random_room, random_setup
from vlmrt_dist.campaign import MeasurementSetup, random_campaign
from vlmrt_dist.paths.exact.crossings import crossed_at
from vlmrt_dist.paths.exact.faces import prepare_scene
from vlmrt_dist.paths.exact.limits import IncompleteSearch
from vlmrt_dist.paths.exact.proposals import evenly_spread, first_met
from vlmrt_dist.scene import box_room, bundled_scene, load_scene

pytestmark = pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.exact.faces.CoincidentSurfaces")


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def proposed(scene, setup, depth, max_steps=1):
    """All paths where the search is given up at once, so that rays propose them."""
    with pytest.warns(IncompleteSearch):
        paths = find(scene, setup, depth, max_steps=max_steps)
    assert (paths.complete_to < depth).all()
    return keys(paths)


def test_directions_are_unit_vectors_spread_evenly():
    way = evenly_spread(5000)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(way.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose((way**2).mean(axis=0), 1 / 3, atol=1e-3)
    near = np.sort(way @ way[2500])[-2]
    assert 0.5 < np.arccos(near) / np.sqrt(4 * np.pi / 5000) < 1.5


def test_the_first_piece_met_is_the_nearest_of_all(rng):
    """Against the fraction of the way to each piece of the room, one by one."""
    faces = prepare_scene(box_room()).faces
    for _ in range(200):
        ends = rng.uniform(-8.0, 8.0, (2, 3))
        surface = int(rng.integers(-1, 5))
        met, t = first_met(faces, ends, surface)
        at = np.array([crossed_at(faces, g, ends) for g in range(len(faces.piece))])
        at[(at < 0.0) | (faces.piece["surface"] == surface)] = np.inf
        assert met == (np.argmin(at) if np.isfinite(at).any() else -1)
        assert t == min(1.0, at.min())


def test_proposals_in_small_rooms_are_paths_and_nearly_all_of_them(rng):
    found = wanted = 0
    for _ in range(4):
        scene = random_room(rng)
        setup = random_setup(scene, rng)
        whole = keys(find(scene, setup, 2))
        some = proposed(scene, setup, 2)
        assert some <= whole
        found, wanted = found + len(some), wanted + len(whole)
    assert found > 0.97 * wanted


@pytest.mark.slow
@pytest.mark.parametrize("depth", [3, 4, 6])
def test_proposals_in_the_paper_room(depth):
    setup = random_campaign(box_room(), 1, 8, seed=0).setups[0]
    whole, some = keys(find(box_room(), setup, depth)), proposed(box_room(), setup, depth)
    assert some <= whole
    assert len(some) > {3: 0.98, 4: 0.97, 6: 0.9}[depth] * len(whole)


@pytest.mark.slow
def test_proposals_in_a_flat_and_a_street(rng):
    flat = l_shaped_flat()
    street = load_scene(bundled_scene("simple_street_canyon"))
    low, high = np.array([-30.0, -8.0, 1.5]), np.array([30.0, 8.0, 25.0])
    for scene, setup in (
        (flat, random_setup(flat, rng)),
        (street, MeasurementSetup(rng.uniform(low, high), rng.uniform(low, high, (8, 3)))),
    ):
        whole, some = keys(find(scene, setup, 3)), proposed(scene, setup, 3)
        assert some <= whole
        assert len(some) > 0.9 * len(whole)
