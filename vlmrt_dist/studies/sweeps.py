"""Sweeps: files that ask one question each, with the same options for seeds, actors and storage.

A sweep is a function that a decorator gives its :class:`Sweep`; what it varies are its own
parameters, each an option::

    @sweep("depth", seeds=20, quick={"seeds": 5, "depths": (1, 4)})
    def main(sweep: Sweep, depths: tuple[int, ...] = (1, 2, 4, 6)) -> None:
        ...

    if __name__ == "__main__":
        main.script()
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, Protocol, TypeVar, cast, get_type_hints

from cyclopts import Group, Parameter

from vlmrt_dist.command_line import (
    CommandExit,
    Options,
    described_hint,
    leave,
    new_app,
    parameter_help,
    run_app,
    shown_default,
)
from vlmrt_dist.console import point_bar, show
from vlmrt_dist.cores import share_cores
from vlmrt_dist.distributed import ActorOptions, call, map_on_actors
from vlmrt_dist.engine import KERNELS_VARIABLE, engine_versions
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.signals import STOP_SIGNAL
from vlmrt_dist.store import Ledger, Place, Row, Timing, nothing_written, own_file, results_place
from vlmrt_dist.studies.point import Point
from vlmrt_dist.studies.runs import run
from vlmrt_dist.studies.workers import WorkerOptions

PROGRAM = "__program__"
"""Global of a sweep's file: name of the command in its help, where that is not the file's name."""

KEPT = "what is finished is kept, the same command goes on from there"

KEPT_VERSION = 1
"""Part of every key of :meth:`Sweep.kept`: raise it when the same question has another answer."""

Result = TypeVar("Result")


class Task(Protocol):
    """A measurement of times: its content key, and its name as text."""

    @property
    def key(self) -> str:
        """Content hash of what is measured."""
        ...


Measured = TypeVar("Measured", bound=Task)


@dataclass(frozen=True)
class CommonOptions(WorkerOptions):
    """Options that every sweep has.

    :param quick: fewer seeds and values; its rows are a study of their own
    :param seeds: number of seeds 0, 1, ... of what is random
    :param storage: folder, or URL of object storage (s3://bucket/folder), for what is written;
        default: results; in a Ray job ~/vlmrt_results of its node
    :param threads: threads that this process computes with; default: one for each core. One is the
        least work where several sweeps run side by side
    :param dry_run: list what would be computed, and how much of it is stored already; writes
        nothing
    :raises ConfigurationError: if a number is too small
    """

    quick: bool = False
    seeds: int = 1
    storage: str | None = None
    threads: int | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds < 1:
            raise ConfigurationError("--seeds must be 1 or more")
        if self.threads is not None and self.threads < 1:
            raise ConfigurationError("--threads must be 1 or more")


@dataclass(frozen=True)
class Sweep:
    """A run of a sweep: its study, seeds, storage and actors.

    :param study: name of the study in the ledger
    :param options: as its user gave them
    """

    study: str
    options: CommonOptions

    @property
    def quick(self) -> bool:
        """Whether the short version is asked for."""
        return self.options.quick

    @property
    def seeds(self) -> tuple[int, ...]:
        """0, 1, ..."""
        return tuple(range(self.options.seeds))

    @property
    def workers(self) -> ActorOptions | None:
        """The actors that compute; None: this process, as in a dry run, since Ray writes files."""
        return None if self.options.dry_run else self.options.value()

    @cached_property
    def folder(self) -> Place:
        """Storage of rows and figures."""
        return results_place(self.options.storage)

    @cached_property
    def ledger(self) -> Ledger:
        """Ledger of the rows."""
        return Ledger(self.folder)

    def variant(self, *names: str | None) -> Sweep:
        """The same under a name of its own: ``depth_offline``; None adds nothing."""
        return dataclasses.replace(self, study="_".join([self.study, *filter(None, names)]))

    def figure(self, suffix: str = "") -> Place:
        """Place of a figure, which a PDF is to stand beside.

        :raises StorageError: if somebody else's file is there
        """
        name = f"{self.study}{suffix}"
        own_file(self.folder / f"{name}.pdf")
        return own_file(self.folder / f"{name}.png")

    def file(self, name: str) -> Place:
        """Place of another file that the sweep writes; it has to hold
        :data:`~vlmrt_dist.store.OWN_MARK`.

        :raises StorageError: if somebody else's file is there
        """
        return own_file(self.folder / name)

    def call(self, function: Callable[[], Result], name: str) -> Result:
        """``function()``, on an actor if there are any."""
        return call(function, name, self.workers)

    def kept(self, parts: Sequence[Any], compute: Callable[[], Any], name: str) -> Any:
        """A JSON value that is computed once, on an actor if there are any, and found again in the
        storage.

        :param parts: plain values that determine it
        :param compute: makes it
        :param name: of the computation, for the actors
        """
        asked = json.dumps([KEPT_VERSION, engine_versions(), *parts], sort_keys=True)
        file = self.folder / "kept" / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
        if (content := file.read()) is not None:
            with contextlib.suppress(ValueError, RecursionError):
                return json.loads(content)
        value = self.call(compute, name)
        if not self.options.dry_run:
            file.write(json.dumps(value).encode())
        return value

    def rows(self, points: Sequence[Point], also_in: str | None = None) -> list[Row]:
        """The rows of points, with a bar over those that the ledger lacks.

        :param also_in: another sweep; rows of this sweep's points that its study holds are taken
            from there, as the study is no part of what determines a row
        :raises CommandExit: after a dry run has listed them
        """
        if also_in is not None and not self.options.dry_run:
            self._adopt(points, also_in)
        if self.options.dry_run:
            show(*outlook(points, self.ledger))
            leave()
        with point_bar(self.study.removesuffix("_quick")) as progress:
            return run(points, self.ledger, workers=self.workers, progress=progress)

    def _adopt(self, points: Sequence[Point], sweep: str) -> None:
        """Publish what another sweep has computed of points as rows of this study."""
        own = self.study.split("_")[0]
        there = self.ledger.keys(self.study)
        lacking = [key for point in points for key in point.row_keys if key not in there]
        found = self.ledger.read(self.study.replace(own, sweep, 1), lacking)
        self.ledger.publish(
            self.study, [dataclasses.replace(row, study=self.study) for row in found.values()]
        )

    def timings(
        self, tasks: Sequence[Measured], measure: Callable[[Measured], Timing]
    ) -> list[Timing]:
        """The times of tasks, measured one after another unless the ledger has them: two at once on
        one machine would disturb each other.

        :raises CommandExit: after a dry run has listed them
        """
        found = {timing.key: timing for timing in self.ledger.timings(self.study)}
        missing = [task for task in tasks if task.key not in found]
        self.plan({str(task): task.key in found for task in tasks})
        with point_bar(self.study.removesuffix("_quick")) as progress:
            done = len(tasks) - len(missing)
            progress("", done, len(tasks))
            for index, timing in self._measured(missing, measure):
                self.ledger.publish_timings(self.study, [timing])
                found[timing.key] = timing
                done += 1
                progress(str(missing[index]), done, len(tasks))
        return [found[task.key] for task in tasks]

    def _measured(
        self, tasks: Sequence[Measured], measure: Callable[[Measured], Timing]
    ) -> Iterable[tuple[int, Timing]]:
        if self.workers is None:
            return enumerate(map(measure, tasks))
        one = dataclasses.replace(self.workers, num_actors=1)
        names = [str(task) for task in tasks]
        return map_on_actors(measure, tasks, one, names=names, study=self.study)

    def plan(self, tasks: Mapping[str, bool]) -> None:
        """In a dry run, list tasks and end.

        :param tasks: whether each is there already
        :raises CommandExit: after that
        """
        if not self.options.dry_run:
            return
        show(*(f"{name}: {'complete' if there else 'missing'}" for name, there in tasks.items()))
        show(f"{len(tasks)} measurements, {[*tasks.values()].count(False)} would be made")
        leave()

    def close(self, *figures: Place, timings: bool = False) -> None:
        """Print the places of rows and figures.

        :param timings: whether the rows are times
        """
        rows = f"{self.folder}, timings of {self.study}" if timings else None
        lines = [f"rows: {rows or self.ledger.folder(self.study)}"]
        if figures:
            names = ", ".join(map(str, figures))
            lines.append(f"figure{'s' if len(figures) > 1 else ''}: {names}")
        show("\n".join(lines))


class SweepCommand:
    """A sweep as a function with keywords, and as a command.

    :param name: of the study
    :param ask: the function; takes a :class:`Sweep` and the axes
    :param seeds: default number of seeds
    :param quick: values that ``--quick`` replaces unless they are given
    """

    def __init__(
        self, name: str, ask: Callable[..., None], seeds: int, quick: Mapping[str, Any]
    ) -> None:
        self.name, self.ask, self._quick = name, ask, quick
        signature = inspect.signature(ask)
        axes = {p.name: p.default for p in list(signature.parameters.values())[1:]}
        common = {each.name: each.default for each in fields(CommonOptions)}
        self._defaults = {**common, "seeds": seeds, **axes}
        self._axes = tuple(axes)

    @property
    def question(self) -> str:
        """The docstring of the sweep's file."""
        return inspect.cleandoc(self.ask.__globals__["__doc__"] or "")

    def __call__(self, **options: Any) -> None:
        """Run the sweep in this process.

        :param options: common options and axes by name, and fields of axes that are options
            themselves; what is not given has its default
        :raises VlmrtError: as the sweep does
        """
        quick = dict(self._quick) if options.get("quick") else {}
        values = self._defaults | self._with_fields(quick | options)
        axes = {name: values.pop(name) for name in self._axes}
        try:
            common = CommonOptions(**values)
            if common.threads is not None:
                share_cores(common.threads)
            study = f"{self.name}_quick" if common.quick else self.name
            with _dry() if common.dry_run else contextlib.nullcontext():
                self.ask(Sweep(study, common), **axes)
        except CommandExit as end:
            if end.code:
                raise

    def _with_fields(self, given: dict[str, Any]) -> dict[str, Any]:
        """Options whose fields became parts of the axes that have them."""
        given = dict(given)
        for axis in self._axes:
            default = self._defaults[axis]
            if isinstance(default, Options):
                names = {each.name for each in fields(cast(Any, default))} - set(self._defaults)
                own = {name: given.pop(name) for name in names & given.keys()}
                if own:
                    given[axis] = dataclasses.replace(given.get(axis, cast(Any, default)), **own)
        return given

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Run the sweep as a command.

        :param arguments: options; None: those of this process
        :return: exit code
        """
        name = self.ask.__globals__.get(PROGRAM, f"{self.name}.py")
        app = new_app(name, _flowing(self.question))
        app.default(self._command())
        return run_app(app, arguments, interrupted=KEPT)

    def script(self) -> None:
        """Run the sweep as the command of this process, and end it."""
        STOP_SIGNAL.install(f"stopped (SIGTERM); {KEPT}\n")
        sys.exit(self.run())

    def _command(self) -> Callable[..., None]:
        """A function with the sweep's options as keywords."""
        axes, common = Group("Question", sort_key=1), Group("Common to all sweeps", sort_key=2)
        hints = get_type_hints(CommonOptions, include_extras=True)
        texts = parameter_help(WorkerOptions.__doc__) | parameter_help(CommonOptions.__doc__)
        own = get_type_hints(self.ask, include_extras=True)
        texts |= parameter_help(self.ask.__doc__)
        parameters = []
        for name, default in self._defaults.items():
            group = axes if name in self._axes else common
            hint = own[name] if name in self._axes else hints[name]
            if hasattr(hint, "__cyclopts__"):  # a dataclass of options
                parameters.append(
                    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default,
                                      annotation=hint)
                )  # fmt: skip
                continue
            many = Parameter(
                group=group, consume_multiple=True, show_default=self._shown_default(name)
            )
            hint = Annotated[(described_hint(hint, texts.get(name, ""), default), many)]
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default,
                                  annotation=hint)
            )  # fmt: skip

        def command(**options: Any) -> None:
            self(**options)

        vars(command)["__signature__"] = inspect.Signature(parameters)
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    def _shown_default(self, name: str) -> str | bool:
        default = self._defaults[name]
        empty = default is None or default is False or default == ()
        shown = [] if empty else [shown_default(default)]
        if name in self._quick:
            shown.append(f"quick: {shown_default(self._quick[name])}")
        return "; ".join(shown) or False


@contextlib.contextmanager
def _dry() -> Iterator[None]:
    """What a dry run needs to find out positions, without files of it: the package's cache is only
    read, and Dr.Jit's kernels go to a folder that is removed."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(nothing_written())
        if "drjit" not in sys.modules and KERNELS_VARIABLE not in os.environ:
            os.environ[KERNELS_VARIABLE] = stack.enter_context(tempfile.TemporaryDirectory())
            stack.callback(os.environ.pop, KERNELS_VARIABLE)
        yield


def _flowing(text: str) -> str:
    """A docstring whose paragraphs have a line each, for a terminal of any width; so has each entry
    of a list of terms, which two spaces part from their meanings."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines: list[str] = []
        for line in paragraph.split("\n"):
            entry = "  " in line.strip() and not line.startswith(" ")
            if lines and not entry:
                lines[-1] += " " + line.strip()
            else:
                lines.append(line)
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def sweep(
    name: str, *, seeds: int = 1, quick: Mapping[str, Any] | None = None
) -> Callable[[Callable[..., None]], SweepCommand]:
    """Make a sweep of a function ``main(sweep: Sweep, <axes>)``.

    :param name: of the study, with ``_quick`` behind it for the short version
    :param seeds: default number of seeds
    :param quick: axes, and seeds, of the short version
    """
    return lambda ask: SweepCommand(name, ask, seeds, quick or {})


def outlook(points: Sequence[Point], ledger: Ledger) -> list[str]:
    """A line a point: its methods and seeds, and how many of its rows are missing."""
    lines, lacking, total = [], 0, 0
    there = {study: ledger.keys(study) for study in {point.study for point in points}}
    for point in points:
        keys = list(point.row_keys)
        missing = sum(key not in there[point.study] for key in keys)
        lines.append(
            f"{point}: {', '.join(point.optimizers)} × {len(point.seeds)} seeds, "
            + (f"{missing} of {len(keys)} rows missing" if missing else "complete")
        )
        lacking, total = lacking + missing, total + len(keys)
    return [*lines, f"{len(points)} points, {lacking} of {total} rows would be computed"]
