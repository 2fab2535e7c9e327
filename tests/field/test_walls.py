"""Layered walls against characteristic matrices, closed forms, Sionna's slab and differences."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.numerics import FREQUENCY, PAPER, characteristic, five_point, materials, sketch
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field.evaluators import ReplayObjective, RetraceObjective
from vlmrt_dist.field.kernels import dr
from vlmrt_dist.field.materials import SLAB, LayerMaterials, Materials, Parameter
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.simulation import simulate
from vlmrt_dist.field.slabs import Complex, slab, stack
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.field.walls import Walls, walls_of
from vlmrt_dist.paths.path_table import REFLECTION, TRANSMISSION
from vlmrt_dist.scene.layers import Layer, LayeredMaterial
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.units import VACUUM_PERMITTIVITY

Float = type(Complex(0.0).real)

PARTITION = LayeredMaterial(
    "partition",
    (Layer("plasterboard", 0.0125), Layer("air", 0.075), Layer("plasterboard", 0.0125)),
)
GLAZING = LayeredMaterial(
    "double glazing", (Layer("glass", 0.004), Layer("air", 0.016), Layer("glass", 0.004))
)
TWO_LAYERS = LayeredMaterial("insulated", (Layer("brick", 0.115), Layer("wood", 0.04)))


class Coefficients:
    """TE and TM of layers [N, A] as the kernel has them, and their derivatives by each layer."""

    def __init__(
        self, eta: FloatArray, thick: FloatArray, cos: FloatArray, by_thickness: bool = False
    ) -> None:
        layers = [
            (Complex(np.tile(e, 2)), Float(np.tile(t, 2))) for e, t in zip(eta, thick, strict=True)
        ]
        reflects = dr.arange(dr.uint32_array_t(Float), 2 * len(cos)) < len(cos)
        value, changes = stack(Float(np.tile(cos, 2)), layers, reflects, by_thickness)
        dr.eval(value, changes)  # one kernel
        self.reflected, self.through = self._halves(value)
        each = [self._halves(pair) for pair in changes]
        self.reflected_by, self.through_by = (list(x) for x in zip(*each, strict=True))

    @staticmethod
    def _halves(pair: list[Any]) -> tuple[FloatArray, FloatArray]:
        both = np.array([x.numpy() for x in pair])
        return both[:, : both.shape[1] // 2], both[:, both.shape[1] // 2 :]


def random_stack(layers: int, angles: int = 200) -> tuple[FloatArray, FloatArray, FloatArray]:
    """η and 2π d / λ [N, A] of lossless to lossy layers, and cosines down to 3° from grazing."""
    rng = np.random.default_rng(layers)
    shape = (layers, angles)
    loss = 10.0 ** rng.uniform(-5.0, 1.5, shape) * (rng.random(shape) > 0.2)
    eta = rng.uniform(1.0, 10.0, shape) - 1j * loss
    return eta, rng.uniform(0.0, 10.0, shape), rng.uniform(0.05, 1.0, angles)


@pytest.mark.parametrize("layers", [1, 3, pytest.param(7, marks=pytest.mark.slow)])
def test_stacks_are_products_of_characteristic_matrices(layers: int) -> None:
    eta, thick, cos = random_stack(layers)
    found = Coefficients(eta, thick, cos)
    for pol, tm in enumerate((False, True)):
        reflected, through = characteristic(eta, thick, cos, tm)
        assert np.abs(found.reflected[pol] - reflected).max() <= 1e-10
        # What comes through an opaque wall is small, and right all the same.
        np.testing.assert_allclose(found.through[pol], through, rtol=1e-9, atol=1e-200)


def test_one_layer_is_the_slab_and_sionnas() -> None:
    from sionna.rt.utils import itu_coefficients_single_layer_slab

    eta, thick, cos = random_stack(1)
    given = Float(cos), Complex(eta[0])
    found = Coefficients(eta, thick, cos)
    both = [slab(*given, Float(thick[0]), dr.mask_t(Float)(r), False) for r in (True, False)]
    dr.eval(both)
    for value, single in zip((found.reflected, found.through), both, strict=True):
        for pol in range(2):
            assert np.abs(value[pol] - single[pol].numpy()).max() <= 1e-12
    depth = Float(thick[0] * 0.1 / (2.0 * np.pi))
    theirs = itu_coefficients_single_layer_slab(*given, depth, Float(0.1))
    dr.eval(theirs)
    for value, expected in zip([*found.reflected, *found.through], theirs, strict=True):
        # Sionna's square root holds numbers of single precision.
        assert np.abs(value - expected.numpy()).max() <= 5e-6


@pytest.mark.parametrize("by_thickness", [False, True])
def test_one_layer_has_the_slabs_derivatives(by_thickness: bool) -> None:
    eta, thick, cos = random_stack(1)
    found = Coefficients(eta, thick, cos, by_thickness)
    given = Float(cos), Complex(eta[0]), Float(thick[0])
    both = [slab(*given, dr.mask_t(Float)(r), by_thickness) for r in (True, False)]
    dr.eval(both)
    for value, single in zip((found.reflected_by[0], found.through_by[0]), both, strict=True):
        for pol in range(2):
            np.testing.assert_allclose(value[pol], single[2 + pol].numpy(), rtol=1e-9, atol=1e-12)


def test_layers_of_one_material_are_one_slab_and_an_empty_one_is_none() -> None:
    eta, thick, cos = random_stack(1)
    parts = thick * np.array([[0.3], [0.0], [0.7]])
    whole = Coefficients(eta, thick, cos)
    cut = Coefficients(np.concatenate([eta, eta + 3.0, eta]), parts, cos)
    np.testing.assert_allclose(cut.reflected, whole.reflected, atol=1e-12)
    np.testing.assert_allclose(cut.through, whole.through, atol=1e-12)


def test_a_cavity_is_two_panes_that_interfere() -> None:
    """The sum of all echoes between two equal panes."""
    pane, thick, cos = np.full((1, 90), 6.3 - 0.05j), np.full((1, 90), 0.6), np.linspace(0.1, 1, 90)
    gap = np.full((1, 90), 2.4)
    one = Coefficients(pane, thick, cos)
    glazed = Coefficients(
        np.concatenate([pane, np.ones_like(pane), pane]), np.concatenate([thick, gap, thick]), cos
    )
    turn = np.exp(-1j * gap[0] * cos)
    echoes = one.through**2 * turn / (1.0 - (one.reflected * turn) ** 2)
    np.testing.assert_allclose(glazed.through, echoes, rtol=1e-11)
    back = one.reflected + echoes * one.reflected * turn
    np.testing.assert_allclose(glazed.reflected, back, rtol=1e-9, atol=1e-12)


def test_no_stack_makes_energy() -> None:
    eta, thick, cos = random_stack(3)
    eta = np.where(np.arange(len(cos)) % 2, eta, eta.real)
    found = Coefficients(eta, thick, cos)
    total = np.abs(found.reflected) ** 2 + np.abs(found.through) ** 2
    assert (total <= 1.0 + 1e-12).all()
    np.testing.assert_allclose(total[:, ::2], 1.0, rtol=1e-10)  # lossless


@pytest.mark.parametrize("by_thickness", [False, True])
def test_derivatives_by_each_layer(by_thickness: bool) -> None:
    """Central differences of the characteristic matrices, along the real axis: the coefficients
    are holomorphic."""
    eta, thick, cos = random_stack(3)
    found, h = Coefficients(eta, thick, cos, by_thickness), 1e-5
    for layer in range(3):
        step = h * (np.arange(3) == layer)[:, None]
        moves = [(0.0, s * step) if by_thickness else (s * step, 0.0) for s in (-2, -1, 1, 2)]
        for pol, tm in enumerate((False, True)):
            ends = [characteristic(eta + e, thick + t, cos, tm) for e, t in moves]
            exact = found.reflected_by[layer][pol], found.through_by[layer][pol]
            for which, value in enumerate(exact):
                far, near = ends[3][which] - ends[0][which], ends[2][which] - ends[1][which]
                numeric = (8.0 * near - far) / (12.0 * h)
                size = np.abs(numeric).max()
                np.testing.assert_allclose(value, numeric, rtol=1e-6, atol=1e-8 * size)


def test_metal_behind_boards_is_a_mirror_and_stays_finite() -> None:
    cos = np.linspace(0.01, 1.0, 50)
    eta = np.array([[2.7 - 0.03j], [1.0 - 5e7j], [2.7 - 0.03j]]) * np.ones(50)
    thick = np.array([[1.0], [80.0], [1.0]]) * np.ones(50)
    for by_thickness in (False, True):
        found = Coefficients(eta, thick, cos, by_thickness)
        assert np.abs(found.through).max() < 1e-200
        assert np.isfinite(np.array([found.reflected_by, found.through_by])).all()
        assert (np.abs(found.reflected) < 1.0).all()
    bare = Coefficients(np.where(np.arange(3)[:, None] == 1, eta, 1.0), thick, cos)
    assert (np.abs(bare.reflected[0]) > 0.99).all()


# Within replay.


def walled() -> Walls:
    """Four objects: one slab, three layers of two materials, two layers, one slab."""
    stack = np.array([[0, -1, -1], [4, 5, 4], [6, 7, -1], [3, -1, -1]])
    layers = LayerMaterials(
        np.array([0.02, 0.0, 0.05, 0.3]), np.array([2.7, 1.0, 4.0, 6.0]),
        np.array([0.0125, 0.075, 0.1, 0.01]),
    )  # fmt: skip
    return Walls(stack, layers)


def values(slabs: Sequence[FloatArray], layers: Sequence[FloatArray]) -> Materials:
    """σ, ε_r and thickness of objects and of layers."""
    return Materials(slabs[0], slabs[1], slabs[2], LayerMaterials(*layers))


SHALLOW = PAPER.replace(max_depth=2)

SLABS = (
    np.array([0.02, 0.05, 0.1, 0.2]),
    np.array([3.0, 5.0, 4.0, 7.0]),
    np.array([0.1, 0.2, 0.07, 0.3]),
)


@pytest.mark.parametrize(
    ("combining", "unknown"), [("power", "conductivity"), *(("coherent", name) for name in SLAB)]
)
def test_the_jacobian_by_objects_and_layers_is_that_of_central_differences(
    combining: str, unknown: Parameter
) -> None:
    table = sketch(depth=2)
    walls = walled()
    engine = Replay(table, PAPER.replace(combining=combining), walls)
    which = SLAB.index(unknown)

    def rss(x: FloatArray) -> FloatArray:
        slabs, layers = list(SLABS), list(walls.layers)
        slabs[which], layers[which] = x[:4], x[4:]
        return engine.rss(values(slabs, layers))[0].ravel()

    x = np.concatenate([SLABS[which], walls.layers[which]])
    exact = engine.jacobian(engine.derivative(Materials(*SLABS), unknown), unknown).toarray()
    assert exact.shape == (6, 8)
    step = np.where(x > 0.0, x, 0.01)
    numeric = five_point(lambda s: rss(x + step * s - step), np.ones(8), 1e-4) / step
    size = np.abs(numeric).max(axis=0)
    np.testing.assert_allclose(exact, numeric, rtol=1e-5, atol=1e-7 * size.max())
    # Slabs that stand for layers have no effect; all others do.
    assert (np.abs(exact).max(axis=0) > 0.0).tolist() == [True, False, False, *[True] * 5]


def test_many_parameter_vectors_have_the_bits_of_each() -> None:
    table = sketch(depth=2)
    rng = np.random.default_rng(2)
    walls = walled()
    engine = Replay(table, PAPER, walls)
    slabs = [x * rng.uniform(0.9, 1.1, (5, 4)) for x in SLABS]
    layers = [x * rng.uniform(1.0, 1.1, (5, 4)) for x in walls.layers]
    together = engine.derivative(values(slabs, layers))
    for s in range(5):
        alone = engine.derivative(values([x[s] for x in slabs], [x[s] for x in layers]))
        assert np.array_equal(together.rss[:, s], alone.rss[:, 0])
        assert np.array_equal(together.by_path[:, s], alone.by_path[:, 0])


def test_the_gradient_of_objects_is_the_weighted_jacobian() -> None:
    table = sketch(depth=2)
    engine = Replay(table, PAPER, walled())
    derivative = engine.derivative(Materials(*SLABS))
    weight = np.random.default_rng(1).normal(size=(1, 2, 3))
    jacobian = engine.jacobian(derivative).toarray()[:, :4].reshape(2, 3, 4)
    np.testing.assert_allclose(
        engine.gradient(derivative, weight)[0],
        np.einsum("mn,mnk->mk", weight[0], jacobian),
        rtol=1e-9, atol=1e-15 * np.abs(jacobian).max(),
    )  # fmt: skip


# Scenes.


def test_a_scene_of_single_layers_has_the_levels_of_its_slabs() -> None:
    room = box_room()
    single = {
        o.name: LayeredMaterial("one", (Layer(o.material, o.thickness),)) for o in room.objects
    }
    places = random_campaign(room, 2, 4, seed=1)
    plain = simulate(room, places, radio=SHALLOW).rss_dbm
    layered = simulate(room.with_layers(single), places, radio=SHALLOW).rss_dbm
    assert plain is not None
    assert layered is not None
    np.testing.assert_allclose(layered, plain, atol=1e-10)


def test_replay_takes_the_coefficients_of_the_layers() -> None:
    """Four links of one interaction: through a partition and off it, purely TE and purely TM."""
    few = sketch(setups=1, receivers=4, objects=2, paths=4, depth=1)
    table = dataclasses.replace(
        few,
        receiver=np.arange(4, dtype=np.int32),
        length=np.full(4, 10.0),
        kind=np.array([[REFLECTION], [REFLECTION], [TRANSMISSION], [TRANSMISSION]], np.uint8),
        object=np.ones((4, 1), np.int32),
        cosine=np.full((4, 1), 0.6),
        rotation=np.tile([1.0, 0.0], (4, 2, 1)),
        tx_field=np.tile(np.eye(2), (2, 1)),
        rx_field=np.tile(np.eye(2), (2, 1)),
    )
    room = box_room()
    wall = dataclasses.replace(room.objects[0], layered=PARTITION, name="wall")
    walls = walls_of(SceneModel("two", (room.objects[1], wall), room.bounds), FREQUENCY)
    assert walls is not None
    loss = walls.layers.conductivity / (2.0 * np.pi * FREQUENCY * VACUUM_PERMITTIVITY)
    eta = (walls.layers.relative_permittivity - 1j * loss)[[0, 1, 0], None]
    thick = np.array([[0.0125], [0.075], [0.0125]]) * 2.0 * np.pi / PAPER.wavelength
    te, tm = (characteristic(eta, thick, np.array([0.6]), of_tm) for of_tm in (False, True))
    expected = np.abs(np.concatenate([te[0], tm[0], te[1], tm[1]])) ** 2
    own = Materials(np.full(2, 0.03), np.full(2, 4.0), np.full(2, 0.1))
    rss = Replay(table, PAPER, walls).rss(own)[0, 0]
    free = (PAPER.wavelength / (4.0 * np.pi * 10.0)) ** 2 * PAPER.tx_power
    np.testing.assert_allclose(rss / free, expected, rtol=1e-10)


def test_retrace_refuses_layers() -> None:
    room = box_room().with_layers({"wall_west": PARTITION})
    places = random_campaign(room, 1, 2, seed=1)
    with pytest.raises(ConfigurationError, match="wall_west has some; use engine='replay'"):
        RetraceObjective(room, places.with_rss(np.zeros((1, 2))), PAPER)


def test_layers_follow_the_carrier() -> None:
    room = box_room().with_layers({"wall_west": GLAZING})
    low, high = walls_of(room, 2e9), walls_of(room, 5e9)
    assert low is not None
    assert high is not None
    assert high.layers.conductivity[0] > low.layers.conductivity[0] > 0.0
    assert (high.layers.conductivity[1], high.layers.relative_permittivity[1]) == (0.0, 1.0)
    assert walls_of(box_room(), 2e9) is None


def test_objectives_know_the_layers_of_their_scene() -> None:
    room = box_room().with_layers({"wall_west": PARTITION, "box_wood": TWO_LAYERS})
    places = random_campaign(room, 2, 4, seed=1)
    measured = simulate(room, places, radio=SHALLOW)
    assert measured.rss_dbm is not None
    objective = ReplayObjective(room, measured, SHALLOW, trace(room, measured, SHALLOW))
    levels = objective.levels({FREQUENCY: materials(room)}, ("conductivity",))
    np.testing.assert_allclose(10.0 * np.log10(levels.rss) + 30.0, measured.rss_dbm, atol=1e-9)
    assert levels.by["conductivity"].shape == (8, 9)
    assert levels.layers["conductivity"].shape == (8, 4)
    column = levels.layers["conductivity"].toarray()
    assert (np.abs(column).max(axis=0) > 0.0).tolist() == [True, False, True, True]  # air has none
