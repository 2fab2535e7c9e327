import dataclasses

import numpy as np
import pytest

from tests.numerics import sketch
from vlmrt_dist.errors import NumericalError
from vlmrt_dist.paths import path_table
from vlmrt_dist.paths.path_table import PathTable, concatenate_setups, unite


def assert_same(a: PathTable, b: PathTable) -> None:
    for field in dataclasses.fields(PathTable):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), field.name)


def test_counts_follow_from_the_rows() -> None:
    table = sketch(setups=2, receivers=3, paths=40)
    assert (table.num_paths, table.max_depth) == (len(table.length), 3)
    assert table.paths_per_link.shape == (2, 3)
    assert table.paths_per_link.sum() == table.num_paths
    np.testing.assert_array_equal(table.link, 3 * table.setup + table.receiver)
    assert table.certificate == 3
    assert dataclasses.replace(table, complete_to=np.array([3, -1])).certificate == -1
    margin = np.where(np.arange(table.num_paths) < 3, 5e-5, table.margin + 1e-3)
    assert dataclasses.replace(table, margin=margin).num_fragile == 3


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


def test_rows_in_any_order_give_the_keys_and_setups_of_the_sorted_ones() -> None:
    """Setups stay apart however their rows are mixed, as long as each keeps its own order."""
    table = sketch(setups=4, paths=80)
    mixed = table.rows(np.argsort(np.random.default_rng(0).random(table.num_paths)))
    again = mixed.rows(np.lexsort(mixed.signature().T[::-1]))
    assert again.setup_keys() == table.setup_keys()
    by_receiver = table.rows(np.argsort(table.receiver, kind="stable"))
    order = [np.flatnonzero(by_receiver.setup == m) for m in range(4)]
    assert [by_receiver.rows(rows).setups([m]).key for m, rows in enumerate(order)] == [
        by_receiver.setups([m]).key for m in range(4)
    ]
    assert by_receiver.setup_keys() == table.setup_keys()


def test_uniting_orders_signatures_that_no_one_integer_holds() -> None:
    """Thousands of objects and planes at depth 6 need three of them."""
    rng = np.random.default_rng(0)
    table = sketch(setups=3, receivers=300, objects=5000, paths=500, depth=6)
    there = table.kind != 0
    large = dataclasses.replace(
        table, plane=np.where(there, rng.integers(0, 30_000, there.shape), 0).astype(np.int32)
    )
    twice = concatenate_setups([large]).rows(rng.permutation(np.repeat(np.arange(500), 2)))
    united = unite([twice])
    expected, first = np.unique(twice.signature(), axis=0, return_index=True)
    np.testing.assert_array_equal(united.signature(), expected)
    assert united.key == twice.rows(first).key
