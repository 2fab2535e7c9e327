import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live_scenes import opened
from vlmrt_dist.campaign.antenna import Antenna, planar_array
from vlmrt_dist.campaign.pattern_table import PatternTable
from vlmrt_dist.campaign.radio_config import ANTENNA_PATTERNS, POLARIZATIONS, RadioConfig
from vlmrt_dist.errors import CampaignError, ConfigurationError, SceneError
from vlmrt_dist.paths.sionna_devices import place_devices
from vlmrt_dist.paths.sionna_setup import SionnaSetup, from_sionna, scene_and_radio
from vlmrt_dist.scene import NotTakenOver, box_room

ROOM = box_room()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ROOM.write(tmp_path / "room")


@pytest.fixture
def scene(path: Path) -> Any:
    return opened(path)


def array(pattern: str = "iso", polarization: str = "V", rows: int = 1, **more: Any) -> Any:
    import sionna.rt as rt

    return rt.PlanarArray(
        num_rows=rows, num_cols=1, pattern=pattern, polarization=polarization, **more
    )


def add_devices(scene: Any, **first: Any) -> None:
    import sionna.rt as rt

    scene.add(rt.Transmitter("roof", position=[-4.2, 0.3, 1.5], **first))
    scene.add(rt.Transmitter("mast", position=[1.1, 0.0, 2.0]))
    for name, x in (("phone", 3.1), ("watch", 2.4), ("car", -1.7)):
        scene.add(rt.Receiver(name, position=[x, 1.1, 1.2]))


def said(scene: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        setup = from_sionna(scene)
    assert [str(each.message) for each in told] == list(setup.not_taken)
    assert all(each.category is NotTakenOver for each in told)
    return list(setup.not_taken)


def test_devices_carrier_and_antennas(scene: Any) -> None:
    add_devices(scene, power_dbm=44)
    scene.frequency = 2.437e9
    scene.tx_array = scene.rx_array = array("hw_dipole", "H")
    setup = from_sionna(scene)
    assert setup.radio == RadioConfig(
        frequency=2.437e9, antenna_pattern="hw_dipole", polarization="H"
    )
    assert setup.scene.names == ROOM.names
    assert (setup.tx_names, setup.rx_names) == (("roof", "mast"), ("phone", "watch", "car"))
    assert setup.tx.tolist() == [[-4.2, 0.3, 1.5], [1.1, 0.0, 2.0]]
    campaign = setup.campaign
    assert (campaign.num_setups, campaign.num_receivers) == (2, 3)
    np.testing.assert_array_equal(campaign.rx[1], setup.rx)
    assert setup.not_taken == ()


@pytest.mark.parametrize("pattern", ANTENNA_PATTERNS)
@pytest.mark.parametrize("polarization", POLARIZATIONS)
def test_every_antenna_is_recognised(scene: Any, pattern: str, polarization: str) -> None:
    scene.tx_array = scene.rx_array = array(pattern, polarization)
    radio = from_sionna(scene).radio
    assert (radio.antenna_pattern, radio.polarization) == (pattern, polarization)


@pytest.mark.parametrize(
    ("make", "slants", "elements"),
    [
        (lambda: array(rows=4), 1, 4),
        (lambda: array(polarization="VH"), 2, 1),
        (lambda: array("dipole", "cross"), 2, 1),
    ],
)
def test_arrays_are_taken_over(scene: Any, make: Any, slants: int, elements: int) -> None:
    scene.tx_array = make()
    add_devices(scene)
    setup = from_sionna(scene)
    assert setup.antennas is not None
    antenna = setup.antennas[0][0]
    assert (len(antenna.slants), len(antenna.element_positions)) == (slants, elements)
    assert setup.campaign.num_setups == 2 * slants * elements
    assert setup.not_taken == ()


def test_a_pattern_of_somebodys_own_becomes_a_table(scene: Any) -> None:
    scene.tx_array = array("tr38901", "H", polarization_model="tr38901_1")
    add_devices(scene)
    setup = from_sionna(scene)
    assert setup.antennas is not None
    antenna = setup.antennas[0][0]
    assert isinstance(antenna.pattern, PatternTable)
    assert antenna.pattern.polarimetric


def test_devices_have_their_own_orientation_and_power(scene: Any) -> None:
    add_devices(scene, power_dbm=30, orientation=[0.5, 0.0, 0.0])
    scene.tx_array, scene.rx_array = array("tr38901"), array("dipole")
    setup = from_sionna(scene)
    assert setup.radio.tx_power_dbm == 30.0
    assert setup.antennas is not None
    roof, mast = setup.antennas[0]
    assert (roof.pattern, roof.orientation, roof.power_dbm) == ("tr38901", (0.5, 0.0, 0.0), None)
    assert (mast.orientation, mast.power_dbm) == ((0.0, 0.0, 0.0), 44.0)
    assert [antenna.pattern for antenna in setup.antennas[1]] == ["dipole"] * 3
    with pytest.warns(NotTakenOver, match="antennas of the live scene"):
        scene_and_radio(scene, None)


def test_a_turn_that_changes_nothing_is_not_told(scene: Any) -> None:
    add_devices(scene, orientation=[0.5, 0.0, 0.0])
    scene.tx_array = scene.rx_array = array("dipole")
    assert said(scene) == []


def test_a_source_gives_the_names(path: Path) -> None:
    merged = opened(path, merge_shapes=True)
    assert from_sionna(merged, source=path).scene.key == ROOM.key
    assert any("merged" in text for text in said(merged))


def test_without_devices_there_is_no_campaign(scene: Any) -> None:
    import sionna.rt as rt

    setup = from_sionna(scene)
    assert isinstance(setup, SionnaSetup)
    with pytest.raises(CampaignError, match="no transmitter"):
        _ = setup.campaign
    scene.add(rt.Transmitter("tx", position=[0.0, 0.0, 1.0]))
    with pytest.raises(CampaignError, match="no receiver"):
        _ = from_sionna(scene).campaign


def test_other_things_are_no_live_scenes() -> None:
    anything: Any = ROOM
    with pytest.raises(SceneError, match=r"takes a sionna\.rt\.Scene; got SceneModel"):
        from_sionna(anything)


def test_a_live_scene_states_the_radio_unless_it_is_given(scene: Any, path: Path) -> None:
    scene.frequency = 5e9
    assert scene_and_radio(scene, None)[1].frequency == 5e9
    assert scene_and_radio(scene, RadioConfig(frequency=6e9))[1].frequency == 6e9
    assert scene_and_radio(path, None)[1] == RadioConfig()
    assert scene_and_radio(ROOM, None)[0] is ROOM


def test_devices_go_to_sionna_and_back(scene: Any) -> None:
    add_devices(scene)
    stated = from_sionna(scene).campaign
    sector = Antenna("tr38901", (0.2,), elements=planar_array(2, 1), port=1)
    tx = [sector.replace(orientation=(0.5, 0.1, 0.0)), sector.replace(power_dbm=20.0, port=0)]
    campaign = stated.with_antennas(tx, Antenna("dipole", "H"))
    place_devices(scene, campaign, RadioConfig(frequency=2.4e9, tx_power_dbm=33.0))
    found = from_sionna(scene)
    assert (found.tx_names, found.rx_names) == (("tx-1", "tx-2"), ("rx-1", "rx-2", "rx-3"))
    np.testing.assert_allclose(found.tx, campaign.tx, atol=1e-6)
    assert found.antennas is not None
    roof, mast = found.antennas[0]
    np.testing.assert_allclose(roof.orientation, (0.5, 0.1, 0.0), atol=1e-6)
    np.testing.assert_allclose(roof.element_positions, planar_array(2, 1))
    assert (found.radio.tx_power_dbm, mast.power_dbm) == (33.0, 20.0)
    assert found.radio.frequency == 2.4e9


def test_devices_that_sionna_cannot_hold_are_told(scene: Any) -> None:
    add_devices(scene)
    stated = from_sionna(scene).campaign
    two = stated.with_antennas([Antenna("dipole"), Antenna()])
    with pytest.raises(ConfigurationError, match="one antenna array for all transmitters"):
        place_devices(scene, two, RadioConfig())
    theta, phi = np.linspace(0.0, np.pi, 7), np.linspace(0.0, 6.0, 13)
    table = PatternTable(theta, phi, np.ones((7, 13)))
    with pytest.raises(ConfigurationError, match="register_antenna_pattern"):
        place_devices(scene, stated.with_antennas(rx=Antenna(table)), RadioConfig())
    anything: Any = ROOM
    with pytest.raises(SceneError, match=r"sionna\.rt\.Scene"):
        place_devices(anything, stated, RadioConfig())
