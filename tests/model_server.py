"""A server on the loopback that speaks ``generateContent`` and chat completions from a script."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DEADLINE = 30.0


@dataclass
class Asked:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def gemini(self) -> bool:
        return self.path.endswith(":generateContent")

    @property
    def text(self) -> str:
        """The prompt."""
        if self.gemini:
            return str(self.body["contents"][0]["parts"][0]["text"])
        return str(self.body["messages"][0]["content"][0]["text"])


@dataclass
class Step:
    """One response of the script.

    :param text: the model's answer, put into the protocol's envelope
    :param envelope: the whole response instead
    :param status: of HTTP
    :param raw: the body instead, as it is
    :param pause: before it [s]
    :param reset: break the connection instead of answering
    :param repeat: send the raw body so often, until the client hangs up
    :param drip: send the body in single bytes, so many seconds apart
    :param pieces: send these instead of a response, ``pause`` seconds apart, until the client hangs
        up
    """

    text: str | Callable[[Asked], str] | None = None
    envelope: dict[str, Any] | None = None
    status: int = 200
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    reset: bool = False
    repeat: int = 1
    drip: float = 0.0
    pieces: Sequence[bytes] = ()


@dataclass
class ModelServer:
    """What was asked, and what is to be answered; the last step is repeated for ever."""

    url: str = ""
    script: list[Step] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    bytes_sent: int = 0
    pieces_sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        return len(self.asked)

    def answers(self, *steps: Step | str | Callable[[Asked], str]) -> None:
        """Set the script; texts are answers of the model."""
        self.asked.clear()
        self.script = [s if isinstance(s, Step) else Step(text=s) for s in steps]

    def take(self, asked: Asked) -> Step:
        with self._lock:
            self.asked.append(asked)
            return self.script[min(len(self.asked), len(self.script)) - 1]


def gemini_envelope(text: str, **candidate: Any) -> dict[str, Any]:
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": text}]},
                "finishReason": "STOP",
                **candidate,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 1000,
            "candidatesTokenCount": 200,
            "thoughtsTokenCount": 300,
        },
    }


def chat_envelope(text: str | None, **choice: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                **choice,
            }
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
    }


@contextlib.contextmanager
def model_server() -> Iterator[ModelServer]:
    """The server, on a free port, until the block ends."""
    state = ModelServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked = Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            step = state.take(asked)
            time.sleep(step.pause)
            if step.reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                self.close_connection = True
                return
            if step.pieces:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    for piece in step.pieces:
                        self.wfile.write(piece)
                        state.pieces_sent += 1
                        time.sleep(step.pause)
                return
            content = step.raw
            if content is None:
                envelope = step.envelope
                if envelope is None:
                    text = step.text(asked) if callable(step.text) else (step.text or "")
                    envelope = gemini_envelope(text) if asked.gemini else chat_envelope(text)
                content = json.dumps(envelope).encode()
            self.send_response(step.status)
            for name, value in step.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content) * step.repeat))
            self.end_headers()
            try:
                if step.drip:
                    for k in range(len(content)):
                        self.wfile.write(content[k : k + 1])
                        self.wfile.flush()
                        time.sleep(step.drip)
                    return
                for _ in range(step.repeat):
                    self.wfile.write(content)
                    state.bytes_sent += len(content)
            except OSError:
                self.close_connection = True  # the client has hung up

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE)
