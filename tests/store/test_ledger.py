"""The ledger: rows come back as they were, damage is noticed, names cannot leave the folder."""

from __future__ import annotations

import dataclasses
import os
import pickle
import random
import time
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.checksummed_parquet import sealed
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.rows import SCHEMA, Row, Timing, label_of, table_of

ROW = Row(
    study="depth",
    key="k",
    configuration="c",
    label='{"D": 4}',
    seed=3,
    optimizer="adam",
    initial="itu",
    engine="replay",
    protocol="same_paths",
    combining="power",
    max_depth=4,
    samples_per_src=5000,
    path_set="single_solve",
    noise_db=0.1,
    complete_to=-1,
    num_objects=2,
    num_setups=1,
    num_links=8,
    num_paths=100,
    scene="s",
    tx=[1.0, 2.0, 1.5],
    rx=[3.0, 1.0, 1.5],
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
    restarts=0,
    hardware="CPU",
    versions="{}",
)


def row(key: str, **changes: Any) -> Row:
    return dataclasses.replace(ROW, key=key, **changes)


def file_of(storage: Path, table: str = "rows", number: int = 1) -> Path:
    return storage / table / "study=depth" / f"{number:09d}.parquet"


def files_of(storage: Path) -> list[str]:
    """Names of the files that plain readers see."""
    found = (p.relative_to(storage).as_posix() for p in storage.rglob("*.parquet"))
    return sorted(name for name in found if not name.startswith("."))


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [row(f"k{seed}", seed=seed) for seed in range(3)]
    Ledger(tmp_path).publish("depth", rows)
    assert Ledger(tmp_path).rows("depth") == rows
    assert Ledger(tmp_path).read("depth", ["k2", "other", "k0"]) == {"k0": rows[0], "k2": rows[2]}
    assert Ledger(tmp_path).studies() == ["depth"]
    assert files_of(tmp_path) == [
        f"{table}/study=depth/000000001.parquet" for table in ("histories", "rows")
    ]


def test_a_stored_row_is_as_good_as_one_that_was_made(tmp_path: Path) -> None:
    Ledger(tmp_path).publish("depth", [ROW])
    [stored] = Ledger(tmp_path).rows("depth")
    assert stored == ROW
    assert repr(stored) == repr(ROW)
    assert dataclasses.replace(stored, seed=7) == row("k", seed=7)
    assert pickle.loads(pickle.dumps(stored)) == ROW
    with pytest.raises(AttributeError):
        stored.no_such_column  # type: ignore[attr-defined] # noqa: B018


def test_the_first_of_two_rows_stays(tmp_path: Path) -> None:
    Ledger(tmp_path).publish("depth", [row("k", seconds_fit=1.0)])
    Ledger(tmp_path).publish("depth", [row("k", seconds_fit=2.0)])
    assert Ledger(tmp_path).rows("depth")[0].seconds_fit == 1.0


def test_one_line_of_pyarrow_pandas_or_duckdb_reads_all_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for study in ("depth", "rays"):
        keys = [f"{study}{n}" for n in range(2)]
        Ledger(tmp_path / "results").publish(study, [row(k, study=study) for k in keys])
    monkeypatch.chdir(tmp_path)
    tables = [
        pq.read_table("results/rows").to_pandas(),
        pd.read_parquet("results/rows"),
        duckdb.execute("from 'results/rows/*/*.parquet'").df(),
    ]
    for table in tables:
        assert sorted(zip(table["study"].astype(str), table["key"], strict=True)) == [
            ("depth", "depth0"), ("depth", "depth1"), ("rays", "rays0"), ("rays", "rays1"),
        ]  # fmt: skip
        assert list(table["conductivity"].iloc[0]) == ROW.conductivity
    [(iterations,)] = duckdb.execute(
        "select max(len(mre_history)) from 'results/rows/*/*.parquet' "
        "join 'results/histories/*/*.parquet' using (study, key)"
    ).fetchall()
    assert iterations == 2


def test_columns_carry_their_units_and_the_schema_its_version(tmp_path: Path) -> None:
    Ledger(tmp_path).publish("depth", [ROW])
    schema = pq.read_schema(file_of(tmp_path))
    assert schema.equals(SCHEMA)
    assert schema.metadata[b"vlmrt_schema_version"] == SCHEMA.metadata[b"vlmrt_schema_version"]
    assert schema.field("conductivity").metadata[b"unit"] == b"S/m"
    assert schema.field("seconds_fit").metadata[b"unit"] == b"s"
    assert schema.field("held_out_db").metadata[b"unit"] == b"dB"


def test_what_is_absent_is_missing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "nowhere")
    assert ledger.read("depth", ["k"]) == {}
    assert not any([ledger.rows("depth"), ledger.timings("depth"), ledger.studies()])
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("size", [0, 10, 400, -1])
def test_a_truncated_file_is_named_set_aside_and_its_rows_published_again(
    tmp_path: Path, size: int
) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [ROW, row("other")])
    file = file_of(tmp_path)
    cut = file.read_bytes()[:size]
    file.write_bytes(cut)
    with pytest.warns(UserWarning, match="rows/study=depth/000000001.parquet is damaged"):
        assert ledger.read("depth", ["k", "other"]) == {}
    [aside] = (tmp_path / "damaged" / "rows" / "study=depth").iterdir()
    assert aside.read_bytes() == cut
    assert not file.exists()
    ledger.publish("depth", [ROW])
    assert ledger.read("depth", ["k"]) == {"k": ROW}
    assert len(pq.read_table(tmp_path / "rows")) == 1


def test_publishing_over_a_damaged_file_puts_it_aside(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [ROW])
    file_of(tmp_path).write_bytes(b"half")
    with pytest.warns(UserWarning, match="is damaged"):
        ledger.publish("depth", [ROW])
    assert ledger.rows("depth") == [ROW]


def test_rows_whose_iterations_were_damaged_are_whole(tmp_path: Path) -> None:
    Ledger(tmp_path).publish("depth", [ROW])
    file_of(tmp_path, "histories").write_bytes(b"half")
    [stored] = Ledger(tmp_path).rows("depth")
    assert stored.mre == ROW.mre
    with (
        pytest.warns(UserWarning, match=f"{file_of(tmp_path, 'histories')} is damaged"),
        pytest.warns(UserWarning, match="1 rows of depth have lost their error and loss"),
    ):
        assert stored.mre_history == []


def test_rows_of_another_version_are_left_where_they_are(tmp_path: Path) -> None:
    other = SCHEMA.with_metadata({b"vlmrt_schema_version": b"older"})
    file = file_of(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_bytes(sealed(table_of("rows", [ROW]).cast(other)))
    with pytest.warns(UserWarning, match="1 files with rows of depth are of another version"):
        assert Ledger(tmp_path).rows("depth") == []
    assert file.exists()


def with_column(name: str, values: list[Any]) -> pa.Table:
    """A table with one column whose values are others."""
    table = table_of("rows", [ROW])
    column = pa.array(values, table.schema.field(name).type)
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)


FOREIGN = {
    "fewer columns": table_of("rows", [ROW]).drop_columns(["mre"]),
    "another type": table_of("rows", [ROW]).set_column(
        SCHEMA.get_field_index("mre"), pa.field("mre", pa.string()), pa.array(["0.1"])
    ),
    "no value": with_column("label", [None]),
    "no UTF-8": with_column("label", [pa.scalar(b"\xff").cast(pa.string(), safe=False)]),
    "a key that leaves the folder": with_column("key", ["../k"]),
}
"""Tables with a valid checksum that this package did not write."""


@pytest.mark.parametrize("table", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_file_with_a_checksum_is_named_and_set_aside(
    tmp_path: Path, table: pa.Table
) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [row("mine")])
    foreign = table.replace_schema_metadata(SCHEMA.metadata)
    file_of(tmp_path, number=7).write_bytes(sealed(foreign))
    with pytest.warns(UserWarning, match="000000007.parquet is damaged"):
        assert [r.key for r in ledger.rows("depth")] == ["mine"]


@pytest.mark.parametrize("label", ["no json", "[" * 100_000, "[1]", "null"])
def test_a_label_that_is_no_object_is_none(label: str) -> None:
    assert label_of(row("k", label=label)) is None


def test_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [ROW])
    os.mkfifo(file_of(tmp_path, number=2))
    with pytest.raises(StorageError, match="it is not a regular file"):
        ledger.rows("depth")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "a b", "x" * 65, "/tmp/x"])
def test_a_study_name_cannot_leave_the_storage(tmp_path: Path, name: str) -> None:
    ledger = Ledger(tmp_path / "in")
    for use in (ledger.rows, ledger.timings, ledger.folder):
        with pytest.raises(StorageError, match="no name for a study"):
            use(name)
    with pytest.raises(StorageError, match="no name for a study"):
        ledger.publish(name, [ROW])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["../k", "", "a/b", ".k"])
def test_a_key_cannot_leave_its_study(tmp_path: Path, key: str) -> None:
    with pytest.raises(StorageError, match="no key of a row"):
        Ledger(tmp_path / "in").publish("depth", [row(key)])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot"):
        Ledger(tmp_path / "file").publish("depth", [ROW])


def test_timings_come_back_as_they_were(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    some = Timing(
        study="complexity", key="t", label="{}", engine="replay", num_objects=9, num_setups=3,
        num_links=24, num_paths=600, max_depth=4, samples_per_src=5000, seconds_scene=0.1,
        seconds_trace=0.5, seconds_value=1e-4, seconds_gradient=2e-4, seconds_jacobian=0.01,
        seconds_fit=-1.0, iterations=-1, mre=0.5, peak_bytes=1 << 33, outcome="", hardware="CPU",
        versions="{}",
    )  # fmt: skip
    ledger.publish_timings("complexity", [some])
    assert ledger.timings("complexity") == [some]
    assert ledger.studies() == ["complexity"]
    assert ledger.rows("complexity") == []


@pytest.mark.slow
def test_thousands_of_rows_are_read_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # writing them is not what is timed
    count = 2000
    history = [random.random() for _ in range(1000)]
    Ledger(tmp_path).publish(
        "depth", [row(f"k{n}", mre_history=history, loss_history=history) for n in range(count)]
    )
    clock = time.process_time()
    assert len(Ledger(tmp_path).rows("depth")) == count
    seconds = time.process_time() - clock
    print(f"{count} rows read in {seconds:.1f} s")
    assert seconds < 20
