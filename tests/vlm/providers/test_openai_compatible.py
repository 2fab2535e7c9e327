import json
from typing import Any

import pytest

from tests.model_server import ModelServer, Step
from tests.vlm.loopback import ALL_PLYWOOD, GOOD, GOOD_SETUPS, advisor, ask, place
from vlmrt_dist.errors import VlmError

pytestmark = pytest.mark.usefixtures("planted_keys")


def test_a_server_without_schemas_is_asked_in_words_only(server: ModelServer) -> None:
    refusal = Step(status=400, raw=b'{"error": {"message": "unknown field response_format"}}')

    def answer(asked: Any) -> str:
        assert "response_format" not in asked.body
        return GOOD

    server.answers(refusal, answer)
    someone = advisor("openai_compatible", server)
    advice = ask(someone)
    assert advice.prior.materials == ALL_PLYWOOD
    assert any("in words only" in remark for remark in advice.usage.remarks)
    assert server.count == advice.usage.attempts == 2
    server.answers(json.dumps({"setups": GOOD_SETUPS}))
    place(someone)
    assert server.count == 1  # and never tried with one again

    server.answers(Step(status=400, raw=b'{"error": {"message": "no such model"}}'))
    with pytest.raises(VlmError, match="no such model"):
        ask(advisor("openai_compatible", server, cache=False))
    assert server.count == 2


def test_a_local_server_needs_no_key(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    server.answers(GOOD)
    ask(advisor("openai_compatible", server))
    assert "authorization" not in server.asked[0].headers
