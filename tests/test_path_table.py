import dataclasses
import pickle

import numpy as np
import pytest
from numerics import sketch

from vlmrt_dist import path_table
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.path_table import PathTable, concatenate_setups, unite


def assert_same(a: PathTable, b: PathTable) -> None:
    for field in dataclasses.fields(PathTable):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name)


def test_counts_follow_from_the_rows() -> None:
    table = sketch(setups=2, receivers=3, paths=40)
    assert (table.num_paths, table.max_depth) == (len(table.length), 3)
    assert table.paths_per_link.shape == (2, 3)
    assert table.paths_per_link.sum() == table.num_paths
    np.testing.assert_array_equal(table.link, 3 * table.setup + table.receiver)
    assert np.isnan(table.incomplete)


def test_arrays_cannot_be_written_to() -> None:
    table = sketch()
    with pytest.raises(ValueError, match="read-only"):
        table.length[0] = 1.0


@pytest.mark.parametrize("name", ["length", "cosine", "rotation", "tx_field", "rx_field"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_field_that_is_not_finite_is_refused_by_name(name: str, value: float) -> None:
    table = sketch()
    wrong = getattr(table, name).copy()
    wrong.flat[3] = value
    with pytest.raises(NumericalError, match=name):
        dataclasses.replace(table, **{name: wrong})


def test_the_key_does_not_depend_on_how_setups_are_grouped() -> None:
    table = sketch(setups=4, paths=80)
    parts = [table.setups([m]) for m in range(4)]
    assert_same(concatenate_setups(parts), table)
    assert concatenate_setups(parts).key == table.key
    assert [p.setup_keys()[0] for p in parts] == table.setup_keys()
    assert path_table.combined_key(table.setup_keys()) == table.key


def test_setups_are_picked_in_the_order_given() -> None:
    table = sketch(setups=4, paths=80)
    assert table.setups([3, 1]).setup_keys() == [table.setup_keys()[m] for m in (3, 1)]
    assert table.setups([3, 1]).num_setups == 2


@pytest.mark.parametrize(
    "name", ["receiver", "length", "kind", "object", "plane", "cosine", "rotation"]
)
def test_the_key_changes_with_every_column(name: str) -> None:
    table = sketch()
    other = getattr(table, name).copy()
    other.flat[0] = 1 if other.flat[0] == 0 else 0
    assert dataclasses.replace(table, **{name: other}).key != table.key


def test_uniting_drops_what_is_there_twice_and_sorts() -> None:
    table = sketch()
    shuffled = table.rows(np.random.default_rng(0).permutation(table.num_paths))
    assert_same(unite([shuffled, table, table.rows(np.arange(5))]), table)
    signature = unite([shuffled]).signature()
    assert (np.lexsort(signature.T[::-1]) == np.arange(len(signature))).all()


def test_uniting_tables_of_different_depth_keeps_the_paths_of_both() -> None:
    shallow, deep = sketch(depth=1, paths=6), sketch(depth=3)
    joined = unite([shallow, deep])
    assert joined.max_depth == 3
    known = {tuple(row) for row in joined.signature()}
    assert {tuple(row) for row in deep.signature()} <= known
    assert len(known) == joined.num_paths


def test_uniting_no_paths_is_no_paths() -> None:
    empty = sketch().rows(np.zeros(0, np.int64))
    assert unite([empty, empty]).num_paths == 0
    assert empty.paths_per_link.sum() == 0
    assert_same(unite([empty, sketch()]), sketch())


def test_tables_of_different_scenes_are_not_joined() -> None:
    with pytest.raises(ValueError, match="cannot be joined"):
        concatenate_setups([sketch(objects=4), sketch(objects=5)])
    with pytest.raises(ValueError, match="at least one"):
        concatenate_setups([])


def test_round_trips(tmp_path) -> None:
    table = sketch()
    assert_same(pickle.loads(pickle.dumps(table)), table)
    path_table.save(table, tmp_path / "new" / "table.npz")
    back = path_table.load(tmp_path / "new" / "table.npz")
    assert back is not None
    assert_same(back, table)
    assert [f.name for f in (tmp_path / "new").iterdir()] == ["table.npz"]  # nothing left over


def test_an_absent_file_is_none(tmp_path) -> None:
    assert path_table.load(tmp_path / "nothing.npz") is None


def test_a_truncated_file_is_none(tmp_path) -> None:
    file = tmp_path / "table.npz"
    path_table.save(sketch(), file)
    content = file.read_bytes()
    for length in np.linspace(0, len(content) - 1, 60).astype(int):
        file.write_bytes(content[:length])
        assert path_table.load(file) is None, length


def test_an_altered_file_is_none_or_the_table(tmp_path) -> None:
    """Whatever byte is damaged: never an exception, and never other numbers."""
    table, file = sketch(paths=4), tmp_path / "table.npz"
    path_table.save(table, file)
    content = bytearray(file.read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.choice(len(content), 1500, replace=False):
        damaged = content.copy()
        damaged[position] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        found = path_table.load(file)
        assert found is None or found.setup_keys() == table.setup_keys(), position
