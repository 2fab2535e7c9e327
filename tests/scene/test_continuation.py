import numpy as np
import pytest

from vlmrt_dist.errors import FrequencyError
from vlmrt_dist.scene.continuation import continued
from vlmrt_dist.scene.itu import conductivity, relative_permittivity
from vlmrt_dist.scene.paper_room import box_room


def test_materials_are_continued_only_where_they_are_not_tabulated() -> None:
    """At 100 GHz brick has no row, and takes that of 110 to 330 GHz; concrete has one."""
    room = box_room()
    with pytest.raises(FrequencyError):
        room.conductivity(100e9)
    far = continued(room, 100e9)
    sigma = far.conductivity(100e9)
    assert sigma[room.names.index("floor")] == pytest.approx(0.0006 * 100.0**1.5712)
    assert far.relative_permittivity(100e9)[0] == pytest.approx(4.15)
    box = room.names.index("box_concrete")
    assert sigma[box] == conductivity("concrete", 100e9)
    assert far.objects[box].conductivity is None
    same = continued(room, 3.5e9)
    assert same.key == room.key


def test_a_continuation_meets_the_table_at_its_end() -> None:
    edge = continued(box_room(), 40e9 * (1 + 1e-9))
    np.testing.assert_allclose(edge.conductivity(40e9)[0], conductivity("brick", 40e9), rtol=1e-8)
    told = relative_permittivity("brick", 40e9)
    assert edge.relative_permittivity(40e9)[0] == pytest.approx(told)
