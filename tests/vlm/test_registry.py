import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import ModelServer
from tests.vlm.loopback import GOOD, advisor, ask
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.vlm.options import Recorded
from vlmrt_dist.vlm.registry import advisor_named

pytestmark = pytest.mark.usefixtures("planted_keys")


def test_unknown_names_are_refused_with_the_list() -> None:
    with pytest.raises(ConfigurationError, match="gemini, openai_compatible, offline, recorded"):
        advisor_named("oracle")
    with pytest.raises(ConfigurationError, match="needs a model and a base_url"):
        advisor_named("openai_compatible")
    with pytest.raises(ConfigurationError, match="needs the file of a recording"):
        advisor_named("recorded")


def test_an_open_advisor_is_returned_as_it_is() -> None:
    opened = advisor_named("gemini")
    assert advisor_named(opened) is opened
    assert "GEMINI_API_KEY" not in os.environ


def test_every_advisor_has_the_face(provider: str, server: ModelServer, tmp_path: Path) -> None:
    server.answers(GOOD)
    ask(advisor(provider, server, record=tmp_path / "a.json"))
    made: list[Callable[[], Any]] = [
        lambda: advisor(provider, server),
        lambda: advisor_named("offline"),
        lambda: advisor_named(Recorded(tmp_path / "a.json")),
    ]
    names = [make().name for make in made]
    assert names == [provider, "offline", "recorded"]
    assert [make().sees_images for make in made] == [True, False, False]
    for make in made:
        assert ask(make()).usage.provider == make().name
