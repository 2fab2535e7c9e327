"""The ledger: rows come back as they were, damage is noticed, names cannot leave the folder."""

from __future__ import annotations

import dataclasses
import random
import time
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from vlmrt_dist.errors import StorageError
from vlmrt_dist.store.ledger import SCHEMA, Ledger, Row, Timing

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


def file_of(storage: Path, table: str = "rows", key: str = "k") -> Path:
    return storage / table / "study=depth" / f"{key}.parquet"


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [row(f"k{seed}", seed=seed) for seed in range(3)]
    Ledger(tmp_path).publish("depth", rows)
    assert Ledger(tmp_path).rows("depth") == rows
    assert Ledger(tmp_path).read("depth", ["k2", "other", "k0"]) == {"k0": rows[0], "k2": rows[2]}
    assert Ledger(tmp_path).studies() == ["depth"]
    files = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(files) == [
        f"{table}/study=depth/k{n}.parquet" for table in ("histories", "rows") for n in range(3)
    ]


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


@pytest.mark.parametrize("table", ["rows", "histories"])
@pytest.mark.parametrize("size", [0, 10, 400, -1])
def test_a_truncated_file_is_named_set_aside_and_published_again(
    tmp_path: Path, table: str, size: int
) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [ROW, row("other")])
    file = file_of(tmp_path, table)
    cut = file.read_bytes()[:size]
    file.write_bytes(cut)
    with pytest.warns(UserWarning, match=f"{table}/study=depth/k.parquet is damaged"):
        assert list(ledger.read("depth", ["k", "other"])) == ["other"]
    [aside] = (tmp_path / "damaged" / table / "study=depth").iterdir()
    assert aside.read_bytes() == cut
    assert not file.exists()
    ledger.publish("depth", [ROW])
    assert ledger.read("depth", ["k"]) == {"k": ROW}
    assert len(pq.read_table(tmp_path / "rows")) == 2


def test_publishing_over_a_damaged_file_puts_it_aside(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [ROW])
    file_of(tmp_path).write_bytes(b"half")
    with pytest.warns(UserWarning, match="is damaged"):
        ledger.publish("depth", [ROW])
    assert ledger.rows("depth") == [ROW]


def test_what_another_driver_has_mended_meanwhile_is_put_back(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.publish("depth", [ROW])
    ledger._set_aside(ledger.folder("depth") / "k.parquet", "rows", "depth", "it was damaged")
    assert ledger.rows("depth") == [ROW]


def test_a_row_under_another_name_is_no_row(tmp_path: Path) -> None:
    Ledger(tmp_path).publish("depth", [ROW])
    file_of(tmp_path).rename(file_of(tmp_path, key="q"))
    with pytest.warns(UserWarning, match="another row than its name says"):
        assert Ledger(tmp_path).rows("depth") == []


def test_rows_of_another_version_are_left_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(tmp_path).publish("depth", [ROW])
    monkeypatch.setattr("vlmrt_dist.store.ledger.SCHEMA_VERSION", "next")
    with pytest.warns(UserWarning, match="1 rows of depth are of another version"):
        assert Ledger(tmp_path).rows("depth") == []
    assert file_of(tmp_path).exists()


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
