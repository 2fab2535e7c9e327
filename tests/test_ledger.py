"""The ledger: rows come back as they were, damage is noticed, names cannot leave the folder."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from vlmrt_dist.errors import StorageError
from vlmrt_dist.ledger import SCHEMA, Ledger, Row

ROW = Row(
    study="depth",
    key="k",
    label='{"D": 4}',
    seed=3,
    optimizer="adam",
    initial="itu",
    engine="replay",
    protocol="same_paths",
    combining="power",
    max_depth=4,
    samples_per_src=5000,
    complete=False,
    noise_db=0.1,
    incomplete=math.inf,
    num_objects=2,
    num_setups=1,
    num_links=8,
    num_paths=100,
    outcome="converged",
    iterations=7,
    initial_mre=0.07,
    mre=1e-9,
    held_out_db=1e-6,
    loss=0.25,
    seconds_trace=0.5,
    seconds_fit=0.01,
    names=["floor", "wall"],
    conductivity=[0.03, 0.02],
    std=[0.1, 0.2],
    crb=[0.1, 0.3],
    low=[0.02, 0.01],
    high=[0.04, 0.03],
    verdict=["estimated", "weak"],
    contradicts_prior=[False, True],
    coverage=1.0,
    truth=[0.03, 0.02],
    mre_history=[0.07, 1e-9],
    loss_history=[0.5, 1e-8],
    permittivity=[],
    permittivity_std=[],
    permittivity_verdict=[],
    permittivity_truth=[],
    hardware="CPU",
    versions="{}",
)


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [dataclasses.replace(ROW, seed=seed) for seed in range(3)]
    Ledger(tmp_path).publish("depth", "k", rows)
    assert Ledger(tmp_path).read("depth", "k") == rows
    assert [f.name for f in (tmp_path / "depth").iterdir()] == ["k.parquet"]


def test_any_reader_opens_the_folder_as_one_data_set(tmp_path: Path) -> None:
    for key in "ab":
        Ledger(tmp_path).publish("depth", key, [dataclasses.replace(ROW, key=key)])
    table = ds.dataset(tmp_path / "depth", format="parquet").to_table()
    assert sorted(table["key"].to_pylist()) == ["a", "b"]


def test_columns_carry_their_units(tmp_path: Path) -> None:
    file = Ledger(tmp_path).publish("depth", "k", [ROW])
    schema = pq.read_schema(file)
    assert schema.equals(SCHEMA)
    assert schema.field("conductivity").metadata[b"unit"] == b"S/m"
    assert schema.field("seconds_fit").metadata[b"unit"] == b"s"
    assert schema.field("held_out_db").metadata[b"unit"] == b"dB"


def test_absent_rows_are_none(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "nowhere").read("depth", "k") is None


@pytest.mark.parametrize("size", [0, 10, 400])
def test_a_truncated_file_counts_as_absent(tmp_path: Path, size: int) -> None:
    file = Ledger(tmp_path).publish("depth", "k", [ROW])
    file.write_bytes(file.read_bytes()[:size])
    assert Ledger(tmp_path).read("depth", "k") is None


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "a b", "x" * 65, "/tmp/x"])
def test_a_study_name_cannot_leave_the_storage(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="no name for a study"):
        Ledger(tmp_path / "in").publish(name, "k", [ROW])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make"):
        Ledger(tmp_path / "file").publish("depth", "k", [ROW])
