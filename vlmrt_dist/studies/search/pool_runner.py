"""Search run by the driver: Optuna suggests here, a pool of actors evaluates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from vlmrt_dist.distributed import ActorOptions, feed_actors
from vlmrt_dist.errors import VlmrtError
from vlmrt_dist.progress import Progress
from vlmrt_dist.store import Ledger, Row
from vlmrt_dist.studies.runs import publish
from vlmrt_dist.studies.search.definition import Found, Study, key_of, text
from vlmrt_dist.studies.search.sampler import known, optuna_study, suggest, tell
from vlmrt_dist.studies.search.space import Params
from vlmrt_dist.studies.search.trackers import Reports

if TYPE_CHECKING:
    from ray.tune import Callback

Task = tuple[Params, tuple[int, ...]]


def run_pool(
    study: Study,
    ledger: Ledger,
    *,
    workers: ActorOptions | None = None,
    progress: Progress | None = None,
    callbacks: Sequence[Callback] = (),
) -> list[Found]:
    """Evaluate what the ledger lacks of a study, and return what it holds then.

    Rows are published as they come. A search goes on from them: configurations that were begun are
    finished first, and none is evaluated twice. One that cannot be evaluated is reported through
    ``progress``, and tried again by the next run.

    :param workers: Ray actors that evaluate; None: this process does
    :param progress: called with the last configuration's result, the configurations done and
        those in all
    :param callbacks: Tune's, such as :func:`~.trackers.trackers_named` gives
    """
    reports = Reports(study, ledger.storage, callbacks)
    agenda = _Agenda(study, study.found(ledger))
    if progress is not None:
        progress("", agenda.done, study.total)

    def ask() -> tuple[str, Task] | None:
        task = agenda.next()
        if task is None:
            return None
        reports.started(task[0], agenda.rows_of(task[0]))
        return text(task[0]), task

    def evaluate(task: Task) -> list[Row] | VlmrtError:
        return study.rows_of(*task)

    results: Iterator[tuple[Task, list[Row] | VlmrtError]]
    if workers is not None and study.total > agenda.done:
        most = min(workers.num_actors, study.total - agenda.done)
        workers = dataclasses.replace(workers, num_actors=most)
        results = feed_actors(evaluate, ask, workers, study=study.name)
    else:
        results = _here(evaluate, ask)
    for task, rows in results:
        if isinstance(rows, VlmrtError):
            ended = agenda.failed(task[0], rows)
            reports.told(task[0], [], str(rows), ended=True)
        else:
            publish(ledger, rows)
            ended = agenda.told(task[0], rows)
            reports.told(task[0], rows, "", ended=bool(ended))
        if progress is not None and ended:
            progress(f"{text(task[0])}: {ended}", agenda.done, study.total)
    reports.close()
    return study.found(ledger)


def _here(
    evaluate: Callable[[Task], list[Row] | VlmrtError], ask: Callable[[], tuple[str, Task] | None]
) -> Iterator[tuple[Task, list[Row] | VlmrtError]]:
    while (asked := ask()) is not None:
        yield asked[1], evaluate(asked[1])


@dataclass(eq=False)
class _Begun:
    """A configuration that is not done; a batch of its seeds is out if ``busy``."""

    found: Found
    trial: Any = None
    busy: bool = False


class _Agenda:
    """Configurations to evaluate next, and the count of those done."""

    def __init__(self, study: Study, found: list[Found]) -> None:
        self._study = study
        self._optuna: Any = None
        self._begun: dict[str, _Begun] = {}
        self.done = 0
        if study.num_points is None:
            self._seen = {key_of(params) for params in study.grid}
            there = {key_of(each.params): each for each in found}
            for key, params in ((key_of(p), p) for p in study.grid):
                self._begin(key, there.get(key, Found(params)))
            return
        # A configuration that met something non-finite is done, however few seeds that took.
        found = [each for each in found if any(s in each.rows for s in study.seeds)]
        self._optuna = optuna_study(study, found)
        self._seen = {key_of(each.params) for each in found}
        for each in found:
            self._begin(key_of(each.params), each)

    def _begin(self, key: str, found: Found) -> None:
        study, rows = self._study, found.rows
        failed = rows and found.values(study.objectives, study.seeds) is None
        if found.complete(study.seeds) or (failed and self._optuna is not None):
            self.done += 1
            return
        begun = self._begun[key] = _Begun(found)
        if self._optuna is not None:
            begun.trial = known(study, self._optuna, found.params)
            if self._given_up(begun, [s for s in study.seeds if s in rows]):
                self._end(key)

    def next(self) -> Task | None:
        """A configuration and its next batch of seeds; None: none for now."""
        study = self._study
        waiting = next((b for b in self._begun.values() if not b.busy), None)
        if waiting is None:
            if self._optuna is None or len(self._seen) >= study.total:
                return None
            trial, params = suggest(study, self._optuna, self._seen)
            waiting = self._begun[key_of(params)] = _Begun(Found(params), trial)
        waiting.busy = True
        return waiting.found.params, study.missing(waiting.found)[0]

    def rows_of(self, params: Params) -> Mapping[int, Row]:
        """The rows of a configuration that was begun, by seed."""
        return self._begun[key_of(params)].found.rows

    def told(self, params: Params, rows: list[Row]) -> str:
        """Note the rows of a batch.

        :return: how the configuration ended, in words; empty if it goes on
        """
        study, key = self._study, key_of(params)
        begun = self._begun[key]
        begun.busy = False
        begun.found.rows.update({row.seed: row for row in rows})
        values = begun.found.values(study.objectives, study.seeds)
        complete = begun.found.complete(study.seeds)
        if self._optuna is None:
            if not complete:
                return ""
        elif values is None or complete:
            tell(self._optuna, begun.trial, values)
        elif self._given_up(begun, [row.seed for row in rows]):
            self._end(key)
            return f"given up after {len(begun.found.rows)} seeds"
        else:
            return ""
        self._end(key)
        if values is None:
            return "not finite"
        shown = zip(study.objectives, values, strict=True)
        return ", ".join(
            f"MRE {100.0 * v:.3g} %" if name == "mre" else f"{v:.3g} {name}" for name, v in shown
        )

    def failed(self, params: Params, error: VlmrtError) -> str:
        """Note that a configuration cannot be evaluated.

        :return: why, in words
        """
        key = key_of(params)
        if self._optuna is not None:
            tell(self._optuna, self._begun[key].trial, None)
        self._end(key)
        return f"failed: {error}"

    def _given_up(self, begun: _Begun, seeds: list[int]) -> bool:
        """True if a configuration is worse than the best on its seeds; Optuna is then told."""
        study = self._study
        if study.block is None:
            return False
        for seed in seeds:
            begun.trial.report(begun.found.rows[seed].mre, study.seeds.index(seed))
        if not begun.trial.should_prune():
            return False
        self._optuna.tell(begun.trial, state=TrialState.PRUNED)
        return True

    def _end(self, key: str) -> None:
        del self._begun[key]
        self.done += 1
