"""A process that reads hostile files one after another, under bounds, and says how each ended.

The readers' process has a limit of address space above what it holds at the start, so that memory
that is asked for in vain ends as MemoryError here, and not the machine; every file that is opened
is noted; and the one who asks ends it when it takes too long.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

MEMORY = 1 << 30
"""Bytes of memory that an input may cost."""

SECONDS = 5.0
"""Processor time that an input may cost [s]."""

PATIENCE = 30.0
"""Processor time after which the process is ended [s]."""

ASLEEP = 300.0
"""Wall time after which it is ended: other processes may have the processor [s]."""


class Verdict(NamedTuple):
    """How an input ended.

    :param end: "value"; "refused", by an error of ours; "escaped", by another; "hung"; "died"
    :param text: type and message of the error, or its traceback
    :param seconds: processor time [s]
    :param peak: memory above that before [bytes]
    :param opened: files opened outside the case's folder
    """

    end: str
    text: str = ""
    seconds: float = 0.0
    peak: int = 0
    opened: tuple[str, ...] = ()

    @property
    def fault(self) -> str:
        """What is wrong with it; empty if nothing is."""
        if self.end not in ("value", "refused"):
            return f"{self.end}: {self.text}"
        if self.seconds > SECONDS:
            return f"took {self.seconds:.1f} s of processor time ({self.end}: {self.text})"
        if self.peak > MEMORY:
            return f"took {self.peak / 2**20:.0f} MiB ({self.end}: {self.text})"
        if self.opened:
            return f"opened {', '.join(self.opened)}"
        return ""


class Judge:
    """Gives files to a process of readers, and starts another one when it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, reader: str, file: Path) -> Verdict:
        """How ``reader`` ends with a file."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.judge"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
                     "ARROW_DEFAULT_MEMORY_POOL": "system"},
            )  # fmt: skip
            self._answer(self._process)  # that it is ready
        process = self._process
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps([reader, str(file)]) + "\n")
            process.stdin.flush()
        return self._answer(process)

    def kill(self) -> None:
        """End the process of the readers without a word, as the kernel would."""
        if self._process is not None:
            self._process.kill()

    def _answer(self, process: subprocess.Popen[str]) -> Verdict:
        assert process.stdout is not None
        begin, used = time.monotonic(), _processor_time(process.pid)
        ready: list[Any] = []
        while not ready and time.monotonic() - begin < ASLEEP:
            ready, _, _ = select.select([process.stdout], [], [], 1.0)
            if _processor_time(process.pid) - used > PATIENCE:
                break
        line = process.stdout.readline() if ready else ""
        if line:
            found = json.loads(line)
            return Verdict(**{**found, "opened": tuple(found["opened"])})
        self._end()
        return Verdict("died", f"exit code {process.returncode}") if ready else Verdict("hung")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):  # what was not sent cannot be any more
                    if pipe is not None:
                        pipe.close()
            self._process = None


def _processor_time(process: int) -> float:
    """Processor time that a process has used [s]; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(name: str) -> int:
    """A line of the process's status in bytes: VmSize, VmRSS, VmHWM."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


class _Opened:
    """Files that Python opens while a case is read, but for those of the installation."""

    def __init__(self) -> None:
        self.inside: str | None = None
        self.outside: set[str] = set()
        # Modules are imported late; what a case makes Python open beside them is a finding.
        self._known = tuple(
            os.path.realpath(each)
            for each in {*sys.path, sys.prefix, sys.base_prefix, "/proc", "/usr", "/etc/localtime",
                         os.getcwd(), "/dev/null", "/sys", "/lib"} if each
        )  # fmt: skip
        sys.addaudithook(self._seen)

    def _seen(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.inside is None or event not in ("open", "subprocess.Popen", "socket.connect"):
            return
        if event != "open":
            self.outside.add(event)
            return
        name = arguments[0]
        if isinstance(name, (str, bytes)):
            path = os.path.realpath(os.fsdecode(name))
            if not path.startswith((self.inside, *self._known)):
                self.outside.add(path)


def _judged(reader: str, file: Path, opened: _Opened) -> Verdict:
    import traceback

    from tests.fuzz.readers import READERS
    from vlmrt_dist.errors import VlmrtError

    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, begin = _memory("VmRSS"), time.process_time()
    opened.inside, opened.outside = os.path.realpath(file.parent), set()
    end, text = "value", ""
    try:
        READERS[reader].read(file)
    except VlmrtError as error:
        end, text = "refused", f"{type(error).__name__}: {error}"
        if READERS[reader].names_file and file.name not in str(error):
            end, text = "escaped", f"an error that does not name the file: {text}"
    except BaseException:
        end, text = "escaped", traceback.format_exc(limit=-6)[-2000:]
    opened.inside = None
    seconds, peak = time.process_time() - begin, _memory("VmHWM") - before
    return Verdict(end, text, seconds, peak, tuple(sorted(opened.outside)))


def main() -> None:
    """Read requests from standard input until it ends."""
    import warnings

    warnings.simplefilter("ignore")
    from tests.fuzz import readers, seeds
    from vlmrt_dist.errors import VlmrtError

    with seeds.folder_of_seeds() as folder:  # imports all that readers need
        for name, reader in readers.READERS.items():
            for number, content in enumerate(seeds.seeds_of(name)):
                place = folder / f"{name}-{number}"
                place.mkdir()
                (place / reader.file).write_bytes(content)
                with contextlib.suppress(VlmrtError):  # some seeds were faults once
                    reader.read(place / reader.file)
    most = _memory("VmSize") + MEMORY + (1 << 28)  # what is set aside without being used
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    opened = _Opened()
    print(json.dumps(Verdict("value")._asdict()), flush=True)
    for line in sys.stdin:
        reader, file = json.loads(line)
        print(json.dumps(_judged(reader, Path(file), opened)._asdict()), flush=True)


if __name__ == "__main__":
    main()
