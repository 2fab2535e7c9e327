"""Searches in databases for optuna-dashboard, beside studies of others."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import optuna
import pytest

from tests.studies.search.test_sampler import FINITE, never
from vlmrt_dist.errors import StorageError
from vlmrt_dist.studies.search.definition import Study
from vlmrt_dist.studies.search.sampler import write_optuna

STUDY = Study("search", never, FINITE, (0,), num_points=3)


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def studies(path: Path) -> dict[str, int]:
    """Number of trials of each study."""
    found = optuna.get_all_study_summaries(url(path))
    return {each.study_name: each.n_trials for each in found}


def somebody_s(path: Path, name: str) -> Path:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    made = optuna.create_study(storage=url(path), study_name=name)
    made.add_trial(optuna.trial.create_trial(value=1.0))
    return path


def test_a_search_is_added_to_a_database_of_others_and_written_anew_later(tmp_path: Path) -> None:
    path = somebody_s(tmp_path / "mine.db", "mine")
    for _ in range(2):
        assert write_optuna(STUDY, [], path) == path
        assert studies(path) == {"mine": 1, "search": 0}
    write_optuna(dataclasses.replace(STUDY, name="another"), [], path)
    assert studies(path) == {"mine": 1, "search": 0, "another": 0}


def test_a_study_of_somebody_else_with_the_same_name_is_kept(tmp_path: Path) -> None:
    path = somebody_s(tmp_path / "mine.db", "search")
    with pytest.raises(StorageError, match="holds a study 'search' of somebody else"):
        write_optuna(STUDY, [], path)
    assert studies(path) == {"search": 1}


def test_a_file_that_is_no_database_of_optuna_is_kept(tmp_path: Path) -> None:
    text, other, folder = tmp_path / "notes.db", tmp_path / "other.db", tmp_path / "folder"
    text.write_text("mine")
    folder.mkdir()
    with sqlite3.connect(other) as there:
        there.execute("CREATE TABLE studies (name TEXT)")
    there.close()
    before = other.read_bytes()
    for path in (text, other, folder):
        with pytest.raises(StorageError, match="no database of Optuna"):
            write_optuna(STUDY, [], path)
    assert text.read_text() == "mine"
    assert other.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "notes.db", "other.db"]


def test_a_new_database_is_whole_or_not_there(tmp_path: Path) -> None:
    assert studies(write_optuna(STUDY, [], tmp_path / "sub" / "new.db")) == {"search": 0}
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["new.db"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_optuna(STUDY, [], tmp_path / "file" / "new.db")
