"""Strict reading of a model's answer: unambiguous JSON first, then its shape.

``json.loads`` takes the last of two equal keys, accepts ``NaN``, overflows ``1e999`` to infinity
and recurses without a limit. An answer is untrusted, so all of these are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_ANSWER_BYTES = 256 * 1024
"""Longest answer that is parsed [bytes]."""

MAX_NESTING = 8
"""Deepest nesting of arrays and objects; the schemas need four levels."""

MAX_DIGITS = 20
"""Most digits of an integer."""

MAX_TEXT = 500
"""Longest excerpt of a model's sentence [characters]."""

_FENCED = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n[ \t]*```\Z", re.DOTALL)
_FENCED_SOMEWHERE = re.compile(r"^```(?:json)?[ \t]*\n(.*?)\n[ \t]*```[ \t]*$", re.DOTALL | re.M)
# A string that is never closed matches to the end, else every quote in it would be tried anew.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class UnreadableAnswer(Exception):
    """Reason why an answer cannot be read; quoted in the repair request or in an error."""


class MaterialEntry(BaseModel):
    """A model's choice for one object; c and d are compared with the table's, not used."""

    model_config = ConfigDict(strict=True, extra="ignore")

    object: str
    material: str
    confidence: float = Field(ge=0.0, le=1.0)
    c: float | None = None
    d: float | None = None
    source: str = ""


class PositionEntry(BaseModel):
    """One antenna position [m] and the reason for it."""

    model_config = ConfigDict(strict=True, extra="ignore")

    x: float
    y: float
    z: float
    reason: str = ""


class RepairedPosition(PositionEntry):
    """A position that replaces an invalid one; receiver 0 is the setup's transmitter."""

    setup: int = Field(ge=1)
    receiver: int = Field(ge=0)


def read_object(
    text: str, *, max_bytes: int = MAX_ANSWER_BYTES, max_nesting: int = MAX_NESTING
) -> dict[str, Any]:
    """The JSON object in ``text``, which may stand in one fenced code block.

    :raises UnreadableAnswer: if it is longer than ``max_bytes``, no JSON, no object, or holds
        duplicate keys, NaN, Infinity, numbers too large, more than ``max_nesting`` levels or half
        a character
    """
    text = _stripped(text, max_bytes)
    fenced = _FENCED.match(text)
    value = _parsed(fenced[1] if fenced else text, _without_duplicates, max_nesting)
    if not isinstance(value, dict):
        raise UnreadableAnswer("it is not a JSON object")
    return value


def read_array(text: str) -> list[Any]:
    """The entries of the JSON array in ``text``, which may stand in one fenced code block with
    words around it. An object whose keys come again, as in the schemas that the paper prints, is
    one entry for each time that its first key comes.

    :raises UnreadableAnswer: if it is no array, or as :func:`read_object`
    """
    text = _stripped(text, MAX_ANSWER_BYTES)
    fenced = _FENCED_SOMEWHERE.findall(text)
    value = _parsed(fenced[0] if len(fenced) == 1 else text, _entries_of, MAX_NESTING)
    if not isinstance(value, list) or isinstance(value, _Entries):
        raise UnreadableAnswer("it is not a JSON list")
    return [entry for item in value for entry in (item if isinstance(item, _Entries) else [item])]


def read_list(answer: dict[str, Any], key: str) -> list[Any]:
    """The array under ``key``; other keys are ignored.

    :raises UnreadableAnswer: if there is none
    """
    value = answer.get(key)
    if not isinstance(value, list):
        raise UnreadableAnswer(f'the object has no array "{key}"')
    return value


def shape_problem(error: ValidationError) -> str:
    """Problems of an entry's shape, without its values."""
    return "; ".join(
        f"{'.'.join(map(str, part['loc'])) or 'the entry'}: {part['msg'].lower()}"
        for part in error.errors(include_url=False, include_input=False, include_context=False)[:5]
    )


def printable(text: str, length: int = MAX_TEXT) -> str:
    """Untrusted text as one printable line: whitespace joined, control characters escaped, cut."""
    line = " ".join(text[: 4 * length].split())
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line[:length])
    return shown + ("…" if len(line) > length else "")


class _Entries(list[Any]):
    """Objects that were written as one, key after key."""


def _entries_of(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Entries:
    """The object of some keys, or the entries that were written as one."""
    if len(dict(pairs)) == len(pairs):
        return dict(pairs)
    entries: list[list[tuple[str, Any]]] = []
    for key, value in pairs:
        if key == pairs[0][0]:
            entries.append([])
        entries[-1].append((key, value))
    return _Entries(_without_duplicates(entry) for entry in entries)


def _stripped(text: str, max_bytes: int) -> str:
    if len(text) > max_bytes or len(text.encode(errors="surrogatepass")) > max_bytes:
        raise UnreadableAnswer(f"it is longer than {max_bytes} bytes")
    if not text.strip():
        raise UnreadableAnswer("it is empty")
    return text.strip()


def _parsed(text: str, hook: Callable[[list[tuple[str, Any]]], Any], max_nesting: int) -> Any:
    _check_nesting(text, max_nesting)
    try:
        value = json.loads(
            text,
            object_pairs_hook=hook,
            parse_constant=_refuse_constant,
            parse_int=_limited_integer,
            parse_float=_finite_number,
        )
    except json.JSONDecodeError as error:
        raise UnreadableAnswer(
            f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    for string in _strings(value):
        if any("\ud800" <= character <= "\udfff" for character in string):
            raise UnreadableAnswer("it holds half a character (a lone surrogate)")
    return value


def _check_nesting(text: str, most: int) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > most:
            raise UnreadableAnswer(f"arrays and objects are nested more than {most} deep")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise UnreadableAnswer(f"the key {printable(twice, 60)!r} stands twice in one object")
    return result


def _refuse_constant(text: str) -> Any:
    raise UnreadableAnswer(f"{text} is no number in JSON")


def _limited_integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise UnreadableAnswer(f"an integer has more than {MAX_DIGITS} digits")
    return int(text)


def _finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise UnreadableAnswer("a number is too large")
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
