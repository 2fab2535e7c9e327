"""Search run by Ray Tune, with its console, callbacks and TensorBoard.

Each trial evaluates a configuration and publishes its rows itself, so the ledger's storage must be
one that all nodes see. Tune's own files are never read back: only the ledger's rows count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from optuna.trial import TrialState
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from vlmrt_dist.distributed import (
    ActorOptions,
    Placement,
    check_capacity,
    connect,
    needs_of,
    prepare_actor_engine,
)
from vlmrt_dist.errors import ActorFailure, VlmrtError
from vlmrt_dist.store import Ledger, LocalPlace
from vlmrt_dist.studies.runs import publish
from vlmrt_dist.studies.search.definition import Found, Study, key_of, readable
from vlmrt_dist.studies.search.sampler import known, optuna_study, sampler_of, suggest, tell
from vlmrt_dist.studies.search.space import Params, draw
from vlmrt_dist.studies.search.trackers import reported

LONGEST = 24 * 3600.0
"""Longest time that a search may take if nothing else is said [s]."""

MAX_FAILURES = 3
"""Most restarts of a trial whose process was lost."""


def run_tune(
    study: Study,
    ledger: Ledger,
    *,
    workers: ActorOptions = ActorOptions(),
    limit: float = LONGEST,
    callbacks: Sequence[tune.Callback] = (),
    verbose: int = 1,
) -> list[Found]:
    """Evaluate what the ledger lacks of a study with Ray Tune, and return what it holds then; see
    :func:`tune_study` for the parameters and errors."""
    tune_study(study, ledger, workers=workers, limit=limit, callbacks=callbacks, verbose=verbose)
    return _begun(study, ledger)


def tune_study(
    study: Study,
    ledger: Ledger,
    *,
    workers: ActorOptions = ActorOptions(),
    limit: float = LONGEST,
    callbacks: Sequence[tune.Callback] = (),
    verbose: int = 1,
) -> tune.ResultGrid | None:
    """Evaluate what the ledger lacks of a study with Ray Tune.

    :return: Tune's results: a trial for each configuration that was evaluated, its parameters and
        results in columns (``get_dataframe``); None if the ledger lacked nothing
    :param workers: trials at a time, each a process that goes on to the next, and their resources
    :param limit: longest time that all may take [s]
    :param callbacks: Tune's
    :param verbose: how much Tune prints
    :raises ConfigurationError: if the cluster has no room for the trials
    :raises ActorFailure: if a trial's process failed, or the time was over before all were done; a
        configuration that cannot be evaluated is a trial with the reason as its result ``failed``
    """
    found = _begun(study, ledger)
    left = _left(study, found)
    if not left:
        return None
    connect()
    needs = needs_of(workers)
    check_capacity(workers.num_actors, needs)
    ledger.folder(study.name)  # refuses a name that would leave the storage, Tune's folder too
    search: Searcher = _Search(study, found)
    if study.num_points is None:
        search = _Listed([params for params in left if params is not None])
    place, tunes = ledger.storage, None
    if isinstance(place, LocalPlace):  # a trial's own working directory is another
        place = LocalPlace(place.path.resolve())
        tunes = str(place.path / "tune")
    trainable = tune.with_resources(
        tune.with_parameters(_Configuration, study=study, storage=str(place)),
        bundles(needs, workers.placement),
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=_tune_config(study, search, len(left), workers.num_actors, limit),
        run_config=tune.RunConfig(
            name=study.name,
            storage_path=tunes,
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            callbacks=list(callbacks),
            verbose=verbose,
        ),
    )
    results = tuner.fit()
    if results.errors:
        last = str(results.errors[0]).strip().splitlines()[-1]
        raise ActorFailure(f"{len(results.errors)} trials failed, the first with: {last}")
    failed = sum(bool((result.metrics or {}).get("failed")) for result in results)
    _check_complete(study, _begun(study, ledger), failed, limit)
    return results


def _begun(study: Study, ledger: Ledger) -> list[Found]:
    """Configurations that have a row of one of the seeds."""
    return [f for f in study.found(ledger) if any(s in f.rows for s in study.seeds)]


def _tune_config(
    study: Study, search: Searcher, count: int, at_a_time: int, limit: float
) -> tune.TuneConfig:
    rung = None
    if study.block is not None:
        rung = ASHAScheduler(
            time_attr="training_iteration",
            metric="mre",
            mode="min",
            max_t=len(study.seeds),
            grace_period=1,
            reduction_factor=2,
        )
    return tune.TuneConfig(
        search_alg=search,
        scheduler=rung,
        num_samples=count,
        max_concurrent_trials=at_a_time,
        reuse_actors=True,
        time_budget_s=limit,
        trial_name_creator=lambda trial: readable(study.ordered(trial.config)),
        trial_dirname_creator=lambda trial: f"{trial}_{trial.trial_id}",
    )


def _check_complete(study: Study, found: list[Found], failed: int, limit: float) -> None:
    """:raises ActorFailure: if configurations are missing that have not failed"""
    there = {key_of(f.params) for f in found}
    if study.num_points is None:
        missing = {key_of(params) for params in _left(study, found) if params is not None}
        there = {*map(key_of, study.grid)} - missing
    if len(there) + failed < study.total:
        raise ActorFailure(
            f"{len(there)} of {study.total} configurations were there after {limit:g} s; the same "
            "command again goes on"
        )


def bundles(needs: dict[str, float], placement: Placement) -> tune.PlacementGroupFactory:
    """Resources of one trial: its own process and no more, as it starts no actors. With too few
    bundles a trial that does would wait for ever, with too many others would."""
    return tune.PlacementGroupFactory([needs], strategy=placement)


def _left(study: Study, found: Sequence[Found]) -> list[Params | None]:
    """Points still to be evaluated: the grid's points, or a place for each point of a search."""
    there = {key_of(each.params): each for each in found}
    if study.num_points is None:
        return [
            params for params in study.grid
            if key_of(params) not in there or not there[key_of(params)].complete(study.seeds)
        ]  # fmt: skip
    begun = [each.params for each in found if _unfinished(study, each)]
    return [*begun, *[None] * max(0, study.total - len(found))]


def _unfinished(study: Study, found: Found) -> bool:
    finite = found.values(study.objectives, study.seeds) is not None
    return finite and not found.complete(study.seeds)


class _Listed(Searcher):
    """The points of a grid, one after the other."""

    def __init__(self, points: Sequence[Params]) -> None:
        super().__init__()
        self._points = list(points)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        return dict(self._points.pop(0)) if self._points else Searcher.FINISHED

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing depends on it."""

    def save(self, checkpoint_path: str) -> None:
        """Tune wants a file; what is to be kept is in the ledger."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger has the rows."""


class _Search(OptunaSearch):
    """Optuna's search of Tune over a study rebuilt from the ledger, without what would harm it:
    suggestions that were there before, trials left running by a NaN, and trials that were stopped
    early counted as complete."""

    def __init__(self, study: Study, found: Sequence[Found]) -> None:
        names = list(study.objectives)
        one = len(names) == 1
        super().__init__(
            space=partial(draw, study.space),
            metric=names[0] if one else names,
            mode="min" if one else ["min"] * len(names),
            sampler=sampler_of(study, found),
            study_name=study.name,
        )
        self._study = study
        self._ot_study = optuna_study(study, found)
        self._seen = {key_of(each.params) for each in found}
        self._begun = [each.params for each in found if _unfinished(study, each)]

    def suggest(self, trial_id: str) -> dict[str, Any]:
        if self._begun:
            params = self._begun.pop(0)
            self._ot_trials[trial_id] = known(self._study, self._ot_study, params)
        else:
            trial, params = suggest(self._study, self._ot_study, self._seen)
            self._ot_trials[trial_id] = trial
        return params

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if result.get("finite", False):
            super().on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        trial = self._ot_trials[trial_id]
        if not result or error or not result.get("finite", False):
            tell(self._ot_study, trial, None)
        elif result["seeds"] < len(self._study.seeds):
            self._ot_study.tell(trial, state=TrialState.PRUNED)
        else:
            tell(self._ot_study, trial, [result[name] for name in self._study.objectives])

    def save(self, checkpoint_path: str) -> None:
        """Tune wants a file; what is to be kept is in the ledger."""
        Path(checkpoint_path).touch()


class _Configuration(tune.Trainable):
    """One configuration after the other in one process, a batch of seeds an iteration."""

    def setup(self, config: Mapping[str, Any], study: Study, storage: str) -> None:
        import ray

        prepare_actor_engine(threads=1, gpu=bool(ray.get_gpu_ids()))
        self._study, self._ledger = study, Ledger(storage)
        self.reset_config(config)

    def reset_config(self, config: Mapping[str, Any]) -> bool:
        params = self._study.ordered(config)
        there = {key_of(each.params): each for each in self._study.found(self._ledger)}
        self._found = there.get(key_of(params), Found(params))
        return True

    def step(self) -> dict[str, Any]:
        study, found = self._study, self._found
        batches = study.missing(found)
        failed = ""
        if batches:
            rows = study.rows_of(found.params, batches[0])
            if isinstance(rows, VlmrtError):
                failed = str(rows)
            else:
                publish(self._ledger, rows)
                found.rows.update({row.seed: row for row in rows})
        return reported(study, found, failed)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the ledger has the rows."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the ledger has the rows."""
