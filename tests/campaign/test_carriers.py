import numpy as np
import pytest

from vlmrt_dist.campaign.carriers import carriers_of
from vlmrt_dist.campaign.free_space import random_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import FrequencyError
from vlmrt_dist.scene.paper_room import box_room

RADIO = RadioConfig(frequency=3.5e9, tx_power_dbm=20.0)


def at(*frequency: float) -> Campaign:
    places = random_campaign(box_room(), len(frequency), 2, seed=0)
    return Campaign.from_setups(places.setups, frequency=frequency)


def test_a_campaign_without_carriers_has_the_radios() -> None:
    room = box_room()
    (only,) = carriers_of(room, random_campaign(room, 3, 2, seed=0), RADIO)
    assert only.radio == RADIO
    assert only.setups.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(only.scale, 1.0)
    np.testing.assert_array_equal(only.relative_permittivity, room.relative_permittivity(3.5e9))


def test_setups_are_shared_out_among_the_carriers() -> None:
    low, high = carriers_of(box_room(), at(28e9, 2.4e9, 28e9), RADIO)
    assert (low.radio.frequency, high.radio.frequency) == (2.4e9, 28e9)
    assert low.radio.tx_power_dbm == 20.0
    assert (low.setups.tolist(), high.setups.tolist()) == ([1], [0, 2])


def test_conductivity_follows_the_class_and_explicit_numbers_stay() -> None:
    room = box_room().with_materials({"floor": "metal"}, conductivity={"box_wood": 0.5})
    _, high = carriers_of(room, at(3.5e9, 28e9), RADIO)
    np.testing.assert_allclose(
        high.scale * room.conductivity(3.5e9), room.conductivity(28e9), rtol=1e-12
    )
    assert high.scale[room.names.index("box_wood")] == 1.0
    assert high.scale[room.names.index("box_concrete")] == pytest.approx(8.0**0.7822, rel=1e-3)


def test_what_conducts_nothing_has_a_scale_too() -> None:
    room = box_room().with_materials(conductivity={"floor": 0.0})
    assert np.isfinite([c.scale for c in carriers_of(room, at(3.5e9, 28e9), RADIO)]).all()


def test_a_carrier_that_no_table_covers_is_named_with_its_object() -> None:
    with pytest.raises(FrequencyError, match="object '"):
        carriers_of(box_room(), at(3.5e9, 1e12), RADIO)
