"""The exact search finds every path, once, and nothing else."""

import dataclasses
import signal
import threading
import warnings

import numpy as np
import pytest

from tests.paths.exact.brute_force import brute_force
from tests.paths.exact.path_cases import (
    FAR,
    box,
    find,
    keys,
    l_shaped_flat,
    moved,
    per_link,
    quad,
    random_room,
    random_setup,
    rotation,
    scene_of,
    setup_at,
    wall,
)
from vlmrt_dist.campaign import random_campaign
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.paths.exact.faces import CoincidentSurfaces, prepare_scene
from vlmrt_dist.paths.exact.limits import IncompleteSearch, SearchLimits
from vlmrt_dist.paths.exact.search import search_paths
from vlmrt_dist.paths.path_table import REFLECTION, TRANSMISSION
from vlmrt_dist.scene import box_room, bundled_scene, load_scene

pytestmark = pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.exact.faces.CoincidentSurfaces")


@pytest.fixture(scope="module")
def campaign():
    return random_campaign(box_room(), 3, 8, seed=0)


@pytest.mark.parametrize(("depth", "count"), [(0, 24), (1, 140), (2, 413), (3, 840), (4, 1446)])
def test_the_paper_room_has_as_many_paths_as_were_counted(campaign, depth, count):
    paths = search_paths(prepare_scene(box_room()), campaign.setups, SearchLimits(depth))
    assert len(paths.setup) == count
    assert (paths.complete_to == depth).all()


def test_the_paper_room_at_depth_six(campaign):
    paths = search_paths(prepare_scene(box_room()), campaign.setups, SearchLimits(6))
    assert len(paths.setup) == 3587
    assert paths.num_fragile == 1


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_paper_room_equals_the_brute_force(campaign, depth):
    for setup in campaign.setups:
        assert keys(find(box_room(), setup, depth)) == brute_force(box_room(), setup, depth)


@pytest.mark.slow
def test_the_paper_room_equals_the_brute_force_at_depth_four(campaign):
    setup = campaign.setups[0]
    assert keys(find(box_room(), setup, 4)) == brute_force(box_room(), setup, 4)


@pytest.mark.parametrize("depth", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_fifteen_boxes_equal_the_brute_force(depth):
    scene = box_room(15)
    setup = random_campaign(scene, 1, 4, seed=1).setups[0]
    assert keys(find(scene, setup, depth)) == brute_force(scene, setup, depth)


@pytest.mark.parametrize("depth", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_a_street_canyon_with_coincident_faces_equals_the_brute_force(depth):
    scene = load_scene(bundled_scene("simple_street_canyon"))
    rng = np.random.default_rng(5)
    low, high = np.array([-30.0, -8.0, 1.5]), np.array([30.0, 8.0, 25.0])
    setup = setup_at(rng.uniform(low, high), rng.uniform(low, high, (4, 3)))
    found = keys(find(scene, setup, depth))
    assert found == brute_force(scene, setup, depth)
    assert len(found) > 20


@pytest.mark.parametrize("depth", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_an_l_shaped_flat_equals_the_brute_force(depth):
    scene = l_shaped_flat()
    setup = random_setup(scene, np.random.default_rng(2), receivers=5)
    assert keys(find(scene, setup, depth)) == brute_force(scene, setup, depth)


@pytest.mark.parametrize(
    "seeds", [range(20), pytest.param(range(20, 200), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_random_rooms_equal_the_brute_force_wherever_they_stand(seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        scene = random_room(rng)
        setup = random_setup(scene, rng)
        depth = 3 if seed % 4 else 4
        here = keys(find(scene, setup, depth))
        assert here == brute_force(scene, setup, depth), seed
        there, antennas = moved(scene, setup, rotation(rng), np.zeros(3))
        assert keys(find(there, antennas, depth)) == here, seed
        there, antennas = moved(scene, setup, rotation(rng), FAR)
        paths = find(there, antennas, depth)
        if paths.margin.min() > 1e-8:
            assert keys(paths) == here, seed


def test_a_shoebox_has_the_counts_of_the_image_lattice():
    sides = [
        quad("x0", [(0, 0, 0), (0, 4, 0), (0, 4, 3), (0, 0, 3)]),
        quad("x1", [(5, 0, 0), (5, 4, 0), (5, 4, 3), (5, 0, 3)]),
        quad("y0", [(0, 0, 0), (5, 0, 0), (5, 0, 3), (0, 0, 3)]),
        quad("y1", [(0, 4, 0), (5, 4, 0), (5, 4, 3), (0, 4, 3)]),
        quad("z0", [(0, 0, 0), (5, 0, 0), (5, 4, 0), (0, 4, 0)]),
        quad("z1", [(0, 0, 3), (5, 0, 3), (5, 4, 3), (0, 4, 3)]),
    ]
    setup = setup_at([1.1, 2.3, 0.7], [[3.9, 0.8, 2.2]])
    for turn, shift in ((np.eye(3), np.zeros(3)), (rotation(np.random.default_rng(0)), FAR)):
        room, antennas = moved(scene_of(*sides), setup, turn, shift)
        paths = find(room, antennas, 4)
        assert per_link(paths).tolist() == [1, 6, 18, 38, 66]
        assert (paths.kind != TRANSMISSION).all()


def test_a_path_into_the_edge_between_two_walls_reflects_from_both_once():
    corner = scene_of(wall("a", (0, 0), (4, 0)), wall("b", (0, 0), (0, 4)))
    for rx in ([2.0, 4.0, 1.0], [1.0, 2.0, 1.0], [4.0, 8.0, 1.5]):  # in line with edge and tx
        paths = keys(find(corner, setup_at([1.5, 3.0, 1.2], [rx]), 2))
        assert {key for key in paths if key[1] == 2} == {(0, 2, 1, 0, 0, 1, 1, 1)}


@pytest.mark.parametrize("thickness", [0.001, 0.003, 0.006, 0.012])
def test_a_closed_pane_is_passed_twice_however_thin_it_is(thickness):
    pane = box("pane", (2, 0, 0), (2 + thickness, 4, 3), "glass")
    setup = setup_at([1, 2, 1], [[4, 2.2, 1.4]])
    paths = find(scene_of(pane), setup, 4)
    # Inside the pane it goes to and fro: 2 transmissions and 2 reflections.
    assert per_link(paths).tolist() == [0, 0, 1, 0, 1]


@pytest.mark.parametrize("distance", [1.01e-4, 1e-3, 9e-3, 1e-2])
def test_an_antenna_close_to_a_wall_has_its_reflection(distance):
    setup = setup_at([1, distance, 1], [[2, 1.5, 1.5]])
    paths = find(scene_of(wall("wall", (-3, 0), (5, 0))), setup, 2)
    assert keys(paths) == {(0, 0), (0, 1, 1, 0, 0)}


def test_an_antenna_on_a_wall_or_on_another_antenna_is_refused_by_name():
    scene = scene_of(wall("garage", (-3, 0), (5, 0)))
    with pytest.raises(CampaignError, match=r"receiver 2 of setup 1 .* 'garage'"):
        find(scene, setup_at([1, 1, 1], [[2, 1, 1], [2, 9e-5, 1]]), 1)
    with pytest.raises(CampaignError, match=r"the transmitter of setup 1 .* 'garage'"):
        find(scene, setup_at([1, -5e-5, 1], [[2, 1, 1]]), 1)
    with pytest.raises(CampaignError, match="receiver 1 of setup 1 lies on its transmitter"):
        find(scene, setup_at([1, 1, 1], [[1, 1, 1 + 1e-5]]), 1)


def test_an_antenna_in_the_plane_of_a_wall_is_not_reflected_by_it():
    paths = find(
        scene_of(wall("wall", (0, 0), (2, 0))),
        setup_at([3, 0, 1], [[4, 1, 1], [5, 0, 1]]),
        2,
    )
    assert keys(paths) == {(0, 0), (1, 0)}


def test_a_path_in_line_with_a_wall_does_not_pass_through_it():
    paths = find(scene_of(wall("wall", (0, 0), (2, 0))), setup_at([-1, 0, 1], [[4, 0, 1]]), 2)
    assert keys(paths) == {(0, 0)}


def test_a_point_on_the_edge_of_two_facets_belongs_to_the_first():
    left = quad("left", [(0, 0, 0), (2, 0, 0), (2, 0, 2), (0, 0, 2)])
    right = quad("right", [(2, 0, 0), (4, 0, 0), (4, 0, 2), (2, 0, 2)])
    bounce = setup_at([1, 1, 1], [[3, 1, 1]])  # meets y = 0 at x = 2
    through = setup_at([1, 1, 1], [[3, -1, 1]])
    for first, second in ((left, right), (right, left)):
        scene = scene_of(first, second)
        assert keys(find(scene, bounce, 1)) == {(0, 0), (0, 1, 1, 0, 0)}
        assert keys(find(scene, through, 1)) == {(0, 1, 2, 0, 0)}
        assert find(scene, bounce, 1).margin.min() == pytest.approx(1.0)  # the seam is no border


def test_what_coincident_walls_share_belongs_to_the_first_object():
    one = quad("one", [(0, 0, 0), (3, 0, 0), (3, 0, 2), (0, 0, 2)])
    two = quad("two", [(2, 0, 0), (5, 0, 0), (5, 0, 2), (2, 0, 2)])
    setup = setup_at([2.5, 1, 1], [[2.6, 1, 1.1], [2.4, -1, 1], [4.5, 1, 1], [5, -1, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoincidentSurfaces)
        paths = find(scene_of(one, two), setup, 2)
    assert keys(paths) == {
        (0, 0), (0, 1, 1, 0, 0), (1, 1, 2, 0, 0), (2, 0), (2, 1, 1, 1, 1), (3, 1, 2, 1, 1),
    }  # fmt: skip


def test_exchanging_transmitter_and_receiver_gives_the_same_paths(campaign):
    setup = campaign.setups[0]
    there = find(box_room(), setup, 4)
    for n in range(4):
        back = find(box_room(), setup_at(setup.rx[n], setup.tx[None]), 4)
        reverse = set()
        for key in keys(back):
            steps = np.array(key[2:]).reshape(-1, 3)[::-1].ravel()
            reverse.add((n, key[1], *steps.tolist()))
        assert reverse == {key for key in keys(there) if key[0] == n}


def test_splitting_an_object_or_permuting_its_triangles_keeps_lengths(campaign):
    scene = box_room()
    rng = np.random.default_rng(1)
    floor = scene.objects[0]
    low, high = floor.vertices.min(0), floor.vertices.max(0)
    middle = 0.3 * low[0] + 0.7 * high[0]
    halves = [
        quad(name, [(a, low[1], 0), (b, low[1], 0), (b, high[1], 0), (a, high[1], 0)], "brick")
        for name, a, b in (("floor", low[0], middle), ("floor_2", middle, high[0]))
    ]
    shuffled = [
        dataclasses.replace(item, faces=item.faces[rng.permutation(len(item.faces))])
        for item in scene.objects[1:]
    ]
    setup = campaign.setups[1]
    one = find(scene, setup, 3)
    for other in (scene_of(*halves, *scene.objects[1:]), scene_of(floor, *shuffled)):
        two = find(other, setup, 3)
        assert np.bincount(two.receiver).tolist() == np.bincount(one.receiver).tolist()
        assert sorted(map(tuple, two.kind)) == sorted(map(tuple, one.kind))


def test_threads_and_splits_give_the_same_bits(campaign):
    scene = prepare_scene(box_room())
    limits = SearchLimits(4)
    whole = search_paths(scene, campaign.setups, limits, threads=1)
    for threads in (2, 5):
        other = search_paths(scene, campaign.setups, limits, threads=threads)
        for field in dataclasses.fields(whole):
            assert np.array_equal(getattr(other, field.name), getattr(whole, field.name))
    parts = [search_paths(scene, [setup], limits) for setup in campaign.setups]
    assert np.array_equal(np.concatenate([p.plane for p in parts]), whole.plane)
    assert np.array_equal(np.concatenate([p.margin for p in parts]), whole.margin)


def test_reflections_and_transmissions_have_caps_of_their_own(campaign):
    setup = campaign.setups[0]
    every = keys(find(box_room(), setup, 4))
    for reflections, transmissions in ((1, 4), (4, 1), (2, 2), (0, 3), (3, 0)):
        capped = find(
            box_room(), setup, 4, max_reflections=reflections, max_transmissions=transmissions
        )
        expected = {
            key
            for key in every
            if key[2::3].count(REFLECTION) <= reflections
            and key[2::3].count(TRANSMISSION) <= transmissions
        }
        assert keys(capped) == expected


def test_the_straight_path_can_be_kept_through_any_number_of_walls():
    scene = scene_of(*(wall(f"wall_{i}", (i, -3), (i, 3)) for i in range(9)))
    setup = setup_at([-1, 0, 1], [[9, 0.1, 1.2], [0.5, 0.2, 1]])
    paths = find(scene, setup, 1, line_of_sight="always")
    straight = (0, 9, *(x for i in range(9) for x in (2, i, i)))
    assert straight in keys(paths)
    assert paths.kind.shape[1] == 9
    assert keys(paths) - {straight} == keys(find(scene, setup, 1))


def test_a_search_over_its_budget_says_how_far_it_is_complete(campaign):
    setup = campaign.setups[0]
    steps = [int(find(box_room(), setup, depth).steps[0]) for depth in (3, 4)]
    whole = keys(find(box_room(), setup, 4))
    for threads in (1, 2):
        with pytest.warns(IncompleteSearch, match=r"before depth 4; .* 1 \(depth 3\)"):
            paths = find(box_room(), setup, 4, max_steps=steps[1] - 1, threads=threads)
        assert paths.complete_to.tolist() == [3]
        assert keys(find(box_room(), setup, 3)) < keys(paths) <= whole
        assert len(keys(paths)) == len(paths.setup) > 0.98 * len(whole)
    with pytest.warns(IncompleteSearch):
        paths = find(box_room(), setup, 4, max_paths=200)
    assert len(paths.setup) <= 200
    assert keys(paths) == keys(find(box_room(), setup, int(paths.complete_to[0])))


def test_impossible_limits_are_refused():
    with pytest.raises(ConfigurationError, match="max_depth"):
        SearchLimits(-1)
    with pytest.raises(ConfigurationError, match="max_reflections"):
        SearchLimits(4, max_reflections=99)
    with pytest.raises(ConfigurationError):
        SearchLimits(4, max_steps=0)


def test_margins_tell_the_distance_from_the_nearest_edge():
    scene = scene_of(wall("wall", (0, 0), (2, 0)))
    setup = setup_at([1.9, 1, 1], [[2.05, 1, 1], [2.05, -1, 1.2], [2.10015, -1, 1]])
    paths = find(scene, setup, 1)
    steps = zip(paths.receiver.tolist(), paths.kind[:, 0].tolist(), strict=True)
    margin = dict(zip(steps, paths.margin.tolist(), strict=True))
    assert margin.pop((0, 0)) == np.inf
    assert margin.pop((0, REFLECTION)) == pytest.approx(0.025)
    assert margin.pop((1, TRANSMISSION)) == pytest.approx(0.025)
    assert margin.pop((2, 0)) == pytest.approx(7.5e-5, rel=0.01)  # it misses the wall by so much
    assert margin == {}
    assert paths.num_fragile == 1


def test_no_reflection_is_counted_twice_on_a_tessellated_cylinder():
    from tests.paths.exact.test_faces import strips

    rng = np.random.default_rng(0)
    for radius, width in ((200.0, 0.5), (100.0, 0.1), (100.0, 0.025)):
        arc = strips(radius, width, int(4.0 / width))
        middle = radius * np.array([np.cos(2.0 / radius), np.sin(2.0 / radius), 0.0])
        outward = middle / radius
        setup = setup_at(
            middle + 3 * outward + [0, 0, 1.3],
            middle
            + outward * rng.uniform(1, 5, (20, 1))
            + rng.uniform(-0.4, 0.4, (20, 3))
            + [0, 0, 1.5],
        )
        paths = find(scene_of(arc), setup, 1)
        bounces = np.bincount(paths.receiver[paths.kind[:, 0] == REFLECTION], minlength=20)
        assert bounces.max() <= 1  # convex from outside: neighbouring facets leave gaps
        assert keys(paths) == brute_force(scene_of(arc), setup, 1)


def test_an_interrupt_ends_the_threads_that_search() -> None:
    """Ctrl-C in a search of minutes: compiled code does not see signals, so it has to be told."""
    scene = box_room(120)
    prepared = prepare_scene(scene)
    setups = random_campaign(scene, 2, 20, seed=0).setups
    search_paths(prepared, setups, SearchLimits(1))  # compiled

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            search_paths(prepared, setups, SearchLimits(9, max_steps=2**40), threads=2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]
