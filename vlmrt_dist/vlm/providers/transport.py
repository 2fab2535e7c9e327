"""Transport to model servers: bounded in time, size, attempts and cost; the only holder of a key.

The client libraries build requests and read answers; :class:`Wire` is their HTTP transport. So both
behave alike: the same retries, the same limits, no redirects (which would carry the key elsewhere),
and no telemetry headers. The libraries never hold the key, hence neither do their exceptions, logs
and pickles.
"""

from __future__ import annotations

import functools
import ipaddress
import random
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from vlmrt_dist.errors import ConfigurationError, VlmError
from vlmrt_dist.vlm.budget import Meter
from vlmrt_dist.vlm.options import Connection, check_base_url
from vlmrt_dist.vlm.parsing import UnreadableAnswer, printable, read_object
from vlmrt_dist.vlm.providers.api_key import Key
from vlmrt_dist.vlm.providers.deadline import Trace, within

MAX_RESPONSE_BYTES = 2 * 1024 * 1024
"""Longest response; reading stops there."""

MAX_RESPONSE_NESTING = 32
MAX_ERROR_TEXT = 300
"""Longest excerpt of a server's message in an error [characters]."""

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
MAX_WAIT = 60.0
"""Longest pause before a retry [s], also where a server asks for a longer one."""

RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
"""Detail of an error that holds the pause which a server asks for, in place of ``Retry-After``."""

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")

PLACEHOLDER_KEY = "held-by-the-wire"
"""Stands in for the key in the client libraries."""

_HEADERS_SENT = ("host", "content-length", "content-type", "accept")


Answer = TypeVar("Answer")


class RequestFailed(Exception):
    """A request that brought no answer.

    :param text: the reason, for people; holds no key
    :param status: of HTTP, where there was a response
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text, status)
        self.text = text
        self.status = status


@dataclass(eq=False)
class Wire(httpx2.BaseTransport):
    """A transport for both client libraries.

    :param base_url: where the server is
    :param key: goes into ``key_header``, preceded by ``key_prefix``
    :param meter: counts and bounds the requests
    :param connection: timeout and retries
    :raises ConfigurationError: if ``base_url`` is no http or https address, or a key would travel
        in clear text
    """

    base_url: str
    key: Key | None
    key_header: str
    key_prefix: str
    meter: Meter
    connection: Connection
    most_usd: float = field(default=0.0, init=False)
    failure: RequestFailed | VlmError | None = field(default=None, init=False)
    answered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        check_base_url(self.base_url)
        self.base_url = self.base_url.rstrip("/")
        if self.key is not None and self.base_url.startswith("http:") and not self.loopback:
            raise ConfigurationError(
                f"a key is not sent in clear text to {self.host}; use https, or unset the key"
            )

    @property
    def host(self) -> str:
        """Host and port of the server."""
        return urlsplit(self.base_url).netloc

    @property
    def loopback(self) -> bool:
        """True if the server is this machine; requests to it never pass a proxy."""
        return _is_loopback(urlsplit(self.base_url).hostname or "")

    def client(self) -> httpx2.Client:
        """The HTTP client to give to a library."""
        return httpx2.Client(transport=self, follow_redirects=False, trust_env=False)

    def asked(self, call: Callable[[], Answer], most_usd: float) -> Answer:
        """The result of ``call``, a function of a library that uses :meth:`client`.

        Errors are raised anew, so that none carries the frames in which a request is sent.

        :param most_usd: the most that one attempt can cost [US dollars]
        :raises RequestFailed: if there is no answer, or not one that the library understands
        :raises VlmError: if a bound of the meter forbids it
        """
        self.most_usd, self.failure, self.answered = most_usd, None, False
        try:
            return call()
        except Exception as error:
            if self.failure is None and not self.answered:
                raise  # a mistake of ours; nothing was sent
            failure = self.failure or RequestFailed(
                f"{self.host} answered in an unexpected shape ({type(error).__name__})"
            )
        if isinstance(failure, VlmError):
            raise VlmError(failure.message)
        raise RequestFailed(failure.text, failure.status)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """One answer for ``request``, after as many attempts as are allowed.

        :raises RequestFailed: if no attempt brings one
        :raises VlmError: if a bound of the meter forbids an attempt
        """
        try:
            return self._attempts(request, request.read())
        except (RequestFailed, VlmError) as failure:
            self.failure = failure  # a library may wrap it
            raise

    def _attempts(self, request: httpx2.Request, body: bytes) -> httpx2.Response:
        attempt = 0
        while True:
            self.meter.set_aside(self.most_usd)
            wait = None
            try:
                response = within(
                    self.connection.timeout, functools.partial(self._send, request, body)
                )
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                failed = RequestFailed(_trouble(error, self.host, self.connection.timeout))
                again = not isinstance(error, (httpx2.ConnectError, httpx2.UnsupportedProtocol))
                if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
                    self.meter.settle(self.most_usd, 0.0)  # nothing was sent
            else:
                if response.status_code == 200:
                    self.answered = True
                    return response
                self.meter.settle(self.most_usd, 0.0)
                failed = RequestFailed(self._status_text(response), response.status_code)
                again = response.status_code in RETRIED_STATUSES
                wait = _asked_pause(response)
            if not again or attempt >= self.connection.retries:
                tries = "" if attempt == 0 else f" ({attempt + 1} attempts)"
                raise RequestFailed(failed.text + tries, failed.status)
            if wait is None:
                wait = self.connection.backoff * 2.0**attempt * (1.0 + random.random())
            time.sleep(min(wait, MAX_WAIT))
            attempt += 1

    @functools.cached_property
    def _sender(self) -> httpx2.Client:
        """The client that opens connections; none outlives its request."""
        try:
            return httpx2.Client(
                trust_env=not self.loopback,
                follow_redirects=False,
                timeout=self.connection.timeout,
                limits=httpx2.Limits(max_keepalive_connections=0),
                verify=tls(),
            )
        except (ImportError, ValueError, httpx2.InvalidURL):
            pass  # the address may hold a password, so it is not repeated
        raise VlmError(
            "the proxy that the environment names cannot be used; see HTTPS_PROXY, HTTP_PROXY, "
            "ALL_PROXY and NO_PROXY"
        )

    def _send(self, request: httpx2.Request, body: bytes, trace: Trace) -> httpx2.Response:
        headers = {name: request.headers[name] for name in _HEADERS_SENT if name in request.headers}
        headers |= {"accept-encoding": "identity", "user-agent": "vlmrt_dist"}
        if self.key is not None:
            headers[self.key_header] = self.key_prefix + self.key.reveal()
        content = bytearray()
        with self._sender.stream(
            request.method,
            str(request.url),
            headers=headers,
            content=body,
            extensions={"trace": trace},
        ) as response:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise RequestFailed(f"{self.host} answered compressed, which was not asked for")
            for part in response.iter_raw():
                content += part
                if len(content) > MAX_RESPONSE_BYTES:
                    raise RequestFailed(
                        f"the answer of {self.host} is longer than {MAX_RESPONSE_BYTES} bytes"
                    )
            return httpx2.Response(
                response.status_code,
                headers={
                    "content-type": "application/json",
                    "retry-after": response.headers.get("retry-after", ""),
                },
                content=self._checked(response.status_code, bytes(content)),
            )

    def _checked(self, status: int, content: bytes) -> bytes:
        """The body, if it is unambiguous JSON and so safe to give to a library."""
        if status != 200:
            return content
        try:
            text = content.decode()
            read_object(text, max_bytes=MAX_RESPONSE_BYTES, max_nesting=MAX_RESPONSE_NESTING)
        except UnicodeDecodeError:
            raise RequestFailed(f"{self.host} answered with bytes that are not UTF-8") from None
        except UnreadableAnswer as error:
            raise RequestFailed(f"{self.host} answered with something else: {error}") from None
        return content

    def _status_text(self, response: httpx2.Response) -> str:
        said = _message(response.content)
        if self.key is not None:
            said = self.key.removed_from(said)
        status = response.status_code
        hint = {
            400: "; the request or the key is not accepted",
            401: "; the key is not accepted",
            403: "; the key is not accepted",
            404: "; is the model's name right?",
            429: "; the quota is used up",
        }.get(status, "")
        if 300 <= status < 400:
            hint = "; redirects are not followed, give the final base URL"
        said = printable(said, MAX_ERROR_TEXT)
        return f"{self.host} answered {status}{hint}" + (f": {said}" if said else "")


@functools.cache
def tls() -> ssl.SSLContext:
    """The trusted certificates, for all connections; they take 0.07 s to load."""
    return httpx2.create_ssl_context()


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine for certain: a name below localhost is whatever the network's
    name server says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _trouble(error: Exception, host: str, timeout: float) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return f"{host} did not answer within {timeout:g} s"
    if isinstance(error, httpx2.ConnectError):
        return f"no connection to {host}: {printable(str(error), 200)}"
    return f"the connection to {host} broke: {printable(str(error), 200) or type(error).__name__}"


def _asked_pause(response: httpx2.Response) -> float | None:
    """The pause that a server asks for [s], in a header or in the body; None: it asks for none."""
    header = response.headers["retry-after"]
    if header.isascii() and header.isdigit():
        return float(header)
    error = _error(response.content.decode(errors="replace"))
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("@type") == RETRY_INFO:
            asked = _DURATION.fullmatch(str(detail.get("retryDelay")))
            if asked:
                return float(asked[1])
    return None


def _error(text: str) -> Any:
    """The object under ``error`` in a response; None where there is none."""
    try:
        return read_object(text, max_nesting=MAX_RESPONSE_NESTING).get("error")
    except UnreadableAnswer:
        return None


def _message(content: bytes) -> str:
    """The server's message: ``error.message`` if there is one, else the beginning of the text."""
    text = content[:20_000].decode(errors="replace")
    found = _error(text)
    if isinstance(found, dict):
        found = found.get("message")
    return found if isinstance(found, str) else text
