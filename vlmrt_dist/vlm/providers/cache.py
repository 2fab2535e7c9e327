"""Cache of answers on disk, so that a study asks each question once.

One file for each answer, ``vlm/<sha256>.json`` in the package's cache folder, readable by its owner
only. It holds the model's raw text, which is parsed and checked at every use.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from pathlib import Path

from pydantic import ValidationError

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store import UnreadableFile, cache_folder, is_read_only, read_limited, write_atomic
from vlmrt_dist.vlm.parsing import UnreadableAnswer, read_object
from vlmrt_dist.vlm.questions import Reply

MAX_ENTRY_BYTES = 4 * 1024 * 1024


class AnswerCache:
    """Replies by the fingerprint of question and settings.

    :param folder: of the files; None: ``vlm`` in the package's cache folder
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder) if folder is not None else cache_folder() / "vlm"

    def load(self, fingerprint: str) -> Reply | None:
        """The reply kept under ``fingerprint``; None if there is none or it is damaged."""
        with contextlib.suppress(UnreadableFile, UnreadableAnswer, ValidationError, UnicodeError):
            text = read_limited(self._file(fingerprint), MAX_ENTRY_BYTES).decode()
            entry = read_object(text, max_bytes=MAX_ENTRY_BYTES)
            stated = entry.pop("sha256", None)
            reply = Reply.model_validate(entry)
            if stated == checksum(fingerprint, reply):
                return reply
        return None

    def save(self, fingerprint: str, reply: Reply) -> None:
        """Store a reply; a failure to write is a warning, not an error."""
        if is_read_only():
            return
        file = self._file(fingerprint)
        entry = reply.model_dump_json()[:-1] + f',"sha256":"{checksum(fingerprint, reply)}"}}\n'
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(file, entry.encode(), private=True)
        except (OSError, StorageError) as error:
            warnings.warn(
                f"the answer cannot be cached and would be asked for again: {error}; name another "
                "folder in VLMRT_CACHE_DIR",
                stacklevel=2,
            )

    def _file(self, fingerprint: str) -> Path:
        return self.folder / f"{hashlib.sha256(fingerprint.encode()).hexdigest()}.json"


def checksum(fingerprint: str, reply: Reply) -> str:
    """SHA-256 of a reply with its question, so that a file under another name is none."""
    return hashlib.sha256(f"{fingerprint}\n{reply.model_dump_json()}".encode()).hexdigest()
