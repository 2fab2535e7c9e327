"""Path tables on disk: whole or refused, mapped and not copied, shared between processes."""

import dataclasses
import hashlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import ROOT
from tests.numerics import sketch
from vlmrt_dist.errors import StorageError
from vlmrt_dist.paths.path_files import load_paths, stream_paths
from vlmrt_dist.paths.path_table import ROWS, PathTable, concatenate_setups
from vlmrt_dist.studies.benchmarks.cost_by_links import own_memory


def assert_same(a: PathTable, b: PathTable) -> None:
    for field in dataclasses.fields(PathTable):
        one, other = (np.asarray(getattr(t, field.name)) for t in (a, b))
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes(), field.name  # last bits and the sign of zero too


@pytest.fixture
def table() -> PathTable:
    """Four setups, with odd values in the columns that are no paths'."""
    made = sketch(setups=4, paths=80)
    rotation = made.rotation.copy()
    rotation[0, 0] = -0.0
    margin = made.margin.copy()
    margin[:3] = [np.nan, np.inf, 0.1 + 0.2]
    return dataclasses.replace(
        made,
        rotation=rotation,
        margin=margin,
        complete_to=np.array([1, 5, -1, 3], np.int32),
        seconds=np.array([0.1, 1 / 3, 5.0, 0.0]),
        seconds_in_solver=np.array([0.05, 0.3, 4.0, 0.0]),
    )


def test_round_trips(table: PathTable, tmp_path: Path) -> None:
    assert_same(pickle.loads(pickle.dumps(table)), table)
    stream_paths(tmp_path / "table.arrow", [table])
    assert_same(load_paths(tmp_path / "table.arrow"), table)
    assert [f.name for f in tmp_path.iterdir()] == ["table.arrow"]  # nothing left over


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_no_paths_and_no_interactions_round_trip(tmp_path: Path, depth: int) -> None:
    file = tmp_path / "table.arrow"
    some = sketch(depth=depth)
    for made in (some, some.rows(np.zeros(0, np.int64))):
        stream_paths(file, [made])
        assert_same(load_paths(file), made)
        assert_same(load_paths(file, [1]), made.setups([1]))


def test_setups_that_come_one_after_another_are_the_table(table: PathTable, tmp_path: Path) -> None:
    file = tmp_path / "table.arrow"
    stream_paths(file, (table.setups([m]) for m in range(4)))
    assert_same(load_paths(file), table)
    stream_paths(file, [table.setups([0, 1, 2]), table.setups([3])])
    assert_same(load_paths(file), table)


def test_single_setups_are_read_without_the_others(table: PathTable, tmp_path: Path) -> None:
    file = tmp_path / "table.arrow"
    stream_paths(file, [table])
    for picked in ([2], [3, 0], [1, 1], range(4)):
        assert_same(load_paths(file, picked), table.setups(list(picked)))
    with pytest.raises(StorageError, match="4 setups and none numbered 4"):
        load_paths(file, [4])
    # Somebody alters a path of the last setup: the first ones are still good.
    content = bytearray(file.read_bytes())
    at = content.rindex(table.rx_field[-1].tobytes())
    content[at] ^= 1
    file.write_bytes(content)
    assert_same(load_paths(file, [0, 2]), table.setups([0, 2]))
    for setups in (None, [3]):
        with pytest.raises(StorageError, match="damaged"):
            load_paths(file, setups)


def test_columns_are_the_files_own_bytes(table: PathTable, tmp_path: Path) -> None:
    file = tmp_path / "table.arrow"
    stream_paths(file, [table])
    loaded = load_paths(file)
    for part, names in ((loaded, ROWS), (load_paths(file, [2]), ROWS[1:])):
        mapped = mapped_at(file)
        for name in names:
            start = getattr(part, name).ctypes.data
            assert any(first <= start < last for first, last in mapped), name
            with pytest.raises(ValueError, match="read-only"):
                getattr(part, name)[0] = 1


def mapped_at(file: Path) -> list[tuple[int, int]]:
    """Where this process has mapped ``file``."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    ends = [line.split()[0].split("-") for line in lines if line.endswith(str(file))]
    return [(int(first, 16), int(last, 16)) for first, last in ends]


def test_a_table_outlives_its_file(table: PathTable, tmp_path: Path) -> None:
    file = tmp_path / "table.arrow"
    stream_paths(file, [table])
    loaded = load_paths(file)
    stream_paths(file, [sketch()])  # another one in its place
    assert_same(loaded, table)
    file.unlink()
    assert_same(loaded, table)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no file .*nothing\.arrow"):
        load_paths(tmp_path / "nothing.arrow")
    with pytest.raises(StorageError, match="no path table"):
        load_paths(tmp_path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.arrow"
    stream_paths(file, [sketch()])
    content = file.read_bytes()
    for length in np.linspace(0, len(content) - 1, 120).astype(int):
        file.write_bytes(content[:length])
        with pytest.raises(StorageError):
            load_paths(file)


@pytest.mark.slow
def test_an_altered_file_is_refused_or_the_table(table: PathTable, tmp_path: Path) -> None:
    """Whatever byte is damaged: no other exception, and never other numbers."""
    small, file = table.setups([1]), tmp_path / "table.arrow"
    stream_paths(file, [small])
    content = bytearray(file.read_bytes())
    rng = np.random.default_rng(0)
    refused = 0
    tried = rng.choice(len(content), 3000, replace=False)
    for position in tried:
        damaged = content.copy()
        damaged[position] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        try:
            found = load_paths(file)
        except StorageError:
            refused += 1
        else:
            assert_same(found, small)
    assert refused > 0.6 * len(tried)  # the rest is the schema's second copy, and padding


def test_another_file_of_arrow_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import feather

    feather.write_feather(pa.table({"length": [1.0]}), tmp_path / "other.arrow")
    with pytest.raises(StorageError, match="no path table"):
        load_paths(tmp_path / "other.arrow")


def test_facts_that_are_nested_without_end_are_refused(table: PathTable, tmp_path: Path) -> None:
    import pyarrow as pa

    stream_paths(tmp_path / "good.arrow", [table])
    with pa.memory_map(str(tmp_path / "good.arrow")) as source:
        whole = pa.ipc.open_file(source).read_all()
    nested = b"[" * 100_000
    digest = hashlib.sha256(nested).hexdigest().encode()
    facts = {b"vlmrt_facts": nested, b"vlmrt_sha256": digest}
    bad = whole.replace_schema_metadata({**(whole.schema.metadata or {}), **facts})
    with pa.ipc.new_file(tmp_path / "bad.arrow", bad.schema) as writer:
        writer.write_table(bad)
    with pytest.raises(StorageError, match="no path table"):
        load_paths(tmp_path / "bad.arrow")


def test_others_read_it(table: PathTable, tmp_path: Path) -> None:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    file = tmp_path / "table.arrow"
    stream_paths(file, [table])
    opened = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    assert opened.schema.field("length").metadata[b"unit"] == b"m"
    found = duckdb.sql(
        "select setup, count(*), max(length) from opened group by setup order by setup"
    )
    rows = [] if found is None else found.fetchall()
    expected = [
        (m, int((table.setup == m).sum()), table.length[table.setup == m].max()) for m in range(4)
    ]
    assert rows == expected
    frame = pd.read_feather(file)
    assert frame["object"].iloc[5].tolist() == table.object[5].tolist()


def test_a_failure_on_the_way_leaves_the_old_file_and_no_other(
    table: PathTable, tmp_path: Path
) -> None:
    file = tmp_path / "table.arrow"
    stream_paths(file, [table])

    def stopped() -> Iterator[PathTable]:
        yield table.setups([0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_paths(file, stopped())
    with pytest.raises(ValueError, match="at least one"):
        stream_paths(file, [])
    with pytest.raises(ValueError, match="cannot be joined"):
        stream_paths(file, [table, sketch(objects=5)])
    assert_same(load_paths(file), table)
    assert [f.name for f in tmp_path.iterdir()] == ["table.arrow"]
    with pytest.raises(StorageError, match="cannot write"):
        stream_paths(tmp_path / "nowhere" / "table.arrow", [table])


def test_two_writers_of_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    file = tmp_path / "table.arrow"
    writers = [threading.Thread(target=stream_paths, args=(file, [sketch()])) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert load_paths(file).key == sketch().key
    assert len(list(tmp_path.iterdir())) == 1


# Sharing.


def large() -> PathTable:
    """Some 60 MB."""
    return repeated(sketch(setups=4, paths=2000), 250)


def repeated(table: PathTable, times: int) -> PathTable:
    return concatenate_setups([table] * times)


_READ = """
import sys
sys.path[:0] = sys.argv[2:]
from vlmrt_dist.paths.path_files import load_paths
from vlmrt_dist.studies.benchmarks.cost_by_links import own_memory
load_paths(sys.argv[1], [0])  # imports everything
before = own_memory()
table = load_paths(sys.argv[1])
print(own_memory() - before, table.key, table.rotation.sum())
"""


@pytest.mark.slow
def test_processes_share_the_pages_of_one_file(tmp_path: Path) -> None:
    table, file = large(), tmp_path / "table.arrow"
    size = sum(getattr(table, name).nbytes for name in ROWS)
    assert size > 50e6
    stream_paths(file, [table])
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", _READ, str(file), str(ROOT)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        grown, key, _ = done.stdout.split()
        assert key == table.key
        assert int(grown) < 0.15 * size


@pytest.mark.ray
def test_actors_of_a_node_share_one_table_of_rays_store() -> None:
    """No array is copied on its way out of the store, nor by what the table's own methods do."""
    import ray

    class Reader:
        def read(self, table: PathTable) -> tuple[int, str, list[str]]:
            before = own_memory()
            self.table = table  # kept, as an objective keeps it
            key = table.key
            arrays = {name: getattr(table, name) for name in ROWS}
            for name, array in arrays.items():
                while isinstance(array.base, np.ndarray):
                    arrays[name] = array = array.base
            owned = [name for name, array in arrays.items() if array.flags.owndata]
            return own_memory() - before, key, owned

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        table = large()
        size = sum(getattr(table, name).nbytes for name in ROWS)
        reference, warm = ray.put(table), ray.put(sketch())
        actors = [ray.remote(Reader).remote() for _ in range(2)]
        ray.get([actor.read.remote(warm) for actor in actors])
        for grown, key, owned in ray.get([actor.read.remote(reference) for actor in actors]):
            assert key == table.key
            assert owned == []
            assert grown < 0.15 * size
    finally:
        ray.shutdown()
