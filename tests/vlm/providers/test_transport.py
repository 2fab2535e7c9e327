"""Requests of both providers to a real server on the loopback."""

import dataclasses
import json
import logging
import os
import pickle
import threading
import time
import traceback
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import ModelServer, Step, chat_envelope, gemini_envelope
from tests.vlm.loopback import (
    ALL_PLYWOOD,
    GOOD,
    IMAGES,
    PROXIES,
    SECRET,
    advisor,
    ask,
    entry,
    materials,
)
from vlmrt_dist.errors import VlmError
from vlmrt_dist.vlm.options import OpenAICompatible
from vlmrt_dist.vlm.registry import advisor_named

pytestmark = pytest.mark.usefixtures("planted_keys")


def test_what_is_sent(provider: str, server: ModelServer) -> None:
    server.answers(GOOD)
    ask(advisor(provider, server), IMAGES)
    sent = server.asked[0]
    assert "Answer for each of the 9 objects exactly once" in sent.text
    body = json.dumps(sent.body)
    assert "seen from above" in body
    assert "iVBORyBvdmVyaGVhZA" in body.replace("\\/", "/") or "iVBORyBvdmVyaGVhZA" in body
    header = sent.headers["x-goog-api-key" if provider == "gemini" else "authorization"]
    assert header.removeprefix("Bearer ") == SECRET
    if provider == "gemini":
        config = sent.body["generationConfig"]
        assert config["responseMimeType"] == "application/json"
        assert config["responseJsonSchema"]["required"] == ["materials"]
        assert config["maxOutputTokens"] == 32768
        assert sent.path == "/v1beta/models/gemini-2.5-pro:generateContent"
    else:
        assert sent.body["response_format"]["json_schema"]["schema"]["required"] == ["materials"]
        assert sent.path == "/v1/chat/completions"
    # Neither library's telemetry, nor anything of this machine, goes along.
    expected = {"host", "connection", "content-length", "content-type", "accept"}
    assert sent.headers.keys() - {"x-goog-api-key", "authorization"} == expected | {
        "accept-encoding",
        "user-agent",
    }


@pytest.mark.parametrize(
    "steps",
    [
        [Step(status=429)],
        [Step(status=500)],
        [Step(status=503), Step(status=502)],
        [Step(reset=True)],
        [Step(reset=True), Step(status=429, headers={"retry-after": "0"})],
        [Step(status=503, headers={"retry-after": "Wed, 21 Oct 2065 07:28:00 GMT"})],
    ],
    ids=["429", "500", "503,502", "reset", "reset,429", "retry-after is a date"],
)
def test_passing_troubles_are_tried_again(
    provider: str, server: ModelServer, steps: list[Step]
) -> None:
    server.answers(*steps, GOOD)
    advice = ask(advisor(provider, server))
    assert advice.prior.materials == ALL_PLYWOOD
    assert server.count == advice.usage.attempts == len(steps) + 1


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step(status=429, raw=b'{"error": {"message": "quota of today"}}'), "429.*quota of today"),
        (Step(status=500, raw=b"<html>oops</html>"), "500.*oops"),
        (Step(status=503), "503"),
        (Step(reset=True), "connection to 127.0.0.1.* broke"),
    ],
    ids=["429", "500", "503", "reset"],
)
def test_lasting_troubles_end_in_an_error_after_the_retries(
    provider: str, server: ModelServer, step: Step, words: str
) -> None:
    server.answers(step)
    with pytest.raises(VlmError, match=words + r".*\(3 attempts\)"):
        ask(advisor(provider, server))
    assert server.count == 3


@pytest.mark.parametrize("status", [401, 403, 404, 301, 418])
def test_what_does_not_pass_is_not_tried_again(
    provider: str, server: ModelServer, status: int
) -> None:
    server.answers(Step(status=status, headers={"location": server.url + "/elsewhere"}))
    with pytest.raises(VlmError, match=str(status)):
        ask(advisor(provider, server))
    assert server.count == 1  # and no redirect was followed


def test_a_slow_server_is_given_up(provider: str, server: ModelServer) -> None:
    server.answers(Step(text=GOOD, pause=1.0))
    with pytest.raises(VlmError, match=r"did not answer within 0\.1 s \(3 attempts\)"):
        ask(advisor(provider, server, timeout=0.1))
    assert server.count == 3
    server.answers(Step(text=GOOD, pause=1.0), GOOD)
    assert ask(advisor(provider, server, timeout=0.4)).usage.attempts == 2


def test_a_server_that_drips_is_given_up(provider: str, server: ModelServer) -> None:
    """Each byte comes in time, the answer never would."""
    server.answers(Step(raw=b" " * 1000, drip=0.05))
    with pytest.raises(VlmError, match="did not answer within"):
        ask(advisor(provider, server, timeout=0.2, retries=0))


HEAD = b"HTTP/1.1 200 OK\r\nx-long: "
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"


@pytest.mark.parametrize("pieces", [(HEAD, *[b"a"] * 600), (HINTS,) * 600], ids=["header", "103"])
def test_a_server_that_never_begins_its_answer_is_given_up(
    server: ModelServer, pieces: tuple[bytes, ...]
) -> None:
    """Each byte of a header comes in time, or one provisional response after the other."""
    server.answers(Step(pieces=pieces, pause=0.02))
    before = threading.active_count()
    with pytest.raises(VlmError, match=r"did not answer within 0\.2 s"):
        ask(advisor("gemini", server, timeout=0.2, retries=0))
    for thread in threading.enumerate():
        if thread.name == "request to a model":
            thread.join(10.0)
    assert threading.active_count() <= before + 1  # the server's
    assert server.pieces_sent < len(pieces)  # so the connection was cut


def retry_info(delay: Any) -> bytes:
    """A refusal of Gemini, as the service words it."""
    details = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    error = {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step(status=429, raw=retry_info("17s")), 17.0),
        (Step(status=429, raw=retry_info("0.250000001s")), 0.250000001),
        (Step(status=503, raw=retry_info("17s"), headers={"retry-after": "4"}), 4.0),
        (Step(status=429, raw=retry_info("86400s")), 60.0),
        (Step(status=429, raw=retry_info("-5s")), None),
        (Step(status=429, raw=retry_info("1e9s")), None),
        (Step(status=429, raw=retry_info(["17s"])), None),
        (Step(status=429, raw=b'{"error": {"details": 7}}'), None),
        (Step(status=429, raw=b'{"error": {"details": [1, {"@type": 2}]}}'), None),
        (Step(status=429, raw=b'[{"error": 1}]'), None),
    ],
)
def test_the_pause_that_a_server_asks_for_is_kept_up_to_a_limit(
    server: ModelServer, step: Step, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waiting is noted instead of done, but for that of other threads."""
    waited: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        ours = threading.current_thread() is threading.main_thread()
        waited.append(seconds) if ours else real(seconds)

    monkeypatch.setattr("vlmrt_dist.vlm.providers.transport.time.sleep", sleep)
    server.answers(step, GOOD)
    assert ask(advisor("gemini", server)).usage.attempts == 2
    [pause] = waited
    assert pause < 0.01 if expected is None else pause == pytest.approx(expected, rel=1e-12)


def test_no_server_is_said_at_once(
    provider: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(seconds: float) -> None:
        raise AssertionError(f"waited {seconds} s for another attempt")

    monkeypatch.setattr("vlmrt_dist.vlm.providers.transport.time.sleep", wait)
    someone = advisor(provider, dataclasses.replace(server, url="http://127.0.0.1:9"), backoff=5.0)
    with pytest.raises(VlmError, match=r"no connection to 127\.0\.0\.1:9"):
        ask(someone)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"<html>Welcome to the hotel's network</html>", "not JSON"),
        (b"", "empty"),
        (b"[]", "not a JSON object"),
        (b'{"candidates": NaN}', "NaN"),
        (b'{"choices": [], "choices": []}', "twice"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"a":' * 100_000, "nested"),
    ],
    ids=["html", "empty", "list", "NaN", "duplicate", "bytes", "nested"],
)
def test_a_response_that_is_none_is_an_error(
    provider: str, server: ModelServer, raw: bytes, words: str
) -> None:
    server.answers(Step(raw=raw))
    with pytest.raises(VlmError, match=words):
        ask(advisor(provider, server))
    assert server.count == 1


@pytest.mark.parametrize(
    "envelope",
    [
        {},
        {"candidates": [], "choices": []},
        {"candidates": None, "choices": None},
        {"candidates": "text", "choices": "text"},
        {"candidates": [7], "choices": [7]},
        {"candidates": [{"content": 7}], "choices": [{"message": 7, "finish_reason": 8}]},
        {"candidates": [{"content": {"parts": [{"text": 7}]}}],
         "choices": [{"message": {"content": [1]}, "finish_reason": "stop"}]},
    ],
)  # fmt: skip
def test_an_envelope_of_another_shape_is_an_error(
    provider: str, server: ModelServer, envelope: dict[str, Any]
) -> None:
    server.answers(Step(envelope=envelope))
    with pytest.raises(VlmError):
        ask(advisor(provider, server))
    assert server.count == 1


@pytest.mark.parametrize(
    ("gemini", "chat", "words"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, chat_envelope(
            None, message={"role": "assistant", "content": None, "refusal": "SAFETY first"}),
         "SAFETY"),
        (gemini_envelope("", finishReason="SAFETY"),
         chat_envelope("", finish_reason="content_filter"), "SAFETY|content_filter"),
        (gemini_envelope(GOOD[:50], finishReason="MAX_TOKENS"),
         chat_envelope(GOOD[:50], finish_reason="length"), "max_output_tokens"),
    ],
    ids=["blocked question", "blocked answer", "cut"],
)  # fmt: skip
def test_no_answer_is_an_error_that_says_why(
    provider: str, server: ModelServer, gemini: Any, chat: Any, words: str
) -> None:
    server.answers(Step(envelope=gemini if provider == "gemini" else chat))
    with pytest.raises(VlmError, match=words):
        ask(advisor(provider, server))
    assert server.count == 1


def test_a_huge_response_costs_neither_memory_nor_time(provider: str, server: ModelServer) -> None:
    server.answers(Step(raw=b"x" * 2**20, repeat=500))
    someone = advisor(provider, server)
    begin = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(VlmError, match="longer than 2097152 bytes"):
            ask(someone)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert server.count == 1
    assert peak < 100e6
    assert time.process_time() - begin < 10.0


def test_a_compressed_response_is_not_unpacked(provider: str, server: ModelServer) -> None:
    server.answers(Step(raw=b"x", headers={"content-encoding": "gzip"}))
    with pytest.raises(VlmError, match="compressed"):
        ask(advisor(provider, server))


def test_the_bound_on_cost_holds_before_anything_is_sent(
    provider: str, server: ModelServer
) -> None:
    server.answers(GOOD)
    frugal = advisor(provider, server, max_cost_usd=0.01, price_usd=(1.0, 10.0))
    with pytest.raises(VlmError, match=r"bound is 0\.01; it was not sent"):
        ask(frugal)
    assert server.count == 0
    frugal = advisor(provider, server, price_usd=(1.0, 10.0), max_cost_usd=0.2,
                     max_output_tokens=10_000, cache=False)  # fmt: skip
    for _ in range(5):
        ask(frugal)
    assert frugal.transport.meter.spent_usd == pytest.approx(5 * (1000 + 5000) / 1e6)


def test_unanswered_requests_count_at_their_most(provider: str, server: ModelServer) -> None:
    server.answers(Step(reset=True))
    frugal = advisor(provider, server, price_usd=(0.0, 10.0), max_cost_usd=0.25,
                     max_output_tokens=10_000, retries=9)  # fmt: skip
    with pytest.raises(VlmError, match="spent and the bound"):
        ask(frugal)
    assert server.count == 2  # a third could have exceeded the bound
    server.answers(Step(status=503))
    frugal = advisor(provider, server, price_usd=(0.0, 10.0), max_cost_usd=0.25,
                     max_output_tokens=10_000, retries=9)  # fmt: skip
    with pytest.raises(VlmError, match="10 attempts"):
        ask(frugal)  # refused requests cost nothing
    assert frugal.transport.meter.spent_usd == pytest.approx(0.0)


def test_the_bound_on_requests_counts_retries(provider: str, server: ModelServer) -> None:
    server.answers(Step(status=503))
    with pytest.raises(VlmError, match="bound of 2 requests"):
        ask(advisor(provider, server, max_requests=2, retries=9))
    assert server.count == 2


def test_the_loopback_is_never_asked_through_a_proxy(
    provider: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    server.answers(GOOD)
    assert ask(advisor(provider, server)).usage.attempts == 1


def test_another_host_is_asked_through_the_proxy(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loopback server stands in for a proxy: it sees the request to the other host."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("OPENAI_API_KEY")
    server.answers(GOOD)
    far = advisor_named(OpenAICompatible("m", "http://models.invalid/v1"))
    assert ask(far).usage.attempts == 1
    assert server.asked[0].path == "http://models.invalid/v1/chat/completions"


@pytest.mark.parametrize("proxy", ["socks5://user:hunter2@127.0.0.1:9", "gopher://127.0.0.1"])
def test_a_proxy_that_cannot_be_used_is_said(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.delenv("OPENAI_API_KEY")
    far = advisor_named(OpenAICompatible("m", "http://models.invalid/v1"))
    with pytest.raises(VlmError, match="ALL_PROXY") as caught:
        ask(far)
    assert "hunter2" not in everything_said(caught.value)


def test_the_environment_redirects_nothing(
    provider: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    server.answers(GOOD)
    ask(advisor(provider, server))
    assert server.count == 1
    assert "org-private" not in json.dumps(server.asked[0].headers)


def everything_said(error: BaseException | None) -> str:
    """An error with all that hangs on it, also what a debugger would show of its frames."""
    text = ""
    while error is not None:
        text += "".join(traceback.format_exception(error)) + repr(vars(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:  # the test itself knows the key
                text += repr(frame.f_locals)
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize(
    "step",
    [
        Step(status=401, raw=f'{{"error": {{"message": "bad key {SECRET}"}}}}'.encode()),
        Step(status=500, raw=f"echo: {SECRET}".encode()),
        Step(reset=True),
        Step(raw=b"<html>"),
        Step(raw=b"x" * 3_000_000),
        Step(envelope={"candidates": 7, "choices": 7}),
        Step(envelope={}),
        Step(text=GOOD, pause=0.5),
    ],
    ids=["401", "500", "reset", "html", "huge", "shape", "empty", "slow"],
)
def test_no_error_and_no_log_carries_the_key(
    provider: str, server: ModelServer, step: Step, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(step)
    someone = advisor(provider, server, timeout=0.2)
    with caplog.at_level(logging.DEBUG), pytest.raises(VlmError) as caught:
        ask(someone)
    assert server.count >= 1  # so there was something to be said
    assert any(SECRET in value for value in server.asked[0].headers.values())
    assert SECRET not in everything_said(caught.value)
    assert SECRET not in caplog.text
    assert SECRET not in repr(vars(someone)) + repr(vars(someone.transport))
    other = {"GEMINI_API_KEY", "OPENAI_API_KEY"} & os.environ.keys()
    assert other == {"OPENAI_API_KEY" if provider == "gemini" else "GEMINI_API_KEY"}
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)


def test_an_advisor_with_a_key_does_not_travel(provider: str, server: ModelServer) -> None:
    with pytest.raises(TypeError, match="does not travel"):
        pickle.dumps(advisor(provider, server))


def test_an_answer_that_repeats_the_key_is_kept_without_it(
    provider: str, server: ModelServer, tmp_path: Path
) -> None:
    server.answers(materials(entry("floor", source=f"key {SECRET}")))
    advice = ask(advisor(provider, server, record=tmp_path / "said.json"))
    assert advice.prior.sources[0] == "key [key removed]"
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2
    assert not any(SECRET.encode() in content for content in written)
