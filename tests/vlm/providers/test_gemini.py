import pytest

from tests.model_server import ModelServer, Step, gemini_envelope
from tests.vlm.loopback import ALL_PLYWOOD, GOOD, advisor, ask
from vlmrt_dist.errors import VlmError
from vlmrt_dist.vlm.registry import advisor_named

pytestmark = pytest.mark.usefixtures("planted_keys")


def test_thoughts_are_no_answer(server: ModelServer) -> None:
    parts = [{"text": "Let me think {", "thought": True}, {"text": GOOD}]
    server.answers(Step(envelope=gemini_envelope("", content={"parts": parts})))
    assert ask(advisor("gemini", server)).prior.materials == ALL_PLYWOOD


def test_a_missing_key_names_the_variable_and_the_way_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    with pytest.raises(VlmError, match=r"set GEMINI_API_KEY.*--vlm offline"):
        advisor_named("gemini")
