"""What alternatives of a measurement would determine."""

import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.placement import Design, compare_observables
from vlmrt_dist.scene import SceneModel

RADIO = RadioConfig(max_depth=2)


def test_finer_bins_and_more_observables_determine_more(
    room: SceneModel, campaign: Campaign
) -> None:
    words = ["power", "delay:20ns", "delay:5ns", "power+delay:20ns"]
    worth = compare_observables(room, campaign, words, radio=RADIO, design=Design(noise_db=1.0))
    assert [each.words for each in worth] == words
    power, coarse, fine, both = (each.determined["conductivity"] for each in worth)
    assert 0.0 < power < both < 9.0
    assert coarse < fine
    assert coarse < both
    assert worth[0].num_values == 24


def test_a_word_that_is_none_is_refused(room: SceneModel, campaign: Campaign) -> None:
    with pytest.raises(ConfigurationError, match="nothing that is measured"):
        compare_observables(room, campaign, ["loudness"], radio=RADIO, design=Design())
