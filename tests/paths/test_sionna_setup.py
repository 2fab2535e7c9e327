import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live_scenes import opened
from vlmrt_dist.campaign.radio_config import ANTENNA_PATTERNS, POLARIZATIONS, RadioConfig
from vlmrt_dist.errors import CampaignError, SceneError
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
    ("make", "word"),
    [
        (lambda: array(rows=4), "tx_array has 4 antennas"),
        (lambda: array(polarization="VH"), "tx_array has two polarizations; the first one"),
        (lambda: array("dipole", "cross"), "of which none is V or H; dipole V is taken"),
        (lambda: array("tr38901", "H", polarization_model="tr38901_1"), "pattern of tx_array is"),
    ],
)
def test_arrays_that_do_not_fit_are_named(scene: Any, make: Any, word: str) -> None:
    scene.tx_array = make()
    (remark,) = said(scene)
    assert word in remark


def test_devices_that_do_not_fit_are_named(scene: Any) -> None:
    add_devices(scene, power_dbm=30, orientation=[0.5, 0.0, 0.0])
    scene.tx_array, scene.rx_array = array("tr38901"), array("dipole")
    told = said(scene)
    assert [text.split("'")[1] for text in told[1:]] == ["roof", "mast"]
    assert "rx_array (dipole V) differs from tx_array (tr38901 V)" in told[0]
    assert "orientation" in told[1]
    assert "transmit power of 'mast'" in told[2]


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
