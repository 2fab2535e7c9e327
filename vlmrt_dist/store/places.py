"""Places that results are written to: a folder, or a URL of object storage.

Both create a file only if nobody else has (the first of two writers wins), and show a file whole or
not at all. Credentials come from the environment (``AWS_ACCESS_KEY_ID`` and so on, or the machine's
own), never from a URL, which is printed and kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.atomic_files import (
    UnreadableFile,
    create_atomic,
    read_limited,
    write_atomic,
)
from vlmrt_dist.store.read_only import check_writable

SCHEMES = ("s3", "gs", "az", "abfs", "abfss")
"""Kinds of object storage that can create a file only if it is absent."""

_NAME = re.compile(r"[A-Za-z0-9=][A-Za-z0-9=._-]*")
MAX_ATTEMPTS, PATIENCE = 5, 60.0
"""How often a request is tried again, and for how long in all [s]."""


OWN_MARK = "vlmrt_dist"
"""Stands in files that a sweep replaces when it is run again."""

MAX_BYTES = 1 << 30
"""Largest file that is read [bytes]."""


class Stamp(NamedTuple):
    """Tells whether a file is the one that was seen before.

    :param size: in bytes
    :param version: changes when it is replaced
    """

    size: int
    version: str


@dataclass(frozen=True)
class LocalPlace:
    """A file or folder of this machine."""

    path: Path

    def __truediv__(self, name: str) -> LocalPlace:
        return LocalPlace(self.path / _checked(name))

    def renamed(self, suffix: str) -> LocalPlace:
        """The file beside it whose name ends in ``suffix`` (".pdf") instead."""
        return LocalPlace(self.path.with_suffix(suffix))

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> bytes | None:
        """The content; None if there is none.

        :raises StorageError: if it is there and cannot be read, or is no regular file of at most
            1 GiB
        """
        try:
            return read_limited(self.path, MAX_BYTES)
        except UnreadableFile as error:
            if not os.path.lexists(self.path):
                return None
            raise StorageError(f"cannot read {self}: {error}") from None

    def write(self, content: bytes) -> None:
        """Write the content, over what may be there.

        :raises StorageError: if the place cannot be written to
        """
        self._make_folder()
        write_atomic(self.path, content)

    def create(self, content: bytes) -> bool:
        """Write the content unless a file is there already; whether it was written.

        :raises StorageError: if the place cannot be written to
        """
        self._make_folder()
        return create_atomic(self.path, content)

    def move_to(self, other: LocalPlace) -> None:
        """Rename; nothing happens if the file has gone.

        :raises StorageError: if that is not possible
        """
        other._make_folder()
        try:
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path, other.path)
        except OSError as error:
            raise StorageError(f"cannot move {self}: {error.strerror}") from None

    def remove(self) -> None:
        """Remove the file, if it is there.

        :raises StorageError: if that is not possible
        """
        check_writable(self)
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot remove {self}: {error.strerror}") from None

    def stamps(self) -> dict[str, Stamp]:
        """Stamp of each file in this folder but hidden ones, by its name.

        :raises StorageError: if the folder cannot be listed
        """
        found = {}
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and not entry.is_dir():
                        with contextlib.suppress(FileNotFoundError):
                            state = entry.stat()
                            version = f"{state.st_mtime_ns}-{state.st_ino}"
                            found[entry.name] = Stamp(state.st_size, version)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"cannot list {self}: {error.strerror}") from None
        return found

    def names(self) -> Iterator[str]:
        """Names of files and folders in this folder but hidden ones, in no order."""
        try:
            with os.scandir(self.path) as found:
                yield from (entry.name for entry in found if not entry.name.startswith("."))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"cannot list {self}: {error.strerror}") from None

    def _make_folder(self) -> None:
        check_writable(self)
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make {folder}: {error.strerror}") from error


@dataclass(frozen=True)
class RemotePlace:
    """An object, or a prefix of objects, behind a URL.

    :param store: obstore's store of the bucket and prefix that the user named
    :param url: what the user named
    :param key: name below it
    """

    store: Any
    url: str
    key: str = ""

    def __truediv__(self, name: str) -> RemotePlace:
        name = _checked(name)
        return RemotePlace(self.store, self.url, f"{self.key}/{name}" if self.key else name)

    def renamed(self, suffix: str) -> RemotePlace:
        """The object beside it whose name ends in ``suffix`` (".pdf") instead."""
        stem = self.key.rpartition(".")[0] or self.key
        return RemotePlace(self.store, self.url, stem + suffix)

    def __str__(self) -> str:
        return f"{self.url}/{self.key}" if self.key else self.url

    def read(self) -> bytes | None:
        """The content; None if there is none.

        :raises StorageError: if the store does not answer, or refuses
        """
        import obstore

        with self._errors("read"):
            try:
                return bytes(obstore.get(self.store, self.key).bytes())
            except FileNotFoundError:  # obstore's NotFoundError is one
                return None

    def write(self, content: bytes) -> None:
        """Write the content, over what may be there.

        :raises StorageError: if the store does not answer, or refuses
        """
        import obstore

        with self._errors("write"):
            obstore.put(self.store, self.key, content, use_multipart=False)

    def create(self, content: bytes) -> bool:
        """Write the content unless an object is there already; whether it was written.

        :raises StorageError: if the store does not answer, or refuses
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._errors("write"):
            try:
                obstore.put(self.store, self.key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def move_to(self, other: RemotePlace) -> None:
        """Copy, then delete; nothing happens if the object has gone.

        :raises StorageError: if the store does not answer, or refuses
        """
        import obstore

        with self._errors("move"), contextlib.suppress(FileNotFoundError):
            obstore.copy(self.store, self.key, other.key)
            obstore.delete(self.store, self.key)

    def remove(self) -> None:
        """Delete the object, if it is there.

        :raises StorageError: if the store does not answer, or refuses
        """
        import obstore

        with self._errors("remove"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, self.key)

    def stamps(self) -> dict[str, Stamp]:
        """Stamp of each object directly below, by its name.

        :raises StorageError: if the store does not answer, or refuses
        """
        import obstore

        with self._errors("list"):
            found = obstore.list_with_delimiter(self.store, f"{self.key}/" if self.key else None)
        return {
            entry["path"].rpartition("/")[2]: Stamp(
                entry["size"], f"{entry['e_tag']}-{entry['last_modified'].isoformat()}"
            )
            for entry in found["objects"]
        }

    def names(self) -> Iterator[str]:
        """Names of objects and prefixes directly below, in no order."""
        import obstore

        with self._errors("list"):
            prefix = f"{self.key}/" if self.key else None
            found = obstore.list_with_delimiter(self.store, prefix)
        below = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
        yield from (path.rstrip("/").rpartition("/")[2] for path in below)

    @contextlib.contextmanager
    def _errors(self, verb: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        if verb not in ("read", "list"):
            check_writable(self)
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            # What the server answered may hold a signed request: only the kind is told.
            kind = "NotFoundError" if "NoSuchBucket" in str(error) else type(error).__name__
            why = _WHY.get(kind, "the store does not answer as it should")
            raise StorageError(
                f"cannot {verb} {self}: {why} ({kind}); see the store's "
                "environment variables (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, …)"
            ) from None


_WHY = {
    "PermissionDeniedError": "access is denied",
    "UnauthenticatedError": "there are no valid credentials",
    "NotFoundError": "there is no such bucket",
}

Place = LocalPlace | RemotePlace

Where = TypeVar("Where", bound=Path | LocalPlace | RemotePlace)
"""A path or a place: what is written to one returns it."""


def place_of(where: str | os.PathLike[str] | Place) -> Place:
    """The place that a path or a URL names.

    :raises StorageError: if a URL is of no kind that is known, or holds credentials
    """
    if isinstance(where, LocalPlace | RemotePlace):
        return where
    text = os.fspath(where)
    if "://" not in text:
        return LocalPlace(_without_tilde(Path(text)))
    return _remote(text)


def _without_tilde(path: Path) -> Path:
    """:raises StorageError: if a home folder is meant and there is none"""
    try:
        return path.expanduser()
    except RuntimeError:
        raise StorageError(
            f"there is no home folder for {path}: set HOME, or name an absolute folder with "
            "--storage"
        ) from None


def _remote(url: str) -> RemotePlace:
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise StorageError(
            f"{scheme}:// is no storage that is known; use a folder, or one of "
            + ", ".join(f"{known}://" for known in SCHEMES)
        )
    parts = urlsplit(url)
    if "@" in parts.netloc and scheme not in ("abfs", "abfss"):
        raise StorageError(
            "a storage URL must not hold a user or a password; set them in the environment"
        )
    if ":" in parts.netloc or parts.query or parts.fragment:
        raise StorageError(
            f"a storage URL is {scheme}://bucket/folder, without a password, a port, a query or a "
            "fragment; what else the store needs is set in the environment"
        )
    folders = [part for part in parts.path.split("/") if part]
    if not parts.netloc or not all(_NAME.fullmatch(part) for part in folders):
        raise StorageError(
            f"a storage URL is {scheme}://bucket/folder, of letters, digits, ., - and _"
        )
    from datetime import timedelta

    from obstore.exceptions import BaseError
    from obstore.store import from_url

    clean = "/".join([f"{scheme}://{parts.netloc}", *folders])
    patience: Any = {"max_retries": MAX_ATTEMPTS, "retry_timeout": timedelta(seconds=PATIENCE)}
    try:
        store = from_url(clean, retry_config=patience)
    except (BaseError, ValueError) as error:
        raise StorageError(f"cannot open {clean}: {type(error).__name__}") from None
    return RemotePlace(store, clean)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StorageError(f"{name!r} is no name for a file; use letters, digits, ., = , - and _")
    return name


def own_file(place: Place) -> Place:
    """``place``, where this program may write a file anew.

    :raises StorageError: if a file is there that does not hold :data:`OWN_MARK`
    """
    content = place.read()
    if content is not None and OWN_MARK.encode() not in content:
        raise StorageError(
            f"{place} was not written by this program and is left as it is; move it, or name "
            "another --storage"
        )
    return place


def unique(name: str) -> str:
    """``name`` with a random end, which nobody else has."""
    return f"{name}.{secrets.token_hex(4)}"


def results_place(given: str | None) -> Place:
    """The place that results go to.

    :param given: the folder or URL that the user named; None: ``results`` here, or, inside a Ray
        job, ``vlmrt_results`` in the home folder of the node that runs the driver
    :raises StorageError: if it is no storage that is known, or a relative folder inside a Ray job,
        where it would be lost
    """
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if given is None:
        return place_of("~/vlmrt_results" if in_job else "results")
    place = place_of(given)
    if in_job and isinstance(place, LocalPlace) and not place.path.is_absolute():
        raise StorageError(
            f"inside a Ray job the relative folder {given!r} lies in Ray's session folder and is "
            "lost with it; name an absolute one, or a URL, with --storage"
        )
    return place
