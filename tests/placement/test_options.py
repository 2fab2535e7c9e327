from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign.region import Region
from vlmrt_dist.errors import CampaignError, ConfigurationError
from vlmrt_dist.placement.options import CandidateOptions


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"height": (2.0, 1.0)}, "^height must be"),
        ({"height": (-1.0, 2.0)}, "^height must be"),
        ({"height": (np.nan, 2.0)}, "^height must be"),
        ({"height": (1.0, np.inf)}, "^height must be"),
        ({"height": 1.5}, "^height must be"),
        ({"height": (1.0, 2.0, 3.0)}, "^height must be"),
        ({"height": (1.0, 2.0), "tx_height": (2.0, 1.0)}, "^tx_height must be"),
        ({"clearance": -0.1}, "^clearance must be"),
        ({"clearance": np.nan}, "^clearance must be"),
        ({"clearance": np.inf}, "^clearance must be"),
        ({"num_tx": 0}, "^num_tx must be 1 or more"),
        ({"num_rx": -3}, "^num_rx must be 1 or more"),
        ({"num_draws": 0}, "^num_draws must be 1 or more"),
        ({"num_rx": 2.5}, "^num_rx must be a whole number"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        CandidateOptions(**options)


def test_equal_regions_are_equal_whatever_numbers_state_them() -> None:
    assert Region(height=(1, 2)) == Region(height=(1.0, 2.0))
    assert len({CandidateOptions(), CandidateOptions(num_draws=8), CandidateOptions(num_tx=3)}) == 2


def test_transmitters_stand_as_high_as_receivers_unless_stated() -> None:
    assert Region().transmitters is None
    assert Region(height=(1.0, 2.0)).transmitters == (1.0, 2.0)
    assert Region(height=(1.0, 2.0), tx_height=(3.0, 4.0)).transmitters == (3.0, 4.0)


def test_a_pool_grows_with_the_campaign_and_has_to_hold_it() -> None:
    assert CandidateOptions().size(3, 8) == (20, 60)
    assert CandidateOptions().size(15, 50) == (30, 100)
    assert CandidateOptions(num_tx=5, num_rx=16).size(3, 8) == (5, 16)
    with pytest.raises(CampaignError, match="pool of 5 transmitters and 60 receivers"):
        CandidateOptions(num_tx=5).size(6, 3)
    with pytest.raises(CampaignError, match="16 receivers"):
        CandidateOptions(num_rx=16).size(2, 17)
    for setups, receivers in ((0, 3), (2, 0), (-1, 3)):
        with pytest.raises(CampaignError, match="at least one"):
            CandidateOptions().size(setups, receivers)
