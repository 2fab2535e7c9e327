"""Geometry at its limits, end to end: thin panes, near surfaces, map coordinates, curved and
coincident walls, against closed forms and sums over facets."""

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.commands import invoke
from tests.geometry_cases import (
    FREQUENCY,
    UTM,
    lone_pane,
    metal_board,
    moved,
    pane_campaign,
    room_with_pane,
    slab,
)
from tests.numerics import materials
from tests.paths.exact.test_faces import strips
from vlmrt_dist.campaign import Campaign, RadioConfig, read_campaign, write_campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.field import Replay, simulate, trace
from vlmrt_dist.paths import CoincidentSurfaces, SionnaLimits
from vlmrt_dist.paths.path_table import REFLECTION
from vlmrt_dist.scene import SceneModel, SceneObject
from vlmrt_dist.units import SPEED_OF_LIGHT

RADIO = RadioConfig()
WAVELENGTH = SPEED_OF_LIGHT / FREQUENCY
TX_POWER = 44.0
DATA = Path(__file__).parents[1] / "data" / "utm_offset"
DRAWN = (0.001, 0.002, 0.006, 0.012)
SHIFTS = {
    "12 km": np.array([12_000.0, 8_000.0, 20.0]),
    "88 km": np.array([-88_000.0, 3_000.0, 0.0]),
    "530 km": np.array([530_000.0, 180_000.0, 20.0]),
    "UTM": UTM,
}


def levels(scene: SceneModel, campaign: Campaign, radio: RadioConfig = RADIO) -> np.ndarray:
    """[M, N] levels without noise [dBm]."""
    measured = simulate(scene, campaign, radio=radio).rss_dbm
    assert measured is not None
    assert measured.shape == campaign.present.shape
    return measured


def free_space(length: float) -> float:
    """Power over an isotropic antenna's, at a distance [m]."""
    return (WAVELENGTH / (4.0 * np.pi * length)) ** 2


# Thin panes. A surface is a slab of its object's thickness, however thick the closed box is drawn:
# a pane drawn as a box is two slabs, at any drawn thickness, and the gap only lengthens the paths.


def test_a_pane_drawn_1_to_12_mm_thick_gives_the_same_levels() -> None:
    drawn = [levels(room_with_pane(each), pane_campaign()) for each in DRAWN]
    for other in drawn[1:]:
        np.testing.assert_allclose(other, drawn[0], atol=0.1)


@pytest.mark.parametrize("drawn", DRAWN)
def test_a_lone_pane_is_two_slabs_and_what_goes_to_and_fro_between_them(drawn: float) -> None:
    """Normal incidence, D = 4: behind the pane T² directly and T² R² once to and fro; before it the
    direct path, R from the first side, T² R from the second."""
    scene = lone_pane(drawn)
    campaign = Campaign(np.array([[-2.0, 0.1, 0.3]]), np.array([[[3.0, 0.1, 0.3], [-1, 0.1, 0.3]]]))
    sigma = scene.conductivity(FREQUENCY)[0]
    permittivity = scene.relative_permittivity(FREQUENCY)[0]
    r, t = (abs(x) ** 2 for x in slab(permittivity, sigma, 0.003, 1.0, te=True))
    behind = t**2 * free_space(5.0) + t**2 * r**2 * free_space(5.0 + 2 * drawn)
    # One reflection from the second side at depth 3; the next needs five interactions.
    before = free_space(1.0) + r * free_space(3.0) + t**2 * r * free_space(3.0 + 2 * drawn)
    expected = TX_POWER + 10.0 * np.log10([[behind, before]])
    np.testing.assert_allclose(levels(scene, campaign), expected, atol=1e-6)


@pytest.mark.parametrize("drawn", [DRAWN[0], DRAWN[-1]])
def test_the_conductivity_of_a_pane_is_found_however_thin_it_is_drawn(drawn: float) -> None:
    scene = room_with_pane(drawn)
    truth = scene.conductivity(FREQUENCY) * [1.1, 0.85]
    measured = simulate(scene, pane_campaign(), conductivity=truth, noise_db=0.1, seed=3)
    found = vd.estimate(scene, measured)
    assert (found.low < truth).all()
    assert (truth < found.high).all()
    assert not any(found.contradicts_prior)


def test_the_command_finds_a_pane_of_six_millimetres(tmp_path: Path) -> None:
    scene = room_with_pane(0.006)
    truth = scene.conductivity(FREQUENCY) * [1.1, 0.85]
    measured = simulate(scene, pane_campaign(), conductivity=truth, noise_db=0.1, seed=3)
    write_campaign(measured, tmp_path / "rss.csv")
    file = scene.write(tmp_path / "scene")
    told = invoke(
        "estimate", "--scene", file, "--measurements", tmp_path / "rss.csv", "--json",
        "--noise-db", "0.1",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    rows = json.loads(told.stdout)["objects"]
    for row, value in zip(rows, truth, strict=True):
        assert row["low"] < value < row["high"], row


# Antennas near a surface.


@pytest.mark.parametrize("distance", [1.01e-4, 2e-4, 1e-3, 9e-3, 1e-2, 2e-2])
@pytest.mark.parametrize("transmits", [False, True], ids=["receiver", "transmitter"])
def test_an_antenna_near_a_board_gets_its_reflection(distance: float, transmits: bool) -> None:
    """The direct path, and one from the image, by the Fresnel coefficient at its angle (V is TE to
    the upright board where both antennas are equally high)."""
    scene = metal_board()
    near, far = np.array([-distance, 0.1, 0.0]), np.array([-3.0, 0.0, 0.0])
    ends = (near, far) if transmits else (far, near)
    image = near * [-1, 1, 1]
    direct, bent = (float(np.linalg.norm(each - far)) for each in (near, image))
    cosine = (3.0 + distance) / bent
    sigma = scene.conductivity(FREQUENCY)[0]
    r, _ = slab(1.0, sigma, scene.thickness[0], cosine, te=True)
    expected = TX_POWER + 10.0 * np.log10(free_space(direct) + abs(r) ** 2 * free_space(bent))
    found = levels(scene, Campaign(ends[0][None], ends[1][None, None]))
    assert found[0, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("place", [9.9e-5, 0.0, -5e-5])
def test_an_antenna_on_a_board_is_refused_by_name(place: float) -> None:
    campaign = Campaign(np.array([[-3.0, 0, 0]]), np.array([[[-1.0, 0, 0], [place, 0.1, 0]]]))
    with pytest.raises(CampaignError, match=r"setup 1, receiver 2 .* lies on the surface"):
        levels(metal_board(), campaign)
    with pytest.raises(CampaignError, match=r"receiver 2 of setup 1 lies on .* object 'board'"):
        trace(metal_board(), campaign, RADIO)


# Map coordinates.


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
def test_the_paper_room_gives_the_same_levels_anywhere(
    room: SceneModel, campaign: Campaign, shift: np.ndarray
) -> None:
    there, places = moved(room, campaign, shift)
    np.testing.assert_allclose(levels(there, places), levels(room, campaign), atol=1e-6)


def test_the_paper_room_gives_the_same_estimate_anywhere(
    room: SceneModel, campaign: Campaign
) -> None:
    there, places = moved(room, campaign, UTM)
    here = simulate(room, campaign, noise_db=0.1, seed=2)
    measured = simulate(there, places, noise_db=0.1, seed=2)
    first, second = vd.estimate(room, here), vd.estimate(there, measured)
    for name in ("conductivity", "low", "high"):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-5)


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
def test_a_sampled_set_is_that_of_the_room_at_the_origin(
    room: SceneModel, campaign: Campaign, shift: np.ndarray
) -> None:
    """After the shift nothing is left of the offset but the rounding of UTM coordinates (1 nm) and
    less than 16 m, so that only rays within micrometres of an edge may go elsewhere."""
    radio = RadioConfig.paper()
    here = trace(room, campaign, radio)
    there, places = moved(room, campaign, shift)
    table = trace(there, places, radio, cache=False)
    ours, theirs = (
        {tuple(row): i for i, row in enumerate(t.signature().tolist())} for t in (here, table)
    )
    assert len(ours.keys() ^ theirs.keys()) <= 0.01 * len(ours)
    both = sorted(ours.keys() & theirs.keys())
    first, second = [ours[key] for key in both], [theirs[key] for key in both]
    for name in ("length", "cosine", "rotation"):
        np.testing.assert_allclose(
            getattr(table, name)[second], getattr(here, name)[first], rtol=1e-7, atol=1e-7
        )
    same = [
        10.0 * np.log10(Replay(t.rows(np.array(rows)), radio).rss(materials(room))[0])
        for t, rows in ((here, first), (table, second))
    ]
    np.testing.assert_allclose(same[1], same[0], atol=1e-6)


@pytest.mark.slow
def test_retrace_is_the_same_at_utm_coordinates(room: SceneModel, campaign: Campaign) -> None:
    """A multiple of 16 m, by which nothing of the shift is left: the same rays find the same."""
    from vlmrt_dist.field.retrace import Retrace

    radio = RadioConfig.paper(samples_per_src=1000, max_depth=2)
    sigma = room.conductivity(radio.frequency)
    there, places = moved(room, campaign, 16.0 * np.rint(UTM / 16.0))
    here = Retrace(room, campaign, radio).rss_and_gradient(sigma, 0, np.ones_like)
    found = Retrace(there, places, radio).rss_and_gradient(sigma, 0, np.ones_like)
    for one, other in zip(here, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4 * np.abs(one).max())


def test_the_command_gives_the_same_estimate_for_a_room_anywhere(tmp_path: Path) -> None:
    """The room and its levels at the origin, 12 km and 530 km away, and at UTM coordinates."""
    origin = read_campaign(DATA / "rss_origin.csv")
    utm = np.array([500_000.0, 4_649_776.0, 20.0])
    utm_file = tmp_path / "rss_utm.csv"
    write_campaign(dataclasses.replace(origin, tx=origin.tx + utm, rx=origin.rx + utm), utm_file)
    found = []
    for file, measured in (
        ("scene", DATA / "rss_origin.csv"),
        ("scene_12km", DATA / "rss_12km.csv"),
        ("scene_530km", DATA / "rss_530km.csv"),
        ("scene_utm", utm_file),
    ):
        told = invoke(
            "estimate", "--scene", DATA / "scene" / f"{file}.xml", "--measurements", measured,
            "--max-depth", "3", "--json",
        )  # fmt: skip
        assert told.exit_code == 0, told.output
        found.append(json.loads(told.stdout)["objects"])
    for rows in found[1:]:
        for row, first in zip(rows, found[0], strict=True):
            assert row["verdict"] == first["verdict"]
            for name in ("conductivity", "low", "high"):
                assert row[name] == pytest.approx(first[name], rel=1e-5)


# Curved walls.


@pytest.mark.parametrize(
    ("radius", "width"),
    [
        (1000.0, 0.5),
        (200.0, 0.5),
        (200.0, 0.1),
        (100.0, 0.1),
        pytest.param(1000.0, 0.025, marks=pytest.mark.slow),
        (100.0, 0.025),
    ],
)
def test_levels_at_a_curved_wall_are_the_sum_over_its_facets(radius: float, width: float) -> None:
    """150 links outside a cylinder in strips of 4 m: the direct path and each facet's reflection,
    where the line from the image meets the facet."""
    arc = strips(radius, width, round(4.0 / width))
    middle = radius * np.array([np.cos(2.0 / radius), np.sin(2.0 / radius), 0.0])
    outward = middle / radius
    rng = np.random.default_rng(4)
    tx = middle + 3.0 * outward + np.array([0.0, 0.0, 1.3])
    rx = middle + outward * rng.uniform(1, 5, (150, 1)) + rng.uniform(-0.4, 0.4, (150, 3))
    rx[:, 2] += 1.5
    bounds = np.array([rx.min(0) - 9.0, rx.max(0) + 9.0])
    scene = SceneModel("arc", (arc,), bounds)
    radio = RADIO.replace(max_depth=1)
    table = trace(scene, Campaign(tx[None], rx[None]), radio, cache=False)
    bounces = np.bincount(table.receiver[table.kind[:, 0] == REFLECTION], minlength=150)
    assert bounces.max() == 1  # convex: gaps between neighbouring facets, no overlap
    expected = [facet_power(arc, scene, tx, each) for each in rx]
    found = levels(scene, Campaign(tx[None], rx[None]), radio)[0]
    np.testing.assert_allclose(found, TX_POWER + 10 * np.log10(expected), atol=0.1)


def facet_power(arc: SceneObject, scene: SceneModel, tx: np.ndarray, rx: np.ndarray) -> float:
    """Power from ``tx`` at ``rx`` over isotropic: direct, and by every facet of upright strips.

    Polarizations are kept apart as at an upright plane: the vertical field is TE only where the
    path is level, so it is split at the plane of incidence.
    """
    total = free_space(float(np.linalg.norm(rx - tx)))
    count = len(arc.vertices) // 2 - 1
    permittivity = scene.relative_permittivity(FREQUENCY)[0]
    sigma = scene.conductivity(FREQUENCY)[0]
    for i in range(count):
        a, b = arc.vertices[i], arc.vertices[i + 1]
        side = (b - a) / np.linalg.norm(b - a)
        normal = np.array([side[1], -side[0], 0.0])
        image = tx - 2.0 * normal @ (tx - a) * normal
        here, there = normal @ (image - a), normal @ (rx - a)
        if here * there >= 0.0:
            continue
        point = image + here / (here - there) * (rx - image)
        along = (point - a) @ side
        if not (0.0 <= along < np.linalg.norm(b - a) and 0.0 <= point[2] <= 3.0):
            continue
        first, second = point - tx, rx - point
        length = float(np.linalg.norm(first) + np.linalg.norm(second))
        first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
        cosine = abs(normal @ first)
        te_axis = np.cross(first, normal) / np.linalg.norm(np.cross(first, normal))
        field = _theta(first)
        out = slab(permittivity, sigma, arc.thickness, cosine, te=True)[0] * (field @ te_axis)
        bent = slab(permittivity, sigma, arc.thickness, cosine, te=False)[0] * (
            field @ np.cross(first, te_axis)
        )
        arriving = out * te_axis + bent * np.cross(second, te_axis)
        total += abs(arriving @ _theta(second)) ** 2 * free_space(length)
    return total


def _theta(direction: np.ndarray) -> np.ndarray:
    """Unit vector θ̂ of a direction: the field of a vertically polarized antenna."""
    horizontal = np.hypot(direction[0], direction[1])
    x, y, z = direction
    return np.array([x * z / horizontal, y * z / horizontal, -horizontal])


# Coincident walls: what several objects share belongs to the one that comes first in the scene.


def test_of_two_coincident_walls_the_first_counts_and_both_are_named() -> None:
    corners = np.array([[0, -3, -3], [0, 3, -3], [0, 3, 3], [0, -3, 3]], float)
    quad = np.array([[0, 1, 2], [0, 2, 3]])
    plaster = SceneObject("plaster", "plasterboard", corners, quad)
    brick = SceneObject("masonry", "brick", corners + np.array([0, 0.5, 0]), quad)
    bounds = np.array([[-9.0, -9, -9], [9, 9, 9]])
    tx = np.array([[-2.0, 0.3, 0.2]])
    rx = np.array([[[2.0, -0.2, 0.1], [-1.0, 1.0, -0.4], [3.0, 1.0, 0.5]]])
    campaign = Campaign(tx, rx)
    alone = {
        item.name: levels(SceneModel("one", (item,), bounds), campaign) for item in (plaster, brick)
    }
    assert np.abs(alone["plaster"] - alone["masonry"]).max() > 0.1
    for first, second in ((plaster, brick), (brick, plaster)):
        both = SceneModel("two", (first, second), bounds)
        names = f"'{first.name}' owns what it shares with '{second.name}'"
        with pytest.warns(CoincidentSurfaces, match=names):
            found = levels(both, campaign)
        np.testing.assert_allclose(found, alone[first.name], atol=1e-9)


def test_a_sampled_set_of_a_thin_pane_says_what_it_gets_wrong() -> None:
    with pytest.warns(SionnaLimits, match="'pane'"):
        levels(room_with_pane(0.006), pane_campaign(), RadioConfig.paper())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        levels(room_with_pane(0.006), pane_campaign())
