import numpy as np
import pytest

from tests.numerics import PAPER, materials
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.retrace import Retrace
from vlmrt_dist.field.tracing import trace
from vlmrt_dist.paths.path_table import PathTable
from vlmrt_dist.paths.sionna_scene import dr
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_powers_are_those_of_a_replay_of_the_same_paths(
    room: SceneModel, campaign: Campaign, table: PathTable, combining: str
) -> None:
    radio = PAPER.replace(combining=combining)
    replayed = Replay(table, radio).rss(materials(room))[0]
    engine = Retrace(room, campaign, radio)
    sigma = room.conductivity(radio.frequency)
    retraced = np.stack([engine.rss(sigma, m) for m in range(3)])
    error = np.abs(retraced / replayed - 1.0)
    if combining == "power":
        assert error.max() <= 1e-4
    else:  # float32 phases of some hundred turns, and fields that nearly cancel
        assert np.median(error) <= 1e-4
        assert error.max() <= 1e-2


def test_powers_in_a_room_of_fifteen_objects() -> None:
    room = box_room(10)
    places = random_campaign(room, 2, 8, seed=1)
    replayed = Replay(trace(room, places, PAPER), PAPER).rss(materials(room))[0]
    engine = Retrace(room, places, PAPER)
    for m in range(2):
        retraced = engine.rss(room.conductivity(PAPER.frequency), m)
        np.testing.assert_allclose(retraced, replayed[m], rtol=3e-4)
        assert np.median(np.abs(retraced / replayed[m] - 1.0)) <= 1e-4


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_gradients_are_those_of_replay(
    room: SceneModel, campaign: Campaign, table: PathTable, combining: str
) -> None:
    radio = PAPER.replace(combining=combining)
    replay = Replay(table, radio)
    engine = Retrace(room, campaign, radio)
    sigma = room.conductivity(radio.frequency)
    derivative = replay.derivative(materials(room))
    jacobian = replay.jacobian(derivative).toarray().reshape(3, 8, 9)
    for m in range(3):
        # As in loss (8): relative errors, of either sign.
        sign = np.where(np.arange(8) % 2, 1.0, -1.0)

        def weigh(rss: FloatArray, sign: FloatArray = sign) -> FloatArray:
            return sign / rss

        rss, gradient = engine.rss_and_gradient(sigma, m, weigh)
        assert np.isfinite(rss).all()
        np.testing.assert_allclose(rss, engine.rss(sigma, m), rtol=1e-6)
        expected = ((sign / rss)[:, None] * jacobian[m]).sum(0)
        size = np.abs(expected).max()
        # Where fields nearly cancel, Sionna's float32 is felt in the small components.
        small = 1e-4 if combining == "power" else 1e-3
        np.testing.assert_allclose(gradient / size, expected / size, rtol=1e-3, atol=small)


def test_later_steps_compile_nothing(room: SceneModel, campaign: Campaign) -> None:
    engine = Retrace(room, campaign, PAPER.replace(samples_per_src=1000, max_depth=2))
    sigma = room.conductivity(PAPER.frequency)

    def step(factor: float) -> list[dict[str, object]]:
        dr.kernel_history_clear()
        engine.rss_and_gradient(sigma * factor, 0, lambda r: 1.0 / r)
        return [k for k in dr.kernel_history() if k["type"] == dr.KernelType.JIT]

    with dr.scoped_set_flag(dr.JitFlag.KernelHistory, True):
        # Small steps: now and then a larger one changes how many rays are left at some depth, and
        # Dr.Jit compiles one of some sixty kernels for that.
        for factor in (1.0, 1.001):
            step(factor)
        kernels = step(0.999)
    assert kernels
    assert all(k["cache_hit"] for k in kernels)


def test_a_link_without_a_path_is_zero_and_has_no_gradient() -> None:
    room = box_room(0)
    places = Campaign(np.array([[-20.0, 0.0, 1.0]]), np.array([[[20.0, 0.5, 1.0]]]))
    engine = Retrace(room, places, PAPER.replace(max_depth=1))
    sigma = room.conductivity(PAPER.frequency)
    # Two walls stand between them, and one interaction is allowed.
    np.testing.assert_array_equal(engine.rss(sigma, 0), [0.0])
    rss, gradient = engine.rss_and_gradient(sigma, 0, np.ones_like)
    np.testing.assert_array_equal(rss, [0.0])
    np.testing.assert_array_equal(gradient, np.zeros(5))


def test_lines_of_sight_alone_have_no_gradient(room: SceneModel, campaign: Campaign) -> None:
    engine = Retrace(room, campaign, PAPER.replace(max_depth=0))
    rss, gradient = engine.rss_and_gradient(room.conductivity(PAPER.frequency), 0, np.ones_like)
    assert rss.max() > 0.0
    np.testing.assert_array_equal(gradient, np.zeros(9))


def test_what_replay_refuses_runs_here(room: SceneModel, campaign: Campaign) -> None:
    radio = PAPER.replace(max_depth=2, diffraction=True, samples_per_src=1000)
    rss = Retrace(room, campaign.subset([0]), radio).rss(room.conductivity(radio.frequency), 0)
    assert np.isfinite(rss).all()
    assert (rss > 0.0).all()
