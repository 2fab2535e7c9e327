"""Columns of stored rows, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


class Columns:
    """Columns of N rows.

    :param table: the rows
    :param constants: columns that have one value for all rows
    :param more: gives a table of further columns, with ``key``, when one of them is asked for
    :param others: names of those columns, all of them lists; empty where ``more`` lacks the row
    """

    def __init__(
        self,
        table: pa.Table,
        constants: dict[str, str],
        more: Callable[[], pa.Table],
        others: tuple[str, ...],
    ) -> None:
        self.table = table
        self._constants, self._more, self._others = constants, more, others
        self._decoded: dict[str, list[Any] | Lists] = {}

    def value(self, name: str, index: int) -> Any:
        """Value of one column in one row.

        :raises AttributeError: if there is no such column
        """
        if name in self._constants:
            return self._constants[name]
        return self.decoded(name)[index]

    def decoded(self, name: str) -> list[Any] | Lists:
        """Values of one column that is no constant, in the order of the table.

        :raises AttributeError: if there is no such column
        """
        if name not in self._decoded:
            if name in self._others:
                self._join()
            elif name in self.table.column_names:
                self._decoded[name] = _decoded(self.table[name])
            else:
                raise AttributeError(name)
        return self._decoded[name]

    def _join(self) -> None:
        more = self._more()
        place = pc.index_in(self.table["key"].combine_chunks(), more["key"].combine_chunks())
        for name in self._others:
            self._decoded[name] = _decoded(more[name].combine_chunks().take(place))


class Lists:
    """A column of lists: one array of all entries, sliced for each row."""

    def __init__(self, column: pa.ListArray) -> None:
        self._entries = column.values
        self._offsets = column.offsets.to_numpy()
        self._absent = column.is_null().to_numpy(zero_copy_only=False)

    def __getitem__(self, index: int) -> list[Any]:
        if self._absent[index]:
            return []
        begin, end = int(self._offsets[index]), int(self._offsets[index + 1])
        found: list[Any] = self._entries.slice(begin, end - begin).to_pylist()
        return found


def _decoded(column: pa.ChunkedArray | pa.Array) -> list[Any] | Lists:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_list(whole.type) or pa.types.is_large_list(whole.type):
        return Lists(whole)
    values: list[Any] = whole.to_pylist()
    return values
