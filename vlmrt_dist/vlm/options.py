"""Advisors as values: which provider answers, with which model, within which bounds.

A value checks itself and holds no key, so it can be compared, printed and pickled;
:func:`vlmrt_dist.vlm.registry.advisor_named` opens it as an
:class:`~vlmrt_dist.vlm.advisor.Advisor`, which reads the key.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args
from urllib.parse import urlsplit

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.vlm.budget import Budget, known_price
from vlmrt_dist.vlm.parsing import printable

PromptName = Literal["structured", "verbatim"]
"""The paper's prompts in words of our own, with the scene's objects and a form of the answer that
is valid JSON; or as the paper prints them, the pictures without the objects' names."""

AdvisorName = Literal["gemini", "openai_compatible", "offline", "recorded"]

ADVISORS: tuple[AdvisorName, ...] = get_args(AdvisorName)
"""Names of the advisors; each stands for its defaults."""

GEMINI_MODEL = "gemini-2.5-pro"
GEMINI_URL = "https://generativelanguage.googleapis.com"

GEMINI_BUDGET = Budget(max_cost_usd=5.0)
SERVER_BUDGET = Budget(max_cost_usd=None)

_GEMINI_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*(/[A-Za-z0-9][A-Za-z0-9._@-]*)*")

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Connection:
    """Requests to a server.

    :param timeout: for connecting, and for the whole answer of one attempt [s]; the paper's
        questions took 4 s and 50 s
    :param retries: attempts beyond the first, after 408, 429, 5xx, timeouts and broken connections
    :param backoff: pause before the first retry [s], doubled for each further one, plus up to as
        much at random; a server's ``Retry-After`` replaces it
    :raises ConfigurationError: if a setting is out of range
    """

    timeout: float = 180.0
    retries: int = 4
    backoff: float = 2.0

    def __post_init__(self) -> None:
        if not 0.0 < self.timeout < math.inf:
            raise ConfigurationError("timeout must be a positive number of seconds")
        if self.retries < 0 or not 0.0 <= self.backoff < math.inf:
            raise ConfigurationError("retries and backoff must be 0 or more")


@dataclass(frozen=True)
class Answers:
    """Storage of a model's answers.

    :param cache: keep answers on disk and ask each question once
    :param record: file to which every answer is added, for :class:`Recorded`
    """

    cache: bool = True
    record: Path | None = None


@dataclass(frozen=True)
class Gemini:
    """Google's Gemini, the paper's model.

    :param model: as Google calls it
    :param base_url: another server that speaks ``generateContent``
    :param key_file: file that holds the key, readable by its owner only; None: the file that
        ``VLMRT_GEMINI_KEY_FILE`` names, or ``GEMINI_API_KEY`` or ``GOOGLE_API_KEY``
    :param temperature: of sampling; None: the model's default
    :param max_output_tokens: longest answer, thoughts included
    :param connection: timeout and retries
    :param budget: most requests and US dollars of one advisor
    :param answers: cache and recording
    :param anonymous: hide names and material classes of the scene's file from the model
    :param prompt: which text the questions have
    :raises ConfigurationError: if a setting is out of range, or a bound on the cost is asked for
        and the price of the model is not known
    """

    name: ClassVar[AdvisorName] = "gemini"

    model: str = GEMINI_MODEL
    base_url: str = GEMINI_URL
    key_file: Path | None = None
    temperature: float | None = 0.0
    max_output_tokens: int = 32_768
    connection: Connection = Connection()
    budget: Budget = GEMINI_BUDGET
    answers: Answers = Answers()
    anonymous: bool = False
    prompt: PromptName = "structured"

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        if not _GEMINI_NAME.fullmatch(self.model):
            raise ConfigurationError(f"{printable(self.model, 60)!r} is no name of a Gemini model")
        check_base_url(self.base_url)
        self.budget.price_of(known_price(self.model))

    @property
    def price_usd(self) -> tuple[float, float] | None:
        """US dollars for a million tokens (sent, received); None if not known."""
        return self.budget.price_of(known_price(self.model))


@dataclass(frozen=True)
class OpenAICompatible:
    """Any server that speaks the chat-completions protocol with images.

    :param model: as the server calls it
    :param base_url: up to and without ``/chat/completions``, such as http://127.0.0.1:8000/v1
    :param key_file: file that holds a key, readable by its owner only; None: the file that
        ``VLMRT_OPENAI_KEY_FILE`` names, or ``OPENAI_API_KEY``, or none, which local servers accept
    :param temperature: of sampling; None: the server's default
    :param max_output_tokens: longest answer
    :param connection: timeout and retries
    :param budget: most requests and US dollars of one advisor; a bound on the cost needs a price
    :param answers: cache and recording
    :param anonymous: hide names and material classes of the scene's file from the model
    :param prompt: which text the questions have
    :raises ConfigurationError: if model or base URL is missing, or a setting is out of range
    """

    name: ClassVar[AdvisorName] = "openai_compatible"

    model: str = ""
    base_url: str = ""
    key_file: Path | None = None
    temperature: float | None = 0.0
    max_output_tokens: int = 16_384
    connection: Connection = Connection()
    budget: Budget = SERVER_BUDGET
    answers: Answers = Answers()
    anonymous: bool = False
    prompt: PromptName = "structured"

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)
        if not self.model or not self.base_url:
            raise ConfigurationError(
                "openai_compatible needs a model and a base_url, for example model='qwen2.5-vl' "
                "and base_url='http://127.0.0.1:8000/v1'"
            )
        check_base_url(self.base_url)
        self.budget.price_of(None)

    @property
    def price_usd(self) -> tuple[float, float] | None:
        """US dollars for a million tokens (sent, received); None if not known."""
        return self.budget.price_usd


@dataclass(frozen=True)
class Recorded:
    """A replay of a model's recorded answers.

    :param file: the recording, see :class:`Answers`
    :param anonymous: as of the recorded questions
    :param prompt: likewise
    """

    name: ClassVar[AdvisorName] = "recorded"

    file: Path
    anonymous: bool = False
    prompt: PromptName = "structured"

    def __post_init__(self) -> None:
        _check_prompt(self.prompt)


@dataclass(frozen=True)
class Offline:
    """Rules on names and geometry; no vision model, no key, no network.

    :param anonymous: go by the shapes alone, without names and material classes
    """

    name: ClassVar[AdvisorName] = "offline"

    anonymous: bool = False


AdvisorOptions = Gemini | OpenAICompatible | Recorded | Offline


def defaults_of(name: str) -> AdvisorOptions:
    """The defaults of the advisor called ``name``.

    :raises ConfigurationError: if there is no such advisor, or it has no defaults
    """
    match name:
        case "gemini":
            return Gemini()
        case "openai_compatible":
            return OpenAICompatible()
        case "offline":
            return Offline()
        case "recorded":
            raise ConfigurationError(
                "the advisor 'recorded' needs the file of a recording: Recorded('said.json')"
            )
    raise ConfigurationError(f"unknown advisor {name!r}; use one of {', '.join(ADVISORS)}")


def _check_prompt(prompt: str) -> None:
    if prompt not in get_args(PromptName):
        raise ConfigurationError(
            f"unknown prompt {printable(prompt, 60)!r}; use one of "
            + ", ".join(get_args(PromptName))
        )


def check_base_url(url: str) -> None:
    """Refuse a server's address that is no plain http or https URL.

    :raises ConfigurationError: if it is none, or holds a user name or password
    """
    import httpx2

    try:
        httpx2.URL(url)
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        if not plain or parts.query or parts.fragment or not url.isprintable():
            raise ValueError
    except (ValueError, httpx2.InvalidURL):
        raise ConfigurationError(
            f"the base URL {printable(url, 100)!r} is no address such as http://127.0.0.1:8000/v1"
        ) from None
    if "@" in parts.netloc:
        raise ConfigurationError("the base URL must hold no user name or password")
