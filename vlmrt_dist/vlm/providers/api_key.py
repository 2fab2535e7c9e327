"""Keys of providers, read from the environment or a private file.

Processes that are started later (Ray's workers, the renderer) inherit the environment, so every
variable that may hold the key is removed when it is read. Only ``transport`` sends a key; no client
library holds it, as their errors and logs carry requests with their headers.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vlmrt_dist.errors import VlmError
from vlmrt_dist.store import UnreadableFile, read_limited

MAX_KEY_BYTES = 4096
REMOVED = "[key removed]"


@dataclass(frozen=True)
class KeyPlace:
    """Environment variables of a provider's key.

    :param variables: hold the key; the first one set counts, and all are removed
    :param file_variable: names a file that holds the key
    """

    variables: tuple[str, ...]
    file_variable: str


GEMINI_KEY = KeyPlace(("GEMINI_API_KEY", "GOOGLE_API_KEY"), "VLMRT_GEMINI_KEY_FILE")
OPENAI_KEY = KeyPlace(("OPENAI_API_KEY",), "VLMRT_OPENAI_KEY_FILE")


class Key:
    """A secret that is never printed or pickled."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "Key(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key does not travel to other processes")

    def reveal(self) -> str:
        """The secret itself, for the header of a request."""
        return self._secret

    def removed_from(self, text: str) -> str:
        """``text``, from a server, without the secret."""
        return text.replace(self._secret, REMOVED)


_taken: dict[KeyPlace, Key] = {}
"""Keys read from the environment, for the next advisor of this process."""


def find_key(place: KeyPlace, file: str | os.PathLike[str] | None = None) -> Key | None:
    """The key of a provider: from ``file``, the file that a variable names, or a variable.

    The variables of ``place`` are removed from the environment.

    :return: None where there is none
    :raises VlmError: if the file is missing, readable for others, or holds no key
    """
    found = [os.environ.pop(name, "").strip() for name in place.variables]
    secret = next((text for text in found if text), None)
    if secret is not None:
        _taken[place] = _checked(secret, f"the variable {' or '.join(place.variables)}")
    named = file if file is not None else os.environ.get(place.file_variable)
    if named:
        return _from_file(Path(named))
    return _taken.get(place)


def _from_file(path: Path) -> Key:
    try:
        content = read_limited(path, MAX_KEY_BYTES)
        mode = path.stat().st_mode
    except OSError as error:
        raise VlmError(f"cannot read the key file {path}: {error.strerror}") from None
    except UnreadableFile as error:
        raise VlmError(f"cannot read the key file {path}: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise VlmError(f"others may read the key file {path}; run: chmod 600 {path}")
    return _checked(content.decode("ascii", errors="replace").strip(), f"the key file {path}")


def _checked(secret: str, where: str) -> Key:
    if len(secret) < 8 or not all("!" <= character <= "~" for character in secret):
        raise VlmError(f"{where} holds no key: one word of at least 8 ASCII characters is expected")
    return Key(secret)
