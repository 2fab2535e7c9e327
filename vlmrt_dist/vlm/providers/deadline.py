"""One deadline for a whole exchange with a server, from the look-up of its name to the last byte.

The HTTP library's timeouts start anew with every byte, and its look-up of names has none.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2

Answer = TypeVar("Answer")
Trace = Callable[[str, dict[str, Any]], None]


def within(seconds: float, exchange: Callable[[Trace], Answer]) -> Answer:
    """The result of ``exchange``, which runs in a thread of its own.

    At the deadline its connections are cut, so that the thread ends too.

    :param exchange: is given the function to pass to a request as its extension ``trace``
    :raises httpx2.ReadTimeout: if it takes longer
    """
    connections: list[Any] = []
    results: list[Answer] = []
    failures: list[BaseException] = []

    def note(event: str, info: dict[str, Any]) -> None:
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            connections.append(info["return_value"])

    def run() -> None:
        try:
            results.append(exchange(note))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="request to a model", daemon=True)
    thread.start()
    late = True
    try:
        thread.join(seconds)
        late = thread.is_alive()
    finally:
        if late:  # so that what cutting does to the exchange is not taken for its failure
            for each in connections:
                _cut(each.get_extra_info("socket"))
    if late:
        raise httpx2.ReadTimeout("the answer comes too slowly")
    if results:
        return results[0]
    raise failures[0]


def _cut(connection: socket.socket | None) -> None:
    """Wake a thread that waits for the connection; the thread closes it."""
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
