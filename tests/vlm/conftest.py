"""A model's server on the loopback, both providers in turn, and planted keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model_server import ModelServer, model_server
from tests.vlm.loopback import PROVIDERS, PROXIES, SECRET
from vlmrt_dist.vlm.providers import api_key


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """The server, until the module's tests have run."""
    with model_server() as running:
        yield running


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    """One provider after the other; the tests of one are those of the other."""
    return str(request.param)


@pytest.fixture
def planted_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, a key in each provider's variable, and no proxy."""
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(api_key, "_taken", {})
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    for name in ("GOOGLE_API_KEY", "VLMRT_GEMINI_KEY_FILE", "VLMRT_OPENAI_KEY_FILE", *PROXIES):
        monkeypatch.delenv(name, raising=False)
