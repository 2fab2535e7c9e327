"""Diffracted paths against closed forms, Sionna's path solver, and central differences."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.special import fresnel

from tests.numerics import five_point, materials
from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import UnsupportedByReplay
from vlmrt_dist.field import Replay, trace
from vlmrt_dist.paths import DIFFRACTION, LiveScene, PathTable
from vlmrt_dist.scene import SceneModel, SceneObject

RADIO = RadioConfig(max_depth=1, diffraction=True, combining="coherent", tx_power_dbm=30.0)
METAL: dict[str, Any] = {"conductivity": 1e9, "relative_permittivity": 1.0, "thickness": 0.1}
CONCRETE: dict[str, Any] = {"conductivity": 0.123, "relative_permittivity": 5.24, "thickness": 0.2}
SIDES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def block(name: str, low: Any, high: Any, **values: Any) -> SceneObject:
    """A closed box."""
    ends = np.array([low, high], float)
    vertices = np.array(
        [[ends[i >> 2 & 1, 0], ends[i >> 1 & 1, 1], ends[i & 1, 2]] for i in range(8)]
    )
    faces = np.array([f for a, b, c, d in SIDES for f in ((a, b, c), (a, c, d))], np.int32)
    return SceneObject(name, "concrete", vertices, faces, **(CONCRETE | values))


def sheet(name: str, corners: Any, **values: Any) -> SceneObject:
    """An open rectangle."""
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return SceneObject(name, "concrete", np.array(corners, float), faces, **(CONCRETE | values))


def scene_of(*objects: SceneObject) -> SceneModel:
    corners = np.concatenate([item.vertices for item in objects])
    return SceneModel("edges", objects, np.array([corners.min(0) - 30.0, corners.max(0) + 30.0]))


def corner_scene(**values: Any) -> SceneModel:
    """A building whose vertical edge x = y = 0 stands at the origin."""
    return scene_of(block("building", (0, 0, -40), (30, 30, 40), **values))


def about(angle: FloatArray, radius: float) -> FloatArray:
    """Points about the z axis, at angles from the face y = 0 of the building, through its
    exterior [m]."""
    return np.stack(
        [radius * np.cos(angle), -radius * np.sin(angle), np.full_like(angle, 1.5)], axis=1
    )


def transition(x: FloatArray) -> FloatArray:
    """F(x) of Kouyoumjian and Pathak, by Fresnel's integrals."""
    sine, cosine = fresnel(np.sqrt(2.0 * x / np.pi))
    return np.sqrt(0.5 * np.pi * x) * np.exp(1j * x) * (1 + 1j - 2j * (cosine - 1j * sine))


def utd_terms(
    n: float, incident: float, leaving: FloatArray, before: float, after: float
) -> list[FloatArray]:
    """D_1 to D_4 of a wedge at right angles to its edge, with spreading and phase, over a ray of
    one metre: Kouyoumjian and Pathak, Proc. IEEE 62 (1974), equations (25) to (29)."""
    k = 2.0 * np.pi / RADIO.wavelength
    length = before * after / (before + after)

    def term(sign: float, beta: FloatArray) -> FloatArray:
        number = np.rint((beta + sign * np.pi) / (2.0 * np.pi * n))
        a = 2.0 * np.cos(0.5 * (2.0 * np.pi * n * number - beta)) ** 2
        return transition(k * length * a) / np.tan((np.pi + sign * beta) / (2.0 * n))

    factor = -np.exp(-0.25j * np.pi) / (2.0 * n * np.sqrt(2.0 * np.pi * k))
    factor *= np.sqrt(1.0 / (before * after * (before + after))) * RADIO.wavelength / (4.0 * np.pi)
    turn = np.exp(-1j * k * (before + after))
    beta = leaving - incident, leaving + incident
    return [factor * turn * term(sign, each) for each in beta for sign in (1.0, -1.0)]


def heard(
    scene: SceneModel, tx: FloatArray, rx: FloatArray, radio: RadioConfig = RADIO
) -> tuple[PathTable, FloatArray]:
    """Table of one setup, and the amplitude of each path for a transmit power of 1 W."""
    table = trace(scene, Campaign(tx[None], rx[None]), radio, cache=False)
    value = Replay(table, radio).by_path(materials(scene), (), coherent=True).value[:, 0]
    return table, value


def diffracted(table: PathTable) -> IntArray:
    return np.flatnonzero((table.kind == DIFFRACTION).any(axis=1))


@pytest.mark.parametrize("polarization", ["V", "H"])
@pytest.mark.parametrize("incident", [35.0, 120.0, 200.0])
def test_a_conducting_corner_has_the_terms_of_kouyoumjian_and_pathak(
    polarization: Any, incident: float
) -> None:
    """Joined as Sionna joins them, R_near (D_1 - D_4) + R_far (D_2 - D_3), R_far = -1 where one
    face is lit, where Kouyoumjian and Pathak have D_1 + D_2 ± (D_3 + D_4)."""
    radio = RADIO.replace(polarization=polarization)
    angle = np.deg2rad(np.array([3.0, 62.0, 140.0, 214.9, 231.0, 266.0]))
    tx = about(np.deg2rad([incident]), 7.0)[0]
    table, value = heard(corner_scene(**METAL), tx, about(angle, 11.0), radio)
    rows = diffracted(table)
    edge = rows[path_points_of_edge(table)[rows] < 1e-9]
    assert table.receiver[edge].tolist() == list(range(6))
    d1, d2, d3, d4 = utd_terms(1.5, np.deg2rad(incident), angle, 7.0, 11.0)
    if incident == 120.0 or polarization == "H":  # both faces are lit, or both terms turn
        expected = -(d1 + d2) + (d3 + d4)
    else:
        expected = (d2 - d1) + (d4 - d3)
        if incident == 200.0:  # counted from the other face, D_1 is D_2 and D_3 is D_4
            expected = -expected
    np.testing.assert_allclose(value[edge], expected, rtol=2e-4)


def test_half_of_the_field_passes_a_knife_edge_at_grazing() -> None:
    """The free edge z = 0 of a screen: 6 dB at the shadow boundary, and behind and above it the
    knife edge of Recommendation ITU-R P.526, equation (31)."""
    screen = sheet("screen", [(0, -300, 0), (0, 300, 0), (0, 300, -99), (0, -300, -99)], **METAL)
    radio = RADIO.replace(edge_diffraction=True)
    height = np.array([-3.0, -1.5, -0.5, -1e-9, 0.5, 1.5])
    rx = np.stack([np.full(6, 300.0), np.zeros(6), height], axis=1)
    tx = np.array([-300.0, 0.0, 0.0])
    table, value = heard(scene_of(screen), tx, rx, radio)
    kept = (table.kind == 0).all(axis=1) | (np.abs(table.length - 600.0) < 0.1)
    field = np.zeros(6, complex)
    np.add.at(field, table.receiver[kept], value[kept])
    free = radio.wavelength / (4.0 * np.pi * np.linalg.norm(rx - tx, axis=1))
    above = -0.5 * height  # of the edge over the straight line
    nu = above * np.sqrt(2.0 / radio.wavelength * (2.0 / 300.0))
    sine, cosine = fresnel(nu)
    knife = np.abs(0.5 * (1 + 1j) * ((0.5 - cosine) - 1j * (0.5 - sine)))
    np.testing.assert_allclose(20.0 * np.log10(np.abs(field) / free / knife), 0.0, atol=0.1)
    assert 20.0 * np.log10(np.abs(field[3]) / free[3]) == pytest.approx(-6.02, abs=0.05)


@pytest.mark.parametrize("polarization", ["V", "H"])
def test_the_field_is_continuous_at_the_shadow_boundary_as_in_sionna(polarization: Any) -> None:
    """Round a lossy building. Where the reflected ray ends Sionna's diffracted field has the
    other sign than what would mend it, so that the jump is doubled."""
    radio = RADIO.replace(polarization=polarization, max_transmissions=0)
    boundary = np.deg2rad(np.array([130.0, 130.0, 230.0, 230.0]))
    angle = boundary + 1e-7 * np.array([-1.0, 1.0, -1.0, 1.0])
    tx = about(np.deg2rad([50.0]), 9.0)[0] + np.array([0.0, 0.0, 4.0])
    table, value = heard(corner_scene(thickness=0.3), tx, about(angle, 20.0), radio)
    turning = path_points_of_edge(table) < 1e-6
    plain = np.setdiff1d(np.arange(table.num_paths), diffracted(table))
    before, field = np.zeros(4, complex), np.zeros(4, complex)
    np.add.at(before, table.receiver[plain], value[plain])
    np.add.at(field, table.receiver[plain], value[plain])
    np.add.at(field, table.receiver[turning], value[turning])
    reflected, straight = before[0] - before[1], before[2] - before[3]
    scale = np.abs(before).max()
    assert min(abs(reflected), abs(straight)) > 0.1 * scale
    assert abs(field[2] - field[3]) < 1e-4 * scale
    assert field[0] - field[1] == pytest.approx(2.0 * reflected, rel=1e-3)


def path_points_of_edge(table: PathTable) -> FloatArray:
    """[P] distance of each path's turning point from the edge x = y = 0; one for others."""
    assert table.edge is not None
    distance = np.ones(table.num_paths)
    rows = diffracted(table)
    distance[rows] = np.hypot(table.edge[rows, 0], table.edge[rows, 1])
    return distance


def wall_and_building() -> SceneModel:
    """A building on the ground, beside a wall."""
    ground = sheet("ground", [(-60, -60, 0), (60, -60, 0), (60, 60, 0), (-60, 60, 0)],
                   conductivity=0.02, relative_permittivity=15.0)  # fmt: skip
    wall = sheet("wall", [(-12, -30, 0), (-12, 30, 0), (-12, 30, 9), (-12, -30, 9)],
                 conductivity=0.03, relative_permittivity=3.9, thickness=0.1)  # fmt: skip
    return scene_of(block("building", (0, 0, 0), (10, 10, 10)), ground, wall)


TX = np.array([-5.0, 3.0, 4.0])
RX = np.array(
    [[5.0, -6.0, 5.0], [-3.0, -4.0, 2.0], [4.0, 5.0, 14.0], [15.0, -3.0, 7.0], [-16.0, -6.0, 3.0]]
)


@pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.CoincidentSurfaces")
@pytest.mark.parametrize(("depth", "combining"), [(1, "coherent"), (3, "coherent"), (3, "power")])
def test_derivatives_are_those_of_central_differences(depth: int, combining: Any) -> None:
    radio = RADIO.replace(max_depth=depth, combining=combining, polarization="H")
    scene = wall_and_building()
    table, _ = heard(scene, TX, RX, radio)
    if depth == 3:  # the links' diffracted paths have reflections and transmissions beside
        kinds = {tuple(sorted(set(row[row > 0].tolist()))) for row in table.kind[diffracted(table)]}
        assert kinds >= {(3,), (1, 3), (2, 3), (1, 2, 3)}
    replay = Replay(table.rows(diffracted(table)), radio)
    for unknown in ("conductivity", "relative_permittivity", "thickness"):
        own = getattr(materials(scene), unknown)
        found = replay.jacobian(replay.derivative(materials(scene), unknown), unknown).toarray()

        def rss(x: FloatArray, unknown: str = unknown) -> FloatArray:
            changed = materials(scene)._replace(**{unknown: x})
            return replay.rss(changed).ravel()

        expected = five_point(rss, own, 1e-4)
        assert np.abs(found).max(axis=0)[0] > 0.0
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * np.abs(found).max())


@pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.CoincidentSurfaces")
def test_matrices_and_single_walks_agree_and_specular_rows_keep_their_bits() -> None:
    radio, scene = RADIO.replace(max_depth=2), wall_and_building()
    table, value = heard(scene, TX, RX, radio)
    turned = Replay(table, radio, turning=True).by_path(materials(scene), (), coherent=True)
    np.testing.assert_allclose(turned.value[:, 0], value, rtol=1e-12, atol=1e-18)
    plain, specular = heard(scene, TX, RX, radio.replace(diffraction=False))
    rows = np.setdiff1d(np.arange(table.num_paths), diffracted(table))
    assert plain.edge is None
    assert len(rows) == plain.num_paths
    np.testing.assert_array_equal(value[rows], specular)


@pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.CoincidentSurfaces")
def test_layers_of_one_material_diffract_as_the_slab_does() -> None:
    from vlmrt_dist.field import walls_of
    from vlmrt_dist.scene import Layer, LayeredMaterial

    radio, scene = RADIO.replace(max_depth=2), wall_and_building()
    building = scene.objects[0]
    half = Layer("concrete", 0.1, conductivity=0.123, relative_permittivity=5.24)
    layered = dataclasses.replace(building, layered=LayeredMaterial("two", (half, half)))
    stacked = dataclasses.replace(scene, objects=(layered, *scene.objects[1:]))
    table, value = heard(scene, TX, RX, radio)
    walls = walls_of(stacked, radio.frequency)
    found = Replay(table, radio, walls).by_path(materials(scene), (), coherent=True).value[:, 0]
    np.testing.assert_allclose(found, value, rtol=1e-9, atol=1e-16)


def test_what_cannot_be_had_is_refused() -> None:
    scene = corner_scene()
    campaign = Campaign(TX[None], RX[None, :1])
    with pytest.raises(UnsupportedByReplay, match=r"diffraction.*exact.*retrace"):
        trace(scene, campaign, RADIO.replace(path_set="single_solve"))


def sionna_paths(
    scene: SceneModel, tx: FloatArray, rx: FloatArray, radio: RadioConfig
) -> list[tuple[int, tuple[int, ...], float, complex]]:
    """Receiver, kinds, length and amplitude of the diffracted paths of Sionna's solver."""
    live = LiveScene(scene, radio.replace(samples_per_src=1_000_000))
    live.place(tx, rx)
    paths = live.solve(1)
    kind = paths.interactions.numpy()[:, :, 0]
    delay = paths.tau.numpy()[:, 0]
    value = (paths.a[0].numpy() + 1j * paths.a[1].numpy())[:, 0, 0, 0]
    code = {1: 1, 4: 2, 8: DIFFRACTION}
    found = []
    for n, i in zip(*np.nonzero(paths.valid.numpy()[:, 0]), strict=True):
        kinds = tuple(code[int(x)] for x in kind[:, n, i] if x)
        if DIFFRACTION in kinds:
            found.append((n, kinds, delay[n, i] * 299792458.0, value[n, i]))
    return found


def compare(scene: SceneModel, tx: FloatArray, rx: FloatArray, radio: RadioConfig) -> int:
    """Hold the diffracted paths of ``radio.max_depth`` interactions against Sionna's; how many.

    Of paths with fewer, Sionna's amplitudes depend on max_depth where a reflection follows the
    edge: FieldCalculator adds what stands in the unused columns to the length behind it.
    """
    table, value = heard(scene, tx, rx, radio)
    turn = np.exp(2j * np.pi * table.length / radio.wavelength)  # Sionna leaves the phase out
    left = set(diffracted(table).tolist())
    found = sionna_paths(scene, tx, rx, radio)
    for n, kinds, length, amplitude in found:
        like = [
            p
            for p in left
            if table.receiver[p] == n
            and tuple(table.kind[p][table.kind[p] > 0].tolist()) == kinds
            and abs(table.length[p] - length) < 2e-3
        ]
        assert like, (n, kinds, length)
        best = min(like, key=lambda p: abs(value[p] * turn[p] - amplitude))
        left.remove(best)
        if len(kinds) == radio.max_depth or kinds[-1] == DIFFRACTION:
            ratio = 20.0 * np.log10(abs(value[best] / amplitude))
            assert ratio == pytest.approx(0.0, abs=0.1), (n, kinds, length)
    assert not left
    return len(found)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.CoincidentSurfaces")
def test_paths_and_fields_are_those_of_sionna() -> None:
    """A building at oblique incidence, both polarizations; with a wall and ground to reflect from;
    a free edge."""
    alone = scene_of(wall_and_building().objects[0])
    for polarization in ("V", "H"):
        radio = RADIO.replace(polarization=polarization)
        assert compare(alone, TX, RX, radio) >= 5
        assert compare(wall_and_building(), TX, RX, radio.replace(max_depth=2)) > 15
    screen = scene_of(sheet("screen", [(0, -20, 0), (0, 20, 0), (0, 20, 5), (0, -20, 5)]))
    rx = np.array([[5.0, -6.0, 1.0], [6.0, 2.0, 7.0]])
    assert compare(screen, TX, rx, RADIO.replace(edge_diffraction=True)) >= 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vlmrt_dist.paths.CoincidentSurfaces")
def test_the_canyon_has_the_paths_that_sionna_finds() -> None:
    from vlmrt_dist.scene import load_scene

    import sionna.rt as rt  # isort: skip

    scene = load_scene(rt.scene.simple_street_canyon)
    tx = np.array([-33.0, 0.0, 32.0])
    rx = np.array([[20.0, 30.0, 1.5], [-20.0, -35.0, 1.5], [40.0, 2.0, 1.5]])
    assert compare(scene, tx, rx, RADIO) == 23
