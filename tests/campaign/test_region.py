import numpy as np
import pytest

from vlmrt_dist.campaign.area import Area
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.errors import ConfigurationError


def test_equal_regions_are_equal_whatever_states_them() -> None:
    assert Region(height=(1, 2)) == Region(height=(1.0, 2.0))
    corners = np.array([[0, 0], [8, 0], [8, 6.0]])
    assert Region(area="0 0 8 0 8 6") == Region(area=corners)
    assert hash(Region(area="0 0 8 0 8 6")) == hash(Region(area=corners))
    assert isinstance(Region(area="0 0 8 0 8 6").area, Area)


def test_transmitters_stand_as_high_as_receivers_unless_stated() -> None:
    assert Region().transmitters is None
    assert Region(height=(1.0, 2.0)).transmitters == (1.0, 2.0)
    assert Region(height=(1.0, 2.0), tx_height=(3.0, 4.0)).transmitters == (3.0, 4.0)


def test_a_region_is_stated_by_heights_or_an_area() -> None:
    assert not Region(clearance=0.1).stated
    assert Region(height=(1.0, 2.0)).stated
    assert Region(tx_height=(1.0, 2.0)).stated
    assert Region(area="0 0 8 0 8 6").stated


@pytest.mark.parametrize("area", ["0 0 1", [[0.0, 0.0]], 5])
def test_what_is_no_area_is_refused(area: str) -> None:
    with pytest.raises(ConfigurationError, match="region"):
        Region(area=area)
