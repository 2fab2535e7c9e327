import math

import pytest

from vlmrt_dist.errors import ConfigurationError, VlmError
from vlmrt_dist.vlm.budget import Budget, Meter, known_price


def test_a_request_is_counted_at_its_most_until_it_is_settled() -> None:
    meter = Meter(Budget(10, 1.0), (1.0, 10.0))
    most = meter.cost(100_000, 10_000)
    assert most == pytest.approx(0.2)
    meter.set_aside(most)
    assert meter.spent_usd == pytest.approx(0.2)
    meter.settle(most, meter.cost(1000, 100))
    assert meter.spent_usd == pytest.approx(0.002)
    assert meter.requests == 1


def test_what_could_exceed_the_bound_is_refused_and_not_counted() -> None:
    meter = Meter(Budget(10, 0.5), (1.0, 10.0))
    meter.set_aside(0.3)
    with pytest.raises(VlmError, match=r"0\.3000 are spent and the bound is 0\.5.*max_cost_usd"):
        meter.set_aside(0.3)
    assert meter.requests == 1
    assert meter.spent_usd == pytest.approx(0.3)
    meter.set_aside(0.2)


def test_requests_are_bounded_too() -> None:
    meter = Meter(Budget(2, None), None)
    meter.set_aside(0.0)
    meter.set_aside(0.0)
    with pytest.raises(VlmError, match="2 requests"):
        meter.set_aside(0.0)


@pytest.mark.parametrize(
    ("requests", "cost", "price", "word"),
    [
        (0, None, None, "max_requests"),
        (1, 0.0, (1.0, 1.0), "max_cost_usd"),
        (1, math.nan, (1.0, 1.0), "max_cost_usd"),
        (1, 1.0, None, "price_usd"),
        (1, None, (1.0, math.inf), "price_usd"),
        (1, None, (-1.0, 1.0), "price_usd"),
        (1, None, (1.0,), "price_usd"),
    ],
)
def test_impossible_bounds_are_refused(requests: int, cost: float, price: tuple, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        Budget(requests, cost, price).price_of(None)


def test_prices_are_those_of_the_longest_known_name() -> None:
    assert known_price("gemini-2.5-flash-lite") == (0.10, 0.40)
    assert known_price("gemini-2.5-flash-lite-preview-09-2025") == (0.10, 0.40)
    assert known_price("gemini-2.5-flash-001") == (0.30, 2.50)
    assert known_price("gemini-2.5-pro") == (1.25, 10.0)
    assert known_price("gemini-2.5-profound") is None
    assert known_price("another") is None
