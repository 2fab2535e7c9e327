import pickle
from typing import Any

import pytest

from tests.vlm.loopback import SECRET, options_of
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.vlm.budget import Budget
from vlmrt_dist.vlm.options import AdvisorOptions, Gemini, Offline, OpenAICompatible, Recorded
from vlmrt_dist.vlm.registry import advisor_named

pytestmark = pytest.mark.usefixtures("planted_keys")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"base_url": "ftp://127.0.0.1"}, "base URL"),
        ({"base_url": "127.0.0.1:80"}, "base URL"),
        ({"base_url": "http://user:word@127.0.0.1"}, "user name"),
        ({"base_url": "http://127.0.0.1/?key=1"}, "base URL"),
        ({"base_url": "http://127.0.0.1:99999"}, "base URL"),
        ({"base_url": "http://models.example"}, "clear text"),
        ({"base_url": "http://models.localhost"}, "clear text"),
        ({"base_url": "http://[::1"}, "base URL"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"backoff": float("inf")}, "backoff"),
        ({"max_requests": 0}, "max_requests"),
    ],
)
def test_impossible_settings_are_refused(provider: str, options: dict[str, Any], word: str) -> None:
    basic = {"model": "gemini-2.5-pro", "base_url": "http://127.0.0.1:9"}
    with pytest.raises(ConfigurationError, match=word):
        advisor_named(options_of(provider, **basic | options))


@pytest.mark.parametrize("model", ["", "../secrets", "a b", "x?key=1", "a/../b", "-x"])
def test_what_is_no_model_is_refused(model: str) -> None:
    with pytest.raises(ConfigurationError, match="no name of a Gemini model"):
        Gemini(model, budget=Budget(price_usd=(1.0, 1.0)))


def test_an_unknown_price_cannot_be_bounded() -> None:
    with pytest.raises(ConfigurationError, match="price_usd"):
        Gemini("gemini-9")
    assert Gemini("gemini-9", budget=Budget(max_cost_usd=None)).price_usd is None
    assert Gemini("gemini-9", budget=Budget(price_usd=(1.0, 2.0))).price_usd == (1.0, 2.0)


def test_a_budget_without_a_price_is_no_bound_on_a_server_of_ones_own() -> None:
    url = "http://127.0.0.1:9"
    assert OpenAICompatible("m", url).budget.max_cost_usd is None
    with pytest.raises(ConfigurationError, match="price_usd"):
        OpenAICompatible("m", url, budget=Budget(max_requests=3))


def test_a_model_and_a_server_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="needs a model and a base_url"):
        OpenAICompatible(model="m")


@pytest.mark.parametrize("options", [Gemini(), Recorded("said.json"), Offline()])
def test_options_hold_no_key_and_travel(options: AdvisorOptions) -> None:
    assert pickle.loads(pickle.dumps(options)) == options
    assert SECRET not in repr(options)
