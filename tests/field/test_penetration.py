import numpy as np
import pytest

from tests.numerics import FREQUENCY, PAPER, characteristic, each_path_a_link, five_point, sketch
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.field.materials import SLAB, LayerMaterials, Materials, Parameter
from vlmrt_dist.field.penetration import (
    conductivity_of_loss,
    normal_loss,
    penetration_loss,
    scene_loss,
)
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.walls import Walls, walls_of
from vlmrt_dist.paths.path_table import TRANSMISSION
from vlmrt_dist.scene.layers import Layer, LayeredMaterial
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.units import VACUUM_PERMITTIVITY

SLABS = Materials(
    np.array([0.02, 0.05, 0.1, 1e7]),
    np.array([3.0, 5.0, 4.0, 1.0]),
    np.array([0.1, 0.2, 0.07, 0.3]),
)
WALLS = Walls(
    np.array([[0, -1, -1], [4, 5, 4], [6, 7, -1], [3, -1, -1]]),
    LayerMaterials(
        np.array([0.02, 0.0, 0.05, 0.3]), np.array([2.7, 1.0, 4.0, 6.0]),
        np.array([0.0125, 0.075, 0.1, 0.01]),
    ),
)  # fmt: skip


def test_losses_at_normal_incidence_are_those_of_characteristic_matrices() -> None:
    k = 2.0 * np.pi / PAPER.wavelength
    slabs = [np.concatenate(pair) for pair in zip(SLABS.slab, WALLS.layers, strict=True)]
    eta = slabs[1] - 1j * slabs[0] / (2.0 * np.pi * FREQUENCY * VACUUM_PERMITTIVITY)
    expected = []
    assert WALLS.stack is not None
    for row in WALLS.stack[:3]:
        own = row[row >= 0]
        _, through = characteristic(eta[own, None], k * slabs[2][own, None], np.ones(1), False)
        expected.append(-20.0 * np.log10(np.abs(through[0])))
    found = normal_loss(SLABS, WALLS, FREQUENCY).value
    np.testing.assert_allclose(found[:3], expected, rtol=1e-9)
    assert 1e5 < found[3] < np.inf  # metal of 30 cm


@pytest.mark.parametrize("unknown", SLAB)
def test_derivatives_of_losses(unknown: Parameter) -> None:
    which = SLAB.index(unknown)
    slabs = [np.concatenate(pair) for pair in zip(SLABS.slab, WALLS.layers, strict=True)]

    def loss(factor: FloatArray) -> FloatArray:
        moved = [x * factor if i == which else x for i, x in enumerate(slabs)]
        layers = LayerMaterials(*(x[4:] for x in moved))
        own = Materials(moved[0][:4], moved[1][:4], moved[2][:4], layers)
        return normal_loss(own, WALLS, FREQUENCY).value[:3]

    exact = normal_loss(SLABS, WALLS, FREQUENCY).by[unknown].toarray()[:3]
    numeric = five_point(loss, np.ones(8), 1e-4)
    np.testing.assert_allclose(exact, numeric, rtol=1e-7, atol=1e-7)
    assert np.abs(exact).max() > 0.1


def test_the_conductivity_of_a_loss() -> None:
    sigma = conductivity_of_loss(12.0, 4.0, 0.1, FREQUENCY)
    assert sigma is not None
    slab = Materials(np.array([sigma]), np.array([4.0]), np.array([0.1]))
    assert normal_loss(slab, None, FREQUENCY).value[0] == pytest.approx(12.0, abs=1e-8)
    # A slab reflects some even without loss, so no conductivity lets more through.
    assert conductivity_of_loss(0.5, 4.0, 0.1, FREQUENCY) is None


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_an_extra_loss_takes_from_what_passes_through_alone(combining: str) -> None:
    table = sketch(depth=2, paths=12)
    engine = Replay(table, PAPER.replace(combining=combining))
    slabs = Materials(SLABS[0] % 1.0 + 0.01, SLABS[1], SLABS[2])
    plain = engine.derivative(slabs)
    lossy = engine.derivative(slabs._replace(extra_loss_db=np.array([0.0, 6.0, -1.0, 2.0])))
    loss = np.array([0.0, 6.0, -1.0, 2.0])
    through = np.where(table.kind == TRANSMISSION, loss[table.object], 0.0).sum(axis=1)
    same = np.array([not through[table.link == link].any() for link in range(engine.num_links)])
    assert same.any()
    assert np.array_equal(lossy.rss[same], plain.rss[same])
    assert (lossy.rss[~same] != plain.rss[~same]).all()


def test_power_of_one_path_falls_by_the_loss_of_each_crossing() -> None:
    table = each_path_a_link(sketch(setups=1, depth=3))
    engine, loss = Replay(table, PAPER), np.array([1.0, 6.0, -1.0, 2.0])
    slabs = Materials(SLABS[0] % 1.0 + 0.01, SLABS[1], SLABS[2])
    ratio = engine.rss(slabs._replace(extra_loss_db=loss)) / engine.rss(slabs)
    expected = np.where(table.kind == TRANSMISSION, loss[table.object], 0.0).sum(axis=1)
    np.testing.assert_allclose(-10.0 * np.log10(ratio[0, 0]), expected, atol=1e-9)
    assert (expected != 0.0).any()


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_the_jacobian_by_the_extra_loss_is_that_of_central_differences(combining: str) -> None:
    engine = Replay(sketch(depth=2), PAPER.replace(combining=combining), WALLS)
    slabs = Materials(SLABS[0] % 1.0 + 0.01, SLABS[1], SLABS[2])
    x = np.array([1.0, 6.0, -1.0, 2.0])

    def rss(loss: FloatArray) -> FloatArray:
        return engine.rss(slabs._replace(extra_loss_db=loss))[0].ravel()

    at = slabs._replace(extra_loss_db=x)
    exact = engine.jacobian(engine.derivative(at, "extra_loss_db"), "extra_loss_db").toarray()
    numeric = five_point(lambda f: rss(x + f - 1.0), np.ones(4), 1e-3)
    np.testing.assert_allclose(exact, numeric, rtol=1e-7, atol=1e-9 * np.abs(numeric).max())
    assert (np.abs(exact).max(axis=0) > 0.0).all()


def test_scenes_have_extra_losses() -> None:
    glazing = LayeredMaterial(
        "glazing", (Layer("glass", 0.004), Layer("air", 0.016), Layer("glass", 0.004))
    )
    room = box_room()
    lossy = room.with_extra_loss({"wall_west": 7.5}).with_layers({"wall_east": glazing})
    assert lossy.key != room.with_layers({"wall_east": glazing}).key
    difference = scene_loss(lossy, FREQUENCY) - scene_loss(room, FREQUENCY)
    west, east = room.names.index("wall_west"), room.names.index("wall_east")
    assert difference[west] == pytest.approx(7.5)
    assert abs(difference[east]) > 0.1
    assert np.count_nonzero(difference) == 2
    alone = walls_of(room.with_extra_loss({"wall_west": 7.5}), FREQUENCY)
    assert alone is not None
    assert alone.stack is None
    own = Materials(np.full(9, 0.1), np.full(9, 4.0), np.full(9, 0.1))
    assert alone.extra_loss_db is not None
    extra = penetration_loss(own, alone, FREQUENCY) - normal_loss(own, alone, FREQUENCY).value
    np.testing.assert_allclose(extra, alone.extra_loss_db)
    with pytest.raises(MaterialError, match="extra_loss_db must be between"):
        room.with_extra_loss({"floor": float("nan")})
