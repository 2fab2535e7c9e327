"""Files written atomically, and read up to a size limit."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.renaming import NO_REPLACE, rename

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Error numbers of file systems without hard links."""


class UnreadableFile(Exception):
    """A file cannot be read; the caller turns the reason into an error of its own class."""


def write_atomic(path: str | os.PathLike[str], content: bytes, *, private: bool = False) -> Path:
    """Write ``content`` under a temporary name beside ``path``, then rename it into place.

    A reader finds the old file or the whole new one, also after a crash. The temporary name
    begins with a dot, which dataset readers skip.

    :param private: nobody else may read the file (mode 0600)
    :return: ``path``
    :raises StorageError: if the place cannot be written to
    """
    target = Path(path)
    with _beside(target) as waiting:
        _write(waiting, content, private)
        os.replace(waiting, target)
    return target


def create_atomic(path: str | os.PathLike[str], content: bytes) -> bool:
    """As :func:`write_atomic`, but leave an existing file as it is: the first of two writers wins.

    :return: whether it was written
    :raises StorageError: if the place cannot be written to
    """
    target = Path(path)
    try:
        with _beside(target) as waiting:
            _write(waiting, content, private=False)
            name_first(waiting, target)
    except FileExistsError:
        return False
    return True


def name_first(waiting: Path, target: Path) -> None:
    """Give a file its name, unless another has it.

    :raises FileExistsError: if another has it
    :raises StorageError: if the file system offers no way to find out and name it in one step
    """
    try:
        os.link(waiting, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            rename(waiting, target, NO_REPLACE)
        except FileExistsError:
            raise
        except OSError:
            raise StorageError(
                f"cannot write {target}: its file system has neither hard links nor renaming that "
                "replaces nothing, so two writers could lose rows; name a folder on another disk, "
                "or object storage (s3://...), with --storage"
            ) from None


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside ``path`` for a file that is too large to be held at once: what the
    block writes there takes the place of ``path`` when it ends, and is removed if it raises.

    :raises StorageError: if the place cannot be written to
    """
    target = Path(path)
    with _beside(target) as waiting:
        yield waiting
        descriptor = os.open(waiting, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(waiting, target)


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A temporary name beside ``target``, for the caller to write to and put into place."""
    waiting = target.with_name(f".{target.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        yield waiting
        _sync_folder(target.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            waiting.unlink(missing_ok=True)


def _write(waiting: Path, content: bytes, private: bool) -> None:
    with open(waiting, "xb", opener=_private if private else None) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; file systems that cannot are left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_limited(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """The content of a regular file of at most ``max_bytes``.

    A device or a pipe could block or never end, so it is refused; and the limit is enforced while
    reading, because a file may grow.

    :raises UnreadableFile: with a reason that holds nothing of the content
    """
    try:
        # Non-blocking, so that opening a named pipe without a writer returns at once.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableFile("it is not a regular file")
            content = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise UnreadableFile("there is no such file") from None
    except OSError as error:
        raise UnreadableFile(error.strerror or "it cannot be read") from None
    except ValueError:
        raise UnreadableFile("its name is not a path") from None
    if len(content) > max_bytes:
        raise UnreadableFile(f"it is larger than the limit of {max_bytes} bytes")
    return content
