"""Optuna's part of a search: suggestions, rebuilt from the ledger's rows in every run.

No state of Optuna is kept between runs, so none can be damaged or out of date.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store import name_first
from vlmrt_dist.studies.search.definition import Found, Study, key_of
from vlmrt_dist.studies.search.space import Params, draw, every

STARTUP = 12
"""Configurations drawn at random before the sampler begins to learn."""

WRITTEN_HERE = "vlmrt_dist"
"""Attribute of a study in a database that was written here."""

PATIENCE = 10
"""Suggestions in a row that were there before, after which one is drawn at random instead."""


def optuna_study(study: Study, found: Sequence[Found], storage: Any = None) -> optuna.Study:
    """An Optuna study with the results in the ledger.

    Its random numbers depend on the number of results, as a new sampler with the same seed would
    repeat its suggestions.

    :param found: the results in the ledger
    :param storage: Optuna's; None: in memory
    """
    with _quiet():
        made = optuna.create_study(
            storage=storage,
            study_name=study.name,
            sampler=sampler_of(study, found),
            # Seeds are the instances that configurations are compared on.
            pruner=optuna.pruners.WilcoxonPruner() if study.block else optuna.pruners.NopPruner(),
            directions=["minimize"] * len(study.objectives),
        )
        made.set_metric_names(list(study.objectives))
        for each in found:
            if (trial := trial_of(study, each)) is not None:
                made.add_trial(trial)
    return made


def sampler_of(study: Study, found: Sequence[Found]) -> Any:
    """The sampler of a search with a number of results."""
    seed = np.random.SeedSequence([study.sampler_seed, len(found)]).generate_state(1)[0]
    return optuna.samplers.TPESampler(seed=int(seed), n_startup_trials=STARTUP)


def trial_of(study: Study, found: Found) -> optuna.trial.FrozenTrial | None:
    """A configuration as Optuna keeps it; None where only some of its seeds are there."""
    values = found.values(study.objectives, study.seeds)
    if values is not None and not found.complete(study.seeds):
        return None
    seen = [s for s in study.seeds if s in found.rows]
    steps = {study.seeds.index(s): found.rows[s].mre for s in seen}
    return optuna.trial.create_trial(
        state=TrialState.FAIL if values is None else TrialState.COMPLETE,
        values=None if values is None else list(values),
        params=found.params,
        distributions={name: study.space[name].distribution() for name in found.params},
        intermediate_values=steps if values is not None and len(study.objectives) == 1 else None,
    )


def suggest(study: Study, from_optuna: optuna.Study, seen: set[str]) -> tuple[Any, Params]:
    """An Optuna trial and its configuration, one that is not in ``seen``; it is put there.

    A sampler that has settled on a few choices names them again and again, even in a space without
    end; after some time chance takes its turn.
    """
    learned = from_optuna.sampler
    try:
        for attempt in itertools.count():
            if attempt == PATIENCE:
                if (there := every(study.space)) is not None:
                    return _any_new(study, from_optuna, list(there), seen)
                seed = np.random.SeedSequence([study.sampler_seed, len(seen)]).generate_state(1)[0]
                from_optuna.sampler = optuna.samplers.RandomSampler(seed=int(seed))
            with _quiet():
                trial = from_optuna.ask()
            params = draw(study.space, trial)
            if key_of(params) not in seen:
                seen.add(key_of(params))
                return trial, params
            from_optuna.tell(trial, state=TrialState.FAIL)
    finally:
        from_optuna.sampler = learned
    raise AssertionError("counting has no end")


def _any_new(
    study: Study, from_optuna: optuna.Study, there: list[Params], seen: set[str]
) -> tuple[Any, Params]:
    """Draw an untried configuration from a finite space."""
    new = [params for params in there if key_of(params) not in seen]
    params = new[np.random.default_rng([study.sampler_seed, len(seen)]).integers(len(new))]
    seen.add(key_of(params))
    return known(study, from_optuna, params), params


def known(study: Study, from_optuna: optuna.Study, params: Params) -> Any:
    """An Optuna trial of a given configuration."""
    with _quiet():
        from_optuna.enqueue_trial(params)
        trial = from_optuna.ask()
    draw(study.space, trial)
    return trial


def tell(from_optuna: optuna.Study, trial: Any, values: Sequence[float] | None) -> None:
    """Outcome of a configuration; None: with numbers that are not finite."""
    if values is None:
        from_optuna.tell(trial, state=TrialState.FAIL)
    else:
        from_optuna.tell(trial, list(values))


def write_optuna(study: Study, found: Sequence[Found], path: Path) -> Path:
    """Write the rows of a search to an SQLite database for optuna-dashboard, at ``path``.

    Other studies in a database that is there already stay; an earlier version of this one is
    replaced.

    :raises StorageError: if the file is there and is no database of Optuna, or holds a study of
        this name that was not written here; or if it cannot be written to
    """
    if os.path.lexists(path):
        _check_database(path)
        with _database(path) as storage:
            _remove_earlier(study, storage, path)
            _add(study, found, storage)
        return path
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _database(part) as storage:
            _add(study, found, storage)
        name_first(part, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def _add(study: Study, found: Sequence[Found], storage: Any) -> None:
    made = optuna_study(study, found, storage)
    made.set_user_attr(WRITTEN_HERE, study.fingerprint)


def _remove_earlier(study: Study, storage: Any, path: Path) -> None:
    """Remove the study of this name, if it was written here.

    :raises StorageError: if it was not
    """
    for summary in optuna.get_all_study_summaries(storage):
        if summary.study_name == study.name:
            if WRITTEN_HERE not in summary.user_attrs:
                raise StorageError(
                    f"{path} holds a study {study.name!r} of somebody else, which is left as it "
                    "is; name another file"
                )
            optuna.delete_study(study_name=study.name, storage=storage)


def _check_database(path: Path) -> None:
    """:raises StorageError: if a file is no database of Optuna"""
    refused = StorageError(
        f"{path} is there already and is no database of Optuna; it is left as it is, name another "
        "file"
    )
    if not path.is_file():
        raise refused
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as there:
            tables = {name for (name,) in there.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error:
        raise refused from None
    if not {"studies", "trials", "version_info"} <= tables:
        raise refused


@contextlib.contextmanager
def _database(path: Path) -> Iterator[Any]:
    """Optuna's storage in a file.

    :raises StorageError: if it cannot be opened or written to
    """
    from sqlalchemy.exc import SQLAlchemyError

    storage = None
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
        yield storage
    except (SQLAlchemyError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
        raise StorageError(
            f"cannot write to the database {path}: {str(error).splitlines()[0]}"
        ) from None
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's line for every study and trial, and its word that what is used here
    (WilcoxonPruner, names of metrics) may change: the version is pinned."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
