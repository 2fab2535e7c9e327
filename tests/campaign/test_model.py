import pickle
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.errors import CampaignError


def campaign(**values: Any) -> Campaign:
    given = {
        "tx": [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]],
        "rx": [[[2.0, 0, 1], [0, 2, 1]], [[0, -2, 1], [-2, 0, 1]]],
        **values,
    }
    return Campaign(**given)


def ragged() -> Campaign:
    setups = [
        MeasurementSetup([0, 0, 1], [[2, 0, 1], [0, 2, 1], [1, 1, 2]]),  # type: ignore[arg-type]
        MeasurementSetup([1, 0, 1], [[0, -2, 1]]),  # type: ignore[arg-type]
    ]
    return Campaign.from_setups(setups)


def test_shapes() -> None:
    c = campaign(rss_dbm=[[-50, -60], [-70, -80]], noise_db=0.5)
    assert (c.num_setups, c.num_receivers, c.num_links) == (2, 2, 4)
    assert c.present.all()
    assert c.noise_db == 0.5
    assert [s.rx.shape for s in c.setups] == [(2, 3), (2, 3)]
    np.testing.assert_array_equal(c.setups[1].tx, [1, 0, 1])
    assert "M=2, N=2, measured" in repr(c)


def test_ragged_campaigns_are_padded() -> None:
    c = ragged()
    assert (c.num_setups, c.num_receivers, c.num_links) == (2, 3, 4)
    assert c.present.tolist() == [[True, True, True], [True, False, False]]
    assert np.isnan(c.rx[1, 1:]).all()
    assert [s.num_receivers for s in c.setups] == [3, 1]
    measured = c.with_rss(np.full((2, 3), -60.0), noise_db=np.full((2, 3), 0.1))
    assert measured.rss_dbm is not None
    np.testing.assert_array_equal(np.isnan(measured.rss_dbm), ~c.present)
    np.testing.assert_array_equal(np.isnan(measured.noise_db), ~c.present)


def test_subset_keeps_the_padding_and_the_order() -> None:
    c = ragged().with_rss([[-1, -2, -3], [-4, 0, 0]], noise_db=0.2)
    part = c.subset([1, 0])
    assert part.num_receivers == 3
    assert part.rss_dbm is not None
    np.testing.assert_array_equal(part.rss_dbm, [[-4, np.nan, np.nan], [-1, -2, -3]])
    np.testing.assert_array_equal(part.tx, c.tx[[1, 0]])
    assert part.subset([1, 0]).key == c.key
    for indices in ([], [2], [-1]):
        with pytest.raises(CampaignError, match="0 to 1"):
            c.subset(indices)


def full() -> Campaign:
    """Every field is used."""
    setups = ragged().setups
    return Campaign.from_setups(setups, frequency=[3.5e9, 5e9]).with_rss(
        [[-1, -2, -3], [-4, 0, 0]],
        noise_db=0.2,
        censored=[[False, True, False], [True, False, False]],
        saturated=[[True, False, False], [False, False, False]],
    )


def test_pickle_key_and_read_only() -> None:
    c = full()
    copy = pickle.loads(pickle.dumps(c))
    assert copy.key == c.key
    np.testing.assert_array_equal(copy.censored, c.censored)
    np.testing.assert_array_equal(copy.saturated, c.saturated)
    np.testing.assert_array_equal(copy.frequency, [3.5e9, 5e9])
    for array in (copy.rx[0, 0], copy.censored[0], copy.frequency):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_nothing_is_censored_and_no_carrier_stated_unless_said() -> None:
    c = ragged()
    assert c.censored.shape == c.present.shape
    assert not c.censored.any()
    assert not c.saturated.any()
    assert c.frequency is None


def test_what_saturates_is_censored_and_not_below_the_floor() -> None:
    c = full()
    assert c.censored.tolist() == [[True, True, False], [True, False, False]]
    assert c.below.tolist() == [[False, True, False], [True, False, False]]
    assert "saturated" in c._repr_html_()
    part = c.subset([1])
    assert not part.saturated.any()
    assert c.subset([0]).saturated.tolist() == [[True, False, False]]


def test_subset_and_with_rss_keep_censoring_and_carriers_where_they_belong() -> None:
    c = full()
    part = c.subset([1])
    assert part.censored.tolist() == [[True, False, False]]
    assert part.frequency is not None
    assert part.frequency.tolist() == [5e9]
    # A new level says nothing about an old one that the receiver could not hear.
    again = c.with_rss(c.rss_dbm)
    assert not again.censored.any()
    assert not again.saturated.any()
    assert again.frequency is not None
    assert again.noise_db == 0.2


def test_padding_is_never_censored() -> None:
    c = ragged().with_rss(np.zeros((2, 3)), censored=np.ones((2, 3), dtype=bool))
    np.testing.assert_array_equal(c.censored, c.present)


def test_whatever_is_measured_changes_the_key() -> None:
    base = campaign(rss_dbm=np.full((2, 2), -60.0))
    variants = [
        base,
        campaign(),
        campaign(rss_dbm=[[-60, -60], [-60, -61]]),
        base.with_rss(base.rss_dbm, noise_db=0.1),
        campaign(rss_dbm=base.rss_dbm, tx=[[0, 0, 1], [1, 0, 1.5]]),
        base.subset([0]),
        base.subset([1, 0]),
        base.with_rss(base.rss_dbm, censored=[[True, False], [False, False]]),
        base.with_rss(base.rss_dbm, saturated=[[True, False], [False, False]]),
        campaign(rss_dbm=base.rss_dbm, frequency=[3.5e9, 3.5e9]),
        campaign(rss_dbm=base.rss_dbm, frequency=[3.5e9, 5e9]),
    ]
    assert len({c.key for c in variants}) == len(variants)
    same = base.with_rss(base.rss_dbm, noise_db=np.zeros((2, 2)))
    assert same.key == base.key


def test_padding_does_not_enter_the_key() -> None:
    one = ragged().with_rss(np.array([[-1, -2, -3], [-4, 7, 8]]))
    other = ragged().with_rss(np.array([[-1, -2, -3], [-4, np.nan, -np.inf]]))
    assert one.key == other.key


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tx": [0.0, 0, 1]}, r"tx must be \[M,3\]"),
        ({"rx": [[0.0, 0, 1]]}, r"rx must be \[M,N,3\]"),
        ({"tx": [[0.0, 0, 1]]}, r"rx must be \[M,N,3\]"),
        ({"tx": np.empty((0, 3)), "rx": np.empty((0, 2, 3))}, "empty"),
        ({"rx": np.empty((2, 0, 3))}, "empty"),
        ({"tx": [[np.nan, 0, 1], [1, 0, 1]]}, "transmitter of setup 1"),
        ({"tx": "here"}, "numbers"),
        ({"rx": [[[2, 0, 1], [0, 2, np.nan]], [[0, -2, 1], [-2, 0, 1]]]}, "setup 1, receiver 2"),
        ({"rx": [[[2, 0, 1], [0, 2, 1]], [[0, -2, 1], [np.nan] * 3]]}, "setup 2, receiver 2"),
        ({"rx": [[[2, 0, 1], [0, np.inf, 1]], [[0, -2, 1], [0, 0, 1]]]}, "setup 1, receiver 2"),
        ({"rss_dbm": [-60.0]}, "rss_dbm must be"),
        ({"rss_dbm": [[-60, -60], [np.nan, -60]]}, "setup 2, receiver 1"),
        ({"rss_dbm": [[-60, -np.inf], [-60, -60]]}, "zero watts.*setup 1, receiver 2"),
        ({"noise_db": -0.1}, "noise_db"),
        ({"noise_db": np.nan}, "noise_db"),
        ({"noise_db": [0.1, 0.2]}, "noise_db"),
        ({"present": [[True, True], [False, False]]}, "setup 2 has no receiver"),
        ({"present": [[1, 1], [1, 0]]}, "present"),
        ({"present": [True, True]}, "present"),
        ({"rss_dbm": np.zeros((2, 2)), "censored": [True, False]}, "censored must be"),
        ({"rss_dbm": np.zeros((2, 2)), "censored": [[1, 0], [0, 0]]}, "censored must be"),
        ({"censored": [[True, False], [False, False]]}, "needs rss_dbm"),
        ({"rss_dbm": np.zeros((2, 2)), "saturated": [[1, 0], [0, 0]]}, "saturated must be"),
        ({"saturated": [[True, False], [False, False]]}, "needs rss_dbm: the ceiling"),
        ({"frequency": [3.5e9]}, "one carrier for each of 2 setups"),
        ({"frequency": 3.5e9}, "one carrier for each"),
        ({"frequency": [3.5e9, 0.0]}, "setup 2"),
        ({"frequency": [np.nan, 3.5e9]}, "setup 1"),
        ({"frequency": "high"}, "numbers"),
    ],
)
def test_impossible_campaigns(values: Any, message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        campaign(**values)


def test_impossible_setups() -> None:
    for tx, rx in (([0, 0], [[1, 1, 1]]), ([0, 0, 0], []), ([0, 0, 0], [[1, 1, np.nan]])):
        with pytest.raises(CampaignError):
            MeasurementSetup(tx, rx)  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="empty"):
        Campaign.from_setups([])
