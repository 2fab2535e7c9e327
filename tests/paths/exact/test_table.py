"""Tables of exact paths: the same bits as the image geometry's, and levels as closed forms say."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tests.paths.exact.path_cases import box, l_shaped_flat, random_setup, scene_of, setup_at, wall
from tests.paths.exact.test_faces import strips
from vlmrt_dist.campaign import MeasurementSetup, RadioConfig, random_campaign
from vlmrt_dist.field import Materials, Replay
from vlmrt_dist.paths import SearchLimits, exact_table, planes_of, prepare_scene, search_paths
from vlmrt_dist.paths.image_method import Planes
from vlmrt_dist.paths.path_table import ROWS, concatenate_setups, unite
from vlmrt_dist.paths.sionna_scene import FoundPaths
from vlmrt_dist.paths.sionna_solver import table_of
from vlmrt_dist.scene import SceneModel, box_room

VACUUM_PERMITTIVITY = 8.8541878128e-12


def isotropic(direction):
    """θ̂ and field of an isotropic antenna, vertically polarized."""
    x, y, z = direction.T
    theta, phi = np.arccos(np.clip(z, -1.0, 1.0)), np.arctan2(y, x)
    theta_hat = np.column_stack(
        [np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)]
    )
    return theta_hat, np.tile([1.0, 0.0], (len(direction), 1))


def table_in(scene, setups, depth):
    """The exact table of setups."""
    prepared = prepare_scene(scene)
    paths = search_paths(prepared, setups, SearchLimits(depth))
    return exact_table(prepared, setups, paths, isotropic)


def levels(scene, setups, depth, combining="power"):
    """[M, N] received levels [dBm]."""
    radio = RadioConfig(combining=combining)
    materials = Materials(
        scene.conductivity(radio.frequency),
        scene.relative_permittivity(radio.frequency),
        scene.thickness,
    )
    return 10.0 * np.log10(1e3 * Replay(table_in(scene, setups, depth), radio).rss(materials)[0])


def reflection(scene, radio, cosine, k=0):
    """A slab's coefficient for fields perpendicular to the plane of incidence (ITU-R P.2040)."""
    permittivity = scene.relative_permittivity(radio.frequency)[k]
    loss = scene.conductivity(radio.frequency)[k] / (
        2.0 * np.pi * radio.frequency * VACUUM_PERMITTIVITY
    )
    root = np.sqrt(permittivity - 1j * loss - (1.0 - cosine**2))
    first = (cosine - root) / (cosine + root)
    turn = np.exp(-4j * np.pi / radio.wavelength * scene.thickness[k] * root)
    return first * (1.0 - turn) / (1.0 - first**2 * turn)


def by_images(scene, planes: Planes, setup, table):
    """The table that the image geometry gives for one setup's sequences of interactions."""
    of_plane = np.zeros(len(planes.normal), int)
    of_plane[planes.of_face[::-1]] = np.arange(len(planes.of_face))[::-1]
    face = of_plane[table.plane] - planes.first_face[table.object]
    found = FoundPaths(
        receiver=table.receiver,
        kind=table.kind,
        object=table.object,
        face=np.where(table.kind > 0, face, 0).astype(np.int32),
        amplitude=np.zeros(table.num_paths, complex),
        length=table.length,
    )
    live = SimpleNamespace(radio=RadioConfig(), model=scene, shift=np.zeros(3))
    return unite([table_of(live, planes, setup, found, 0)])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["room", "flat"])
def test_tables_have_the_bits_of_the_image_geometry(name: str) -> None:
    scene = box_room() if name == "room" else l_shaped_flat()
    rng = np.random.default_rng(4)
    setups = [random_setup(scene, rng, receivers=4) for _ in range(2)]
    table = table_in(scene, setups, 4)
    prepared = prepare_scene(scene)
    parts = [
        by_images(scene, prepared.planes, setup, table.setups([m]))
        for m, setup in enumerate(setups)
    ]
    other = concatenate_setups(parts)
    assert table.num_paths == other.num_paths > 100
    for column in ROWS[:-1]:  # the last is the margin, which solves do not know
        assert np.array_equal(getattr(table, column), getattr(other, column)), column
    assert table.key == dataclasses.replace(other, margin=table.margin).key
    assert np.array_equal(prepared.planes.normal[prepared.planes.of_face],
                          planes_of(scene).normal[planes_of(scene).of_face])  # fmt: skip


def test_panes_of_one_to_twelve_millimetres_give_the_same_levels() -> None:
    found = []
    for thickness in (0.001, 0.003, 0.006, 0.009, 0.0101, 0.012):
        pane = dataclasses.replace(
            box("pane", (2, 0, 0), (2 + thickness, 4, 3), "glass"), thickness=0.005
        )
        setup = setup_at([1, 2, 1], [[4, 2.2, 1.4], [3, 1.0, 1.1], [0.4, 2.5, 1.2]])
        found.append(levels(scene_of(pane), [setup], 4)[0])
    assert np.ptp(found, axis=0).max() < 0.1


@pytest.mark.parametrize("distance", [1.01e-4, 1e-3, 9e-3, 1e-2, 0.5])
def test_an_antenna_near_a_wall_has_the_level_of_two_rays(distance: float) -> None:
    scene = scene_of(wall("wall", (-30, 0), (30, 0)))
    radio = RadioConfig()
    rx = np.array([[2.0, 1.5, 1.0], [5.0, 0.7, 1.0]])
    direct = np.hypot(rx[:, 0], rx[:, 1] - distance)
    bounced = np.hypot(rx[:, 0], rx[:, 1] + distance)
    turn = 2.0 * np.pi / radio.wavelength
    gain = reflection(scene, radio, (rx[:, 1] + distance) / bounced)
    field = np.exp(-1j * turn * direct) / direct + gain * np.exp(-1j * turn * bounced) / bounced
    power = radio.tx_power * (radio.wavelength / (4.0 * np.pi) * np.abs(field)) ** 2
    found = levels(scene, [MeasurementSetup(np.array([0.0, distance, 1.0]), rx)], 3, "coherent")
    assert found[0] == pytest.approx(10.0 * np.log10(1e3 * power), abs=1e-6)


def shifted(scene: SceneModel, setups, offset):
    """Scene and setups moved by an offset [3]."""
    objects = [dataclasses.replace(item, vertices=item.vertices + offset) for item in scene.objects]
    return scene_of(*objects), [
        MeasurementSetup(setup.tx + offset, setup.rx + offset) for setup in setups
    ]


@pytest.mark.parametrize("kilometres", [12.0, 88.0, 530.0])
def test_levels_do_not_depend_on_where_the_room_stands(kilometres: float) -> None:
    scene = box_room()
    setups = random_campaign(scene, 2, 6, seed=3).setups
    offset = 1e3 * kilometres * np.array([1.0, -0.7, 0.0]) + np.array([0.123, 0.456, 81.5])
    moved, there = shifted(scene, setups, offset)
    here = levels(scene, setups, 4)
    assert np.abs(levels(moved, there, 4) - here).max() < 1e-6


@pytest.mark.parametrize("radius", [1000.0, 200.0, 100.0])
@pytest.mark.parametrize("width", [0.5, 0.1, 0.025])
def test_a_cylinder_in_strips_has_the_levels_of_the_sum_over_facets(
    radius: float, width: float
) -> None:
    count = int(8.0 / width)
    arc = strips(radius, width, count)
    scene, radio = scene_of(arc), RadioConfig()
    rng = np.random.default_rng(1)
    middle = radius * np.array([np.cos(4.0 / radius), np.sin(4.0 / radius)])
    along, outward = np.array([-middle[1], middle[0]]) / radius, middle / radius
    tx = middle + 3.0 * outward
    rx = middle + rng.uniform(1, 6, (150, 1)) * outward + rng.uniform(-5, 5, (150, 1)) * along
    a, b = arc.vertices[:count, :2], arc.vertices[1 : count + 1, :2]
    normal = np.column_stack([(b - a)[:, 1], -(b - a)[:, 0]])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    image = tx - 2.0 * ((tx - a) * normal).sum(1)[:, None] * normal
    path = rx[:, None] - image  # [N, facets, 2]
    length = np.linalg.norm(path, axis=2)
    slope = (path * normal).sum(2)
    share = ((a - image) * normal).sum(1) / slope
    place = ((image + share[..., None] * path - a) * (b - a)).sum(2) / ((b - a) ** 2).sum(1)
    there = (place >= 0.0) & (place <= 1.0) & (share > 0.0) & (share < 1.0)
    bounced = np.where(there, np.abs(reflection(scene, radio, np.abs(slope) / length)) ** 2, 0.0)
    field = (bounced / length**2).sum(1) + 1.0 / ((rx - tx) ** 2).sum(1)
    power = radio.tx_power * (radio.wavelength / (4.0 * np.pi)) ** 2 * field
    setup = setup_at([*tx, 1.5], np.column_stack([rx, np.full(150, 1.5)]))
    found = levels(scene, [setup], 1)[0]
    assert there.any(axis=1).sum() > 30
    assert np.abs(found - 10.0 * np.log10(1e3 * power)).max() < 0.1
