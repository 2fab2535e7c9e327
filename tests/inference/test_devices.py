"""Orientation of antennas and transmit power as unknowns."""

import json
import math
from typing import Any

import numpy as np
import pytest

import vlmrt_dist as vd
from tests.numerics import materials
from vlmrt_dist.campaign import Antenna, Campaign, RadioConfig, random_campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import ReplayObjective, trace
from vlmrt_dist.inference import Assumptions, fitting, levenberg_marquardt, open_problem
from vlmrt_dist.inference.devices import (
    ANGLES,
    PLACES,
    devices_of,
    orientation_widths,
    position_widths,
)
from vlmrt_dist.paths import Poses
from vlmrt_dist.scene.model import SceneModel
from vlmrt_dist.scene.paper_room import box_room

RADIO = RadioConfig(max_depth=2)
SECTOR = Antenna.in_degrees(pattern="tr38901", yaw=30.0, pitch=5.0)


@pytest.fixture(scope="module")
def room() -> SceneModel:
    return box_room(4)


def plan(room: SceneModel, setups: int = 3, receivers: int = 12) -> Campaign:
    return random_campaign(room, setups, receivers, seed=11)


def test_devices_are_told_apart_by_name_or_place() -> None:
    tx = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [5.0, 0.0, 1.0]])
    rx = np.array([[[1.0, 0.0, 1.0], [2.0, 0.0, 1.0]]] * 3)
    there = np.array([[True, True], [True, False], [True, True]])
    plain = Campaign(tx, np.where(there[..., None], rx, np.nan), present=there)
    found = devices_of(plain, "tx")
    assert found.names == ("transmitter of setups 1, 2", "transmitter of setup 3")
    assert found.of_link.tolist() == [[0, 0], [0, -1], [1, 1]]
    assert devices_of(plain, "rx").names == ("receiver at 1, 0, 1 m", "receiver at 2, 0, 1 m")
    phone = plain.with_antennas([Antenna(name="mast")] * 3, Antenna(name="phone"))
    assert devices_of(phone, "tx").names == ("mast",)
    assert devices_of(phone, "rx").of_link.tolist() == [[0, 0], [0, -1], [0, 0]]


@pytest.mark.slow
def test_antennas_that_turn_leave_fewer_evaluations(
    room: SceneModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = vd.simulate(room, plan(room).with_antennas(SECTOR, Antenna()), radio=RADIO,
                           noise_db=1.0)  # fmt: skip
    paths = trace(room, campaign, RADIO).num_paths
    monkeypatch.setattr(fitting, "MOST_PATHS", 5000 * paths)
    solver = vd.LevenbergMarquardt(folds=0, posterior="sampled")
    spent = []
    for factor in (1, fitting.ONE_BY_ONE):
        monkeypatch.setattr(fitting, "ONE_BY_ONE", factor)
        found = vd.estimate(
            room, campaign, radio=RADIO, solver=solver,
            noise=vd.Noise(db=1.0, orientation_deg={"tx_yaw": 10.0}),
        )  # fmt: skip
        spent.append(found.iterations)
    assert spent[1] <= 900 < spent[0] < 6000


def test_priors_on_orientations() -> None:
    assert orientation_widths(None) == {}
    assert list(orientation_widths(20.0)) == ["tx_yaw", "tx_pitch", "tx_roll"]
    assert orientation_widths({"rx_yaw": 90.0}) == {"rx_yaw": math.pi / 2}
    wrong: list[Any] = [{"yaw": 3.0}, {"tx_yaw": 0.0}, 400.0, {"tx_yaw": "20"}, math.nan]
    for each in wrong:
        with pytest.raises(ConfigurationError, match="orientation_deg"):
            vd.Noise(orientation_deg=each)
    with pytest.raises(ConfigurationError, match="give one of them"):
        vd.Noise(tx_power_db=3.0, gain_offset_db=3.0)
    with pytest.raises(ConfigurationError, match="tx_power_db"):
        vd.Noise(tx_power_db=-1.0)


@pytest.mark.parametrize("combining", ["power", "coherent"])
@pytest.mark.parametrize("average", [None, "db", "power"])
def test_levels_by_orientation(room: SceneModel, combining: Any, average: Any) -> None:
    radio = RADIO.replace(combining=combining)
    ends = (SECTOR, Antenna("hw_dipole", 0.2, (0.3, 0.4, 0.5)))
    if average:
        ends = (SECTOR.replace(polarization="cross"), ends[1].replace(polarization="VH"))
    campaign = plan(room, 2, 3).with_antennas(*ends, average=average)
    campaign = campaign.with_rss(np.zeros((2, 3)))
    table = trace(room, campaign, radio, cache=False)
    objective = ReplayObjective(room, campaign, radio, table)
    here = {radio.frequency: materials(room, radio.frequency)}
    rng = np.random.default_rng(0)
    base = rng.normal(0.0, 0.1, 6)

    def levels(change: np.ndarray) -> Any:
        turns = Poses(np.tile(change[:3], (2, 1)), np.tile(change[3:], (2, 3, 1)))
        return objective.levels(here, ("conductivity",), turns)

    exact, step = levels(base).by_pose, 1e-6
    for i, unit in enumerate(np.eye(6) * step):
        up, down = (10.0 * np.log10(levels(base + s).rss).ravel() for s in (unit, -unit))
        difference = (up - down) / (2.0 * step)
        assert np.abs(exact[:, i] - difference).max() < 1e-6 * np.abs(exact).max()
    still = objective.levels(here, ("conductivity",), Poses(np.zeros((2, 3)), np.zeros((2, 3, 3))))
    plain = objective.levels(here, ("conductivity",))
    np.testing.assert_allclose(still.rss, plain.rss, rtol=1e-12)
    np.testing.assert_allclose(
        still.by["conductivity"].toarray(), plain.by["conductivity"].toarray(), rtol=1e-9, atol=1e-9
    )


def measured(room: SceneModel, off_deg: float, louder_db: float = 0.0) -> Campaign:
    """Levels of sectors that look elsewhere, and send more, than is stated."""
    stated = plan(room)
    tx = [SECTOR.aimed(p, [0.0, 0.0, 1.0]).replace(power_dbm=44.0) for p in stated.tx]
    true = [
        a.replace(
            orientation=(a.orientation[0] + math.radians(off_deg), *a.orientation[1:]),
            power_dbm=44.0 + louder_db,
        )
        for a in tx
    ]  # fmt: skip
    levels = vd.simulate(room, stated.with_antennas(true), radio=RADIO, noise_db=0.5, seed=1)
    noise = levels.noise_db
    return stated.with_antennas(tx).with_rss(levels.rss_dbm, noise_db=noise)


@pytest.fixture(scope="module")
def turned(room: SceneModel) -> Campaign:
    return measured(room, 30.0)


def test_a_wrong_orientation_is_found(
    room: SceneModel, turned: Campaign, tmp_path_factory: pytest.TempPathFactory
) -> None:
    noise = vd.Noise(orientation_deg={"tx_yaw": 20.0})
    solver = vd.LevenbergMarquardt(starts=2, folds=0, posterior="normal", max_total=40)
    result = vd.estimate(room, turned, radio=RADIO, noise=noise, solver=solver)
    assert len(result.devices) == 3
    for each in result.devices:
        assert (each.quantity, each.unit, each.verdict) == ("tx_yaw", "°", "estimated")
        assert each.low < 30.0 < each.high
        assert each.high - each.low < 10.0
    assert result.noise_scale < 1.5
    assert "Orientations, positions and powers of devices" in str(result)
    assert json.loads(json.dumps(result.to_dict()))["devices"][0]["quantity"] == "tx_yaw"
    file = tmp_path_factory.mktemp("estimate") / "found.json"
    vd.write_estimate(result, file, scene=room, campaign=turned, radio=RADIO)
    joint = vd.read_estimate(file).joint
    assert joint is not None
    assert list(joint.quantity).count("tx_yaw") == 3
    # The same transmitters are turned as they were found; of another one nothing is known.
    again = vd.predict(vd.read_estimate(file), room, turned)
    np.testing.assert_allclose(again.level_dbm, result.links.replayed_dbm.ravel(), atol=1e-9)
    stated = vd.simulate(room, turned, conductivity=result.fitted, radio=RADIO).rss_dbm
    assert stated is not None
    assert np.abs(again.level_dbm - stated.ravel()).max() > 1.0
    antennas = turned.antennas
    assert antennas is not None
    moved = Campaign(turned.tx + np.array([0.0, 0.0, 0.05]), turned.rx, antennas=antennas)
    strange = vd.predict(vd.read_estimate(file), room, moved)
    assert np.median(strange.std_db) > 2.0 * np.median(again.std_db)


def test_a_wrong_orientation_that_is_declared_as_known_is_noticed(
    room: SceneModel, turned: Campaign
) -> None:
    solver = vd.LevenbergMarquardt(starts=1, folds=0, posterior="normal", max_total=40)
    result = vd.estimate(room, turned, radio=RADIO, solver=solver)
    assert result.noise_scale > 3.0
    assert "does not explain" in str(result)


def test_a_wrong_power_is_found(room: SceneModel) -> None:
    campaign = measured(room, 0.0, louder_db=4.0)
    solver = vd.LevenbergMarquardt(starts=1, folds=0, posterior="normal", max_total=40)
    result = vd.estimate(
        room, campaign, radio=RADIO, noise=vd.Noise(tx_power_db=5.0), solver=solver
    )
    for each in result.devices:
        assert (each.quantity, each.unit) == ("tx_power", "dB")
        assert each.low < 4.0 < each.high


def test_angles_are_those_of_levels() -> None:
    assert [name.partition("_")[2] for name in ANGLES] == ["yaw", "pitch", "roll"] * 2


def placed(
    room: SceneModel, off: np.ndarray, radio: RadioConfig = RADIO
) -> tuple[Campaign, Campaign]:
    """Levels of three receivers, heard from eight transmitters, and where they truly stand."""
    stated = plan(room, 8, 3)
    stated = Campaign(stated.tx, np.tile(stated.rx[:1], (8, 1, 1)))
    true = Campaign(stated.tx, stated.rx + off)
    levels = vd.simulate(room, true, radio=radio, noise_db=0.1, seed=3)
    return stated.with_rss(levels.rss_dbm, noise_db=0.1), true


def test_a_position_is_found_by_its_distances(room: SceneModel) -> None:
    """On lines of sight a level is a distance, its derivative 20 / ln 10 / d times a cosine."""
    off, radio = np.zeros((3, 3)), RADIO.replace(max_depth=0)
    off[:, 0] = 0.3
    campaign, true = placed(room, off, radio)
    assumed = Assumptions(radio, noise=vd.Noise(position_m={"rx_x": 0.5, "rx_y": 0.5}))
    with open_problem(room, campaign, assumed) as problem:
        level, slope = problem.predict(problem.unknowns.mean)
        found = levenberg_marquardt(problem.predict, problem.data, problem.data.prior[None]).x
    way = campaign.rx - campaign.tx[:, None]
    size = np.linalg.norm(way, axis=2)
    x = problem.unknowns.quantity.index("rx_x")
    by_x = slope.toarray()[:, x : x + 3].reshape(8, 3, 3)
    expected = -20.0 / np.log(10.0) * way[..., 0] / size**2
    np.testing.assert_allclose(np.einsum("mnn->mn", by_x), expected, rtol=1e-9)
    moves = problem.unknowns.moves(found)
    assert moves is not None
    assert np.abs(moves[1] - off)[..., :2].max() < 0.2
    lost = 20.0 * np.log10(np.linalg.norm(true.rx - true.tx[:, None], axis=2) / size)
    assert campaign.rss_dbm is not None
    np.testing.assert_allclose(campaign.rss_dbm, level.reshape(8, 3) - lost, atol=0.5)


@pytest.mark.slow
def test_wrong_positions_are_found_and_paths_searched_again(room: SceneModel) -> None:
    """Receivers off by 25 cm: the levels of a new search are met, and the truth lies within."""
    off = np.array([[0.2, -0.15, 0.0], [-0.1, 0.25, 0.0], [0.15, 0.1, 0.0]])
    campaign, true = placed(room, off)
    quick = vd.LevenbergMarquardt(starts=1, folds=0, posterior="normal", max_total=60)
    noise = vd.Noise(position_m={"rx_x": 0.3, "rx_y": 0.3})
    found = vd.estimate(room, campaign, radio=RADIO, noise=noise, solver=quick)
    assert [d.quantity for d in found.devices] == ["rx_x"] * 3 + ["rx_y"] * 3
    away = [(d.value - o) / d.std for d, o in zip(found.devices, off[:, :2].T.ravel(), strict=True)]
    assert np.abs(away).max() < 3.5
    assert all(d.std < 0.2 for d in found.devices)
    assert all(d.unit == "m" and d.verdict == "estimated" for d in found.devices)
    assert found.noise_scale < 2.5
    moves = np.array([d.value for d in found.devices]).reshape(2, 3).T
    ends = Campaign(campaign.tx, campaign.rx + np.append(moves, np.zeros((3, 1)), axis=1))
    again = vd.simulate(room, ends, conductivity=found.fitted, radio=RADIO).rss_dbm
    assert again is not None
    np.testing.assert_allclose(found.links.replayed_dbm, again, atol=0.02)  # within a millimetre
    assert "positions" in str(found)
    assert np.abs(ends.rx - true.rx).max() < 0.25


def test_priors_on_positions(room: SceneModel) -> None:
    assert position_widths(None) == {}
    assert list(position_widths(0.1)) == list(PLACES)
    assert position_widths({"tx_z": 0.5}) == {"tx_z": 0.5}
    for wrong in ({"x": 0.1}, {"rx_x": 0.0}, 80.0, math.nan):
        with pytest.raises(ConfigurationError, match="position_m"):
            vd.Noise(position_m=wrong)
    with pytest.raises(ConfigurationError, match="give one of them"):
        vd.Noise(position_m=0.1, position_error_m=0.1)
    campaign, _ = placed(room, np.zeros((3, 3)))
    with pytest.raises(ConfigurationError, match=r"Adam.*unknown positions"):
        vd.estimate(room, campaign, noise=vd.Noise(position_m=0.1), solver=vd.Adam())
