"""Parquet files that others wrote: read within bounds of what they unpack to.

A file's own numbers need not be true, and a few kilobytes can stand for gigabytes: a page that
inflates, a value that a dictionary repeats, runs of equal values. So the headers of all pages are
looked at before any page is unpacked, and columns whose values may repeat are decoded only when it
is known how large they become.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlmrt_dist.store.atomic_files import UnreadableFile

_LONGEST_TEXT, _MOST_ENTRIES = 16 * 2**20, 1_000_000
_DAMAGED = "it is not a Parquet file that can be read, or it is damaged"
_DICTIONARY_PAGE = 2
_MOST_NESTED = 16


class Limits(NamedTuple):
    """Limits of a file.

    :param size: bytes after unpacking
    :param rows: number of rows
    :param columns: number of columns, those within nested ones counted
    """

    size: int
    rows: int
    columns: int


def read_parquet(content: bytes, limits: Limits) -> pa.Table:
    """The table in a Parquet file whose pages' checksums are right where it has some.

    :raises UnreadableFile: if it cannot be read, or is larger than the limits
    """
    try:
        file = pq.ParquetFile(
            pa.BufferReader(content),
            thrift_string_size_limit=_LONGEST_TEXT,
            thrift_container_size_limit=_MOST_ENTRIES,
            page_checksum_verification=True,
        )
        return read_within(content, file, limits)
    except (pa.ArrowException, OSError, ValueError, NotImplementedError, IndexError):
        # The library's own words may repeat bytes of the file.
        raise UnreadableFile(_DAMAGED) from None


def read_within(
    content: bytes, file: pq.ParquetFile, limits: Limits, columns: Sequence[str] | None = None
) -> pa.Table:
    """The table in an opened Parquet file.

    :param content: bytes of the file
    :param columns: those to read; None: all
    :raises UnreadableFile: if it is larger than the limits
    :raises ValueError: or an error of Arrow or an IndexError, if it cannot be read
    """
    repeating = _checked_pages(content, file.metadata, limits)
    if not repeating:
        return _plain(file.read(columns, use_threads=False), limits)
    with pq.ParquetFile(
        pa.BufferReader(content), page_checksum_verification=True, read_dictionary=repeating
    ) as again:
        return _plain(again.read(columns, use_threads=False), limits)


def _too_large(limits: Limits) -> UnreadableFile:
    """The error of a file beyond its limits."""
    return UnreadableFile(
        f"it holds more than {limits.rows} rows, {limits.columns} columns or "
        f"{limits.size >> 20} MiB after unpacking"
    )


def _checked_pages(content: bytes, meta: pq.FileMetaData, limits: Limits) -> list[str]:
    """Compare the sizes of all pages, which are not unpacked, with the limits.

    :return: columns of texts whose values a dictionary may repeat beyond the limits
    :raises UnreadableFile: if the file is larger
    :raises ValueError: or an IndexError, if a page's header cannot be read
    """
    if meta.num_rows > limits.rows or meta.num_columns > limits.columns:
        raise _too_large(limits)
    size = 0
    repeating: set[str] = set()
    for group in range(meta.num_row_groups):
        for index in range(meta.num_columns):
            column = meta.row_group(group).column(index)
            width = meta.schema.column(index).length or 8
            dictionary = values = 0
            for page in _pages(content, column):
                size += page.size
                values += page.values if page.kind != _DICTIONARY_PAGE else 0
                dictionary += page.size if page.kind == _DICTIONARY_PAGE else 0
            if column.physical_type != "BYTE_ARRAY":
                size += values * width
            elif dictionary * values > limits.size // 16:
                repeating.add(column.path_in_schema)
            if size > limits.size:
                raise _too_large(limits)
    return sorted(repeating)


def _plain(table: pa.Table, limits: Limits) -> pa.Table:
    """A table without dictionaries, of texts or within lists.

    :raises UnreadableFile: if that is larger than the limits
    """
    size = table.nbytes
    for index, field in enumerate(table.schema):
        column, kind = table.column(index), field.type
        in_lists = pa.types.is_list(kind) and pa.types.is_dictionary(kind.value_type)
        if not in_lists and not pa.types.is_dictionary(kind):
            continue
        for chunk in column.chunks:
            flat = chunk.flatten() if in_lists else chunk
            length = pc.binary_length(flat.dictionary).cast(pa.int64())
            size += pc.sum(length.take(flat.indices)).as_py() or 0
            if size > limits.size:
                raise _too_large(limits)
        inner = kind.value_field.with_type(kind.value_type.value_type) if in_lists else None
        decoded = kind.value_type if inner is None else pa.list_(inner)
        table = table.set_column(index, field.with_type(decoded), column.cast(decoded))
    return table


class _Page(NamedTuple):
    """The header of a page.

    :param kind: of the page; 2: a dictionary
    :param size: bytes after unpacking
    :param values: number of values
    """

    kind: int
    size: int
    values: int


def _pages(content: bytes, column: pq.ColumnChunkMetaData) -> Iterator[_Page]:
    """The pages of a column in one group of rows."""
    begin = column.data_page_offset
    if column.has_dictionary_page and column.dictionary_page_offset:
        begin = min(begin, column.dictionary_page_offset)
    at, end = begin, begin + column.total_compressed_size
    if not 0 <= begin <= end <= len(content):
        raise ValueError
    left = column.num_values
    while at < end and left > 0:
        header = _Thrift(content, at)
        found = header.read()
        kind, size, packed = (_count(found.get(key)) for key in (1, 2, 3))
        about: Any = next((found[key] for key in (5, 7, 8) if key in found), {})
        values = _count(about.get(1, 0) if isinstance(about, dict) else None)
        left -= values if kind != _DICTIONARY_PAGE else 0
        yield _Page(kind, size, values)
        at = header.at + packed


def _count(value: Any) -> int:
    """:raises ValueError: if it is no number that counts something"""
    if not isinstance(value, int) or value < 0:
        raise ValueError
    return value


class _Thrift:
    """Reads one struct in Thrift's compact protocol: numbers and structs by their field; the rest
    is skipped.

    :param content: bytes in which it stands
    :param at: where it begins, and, once it was read, where it ends
    """

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self.at = content, at

    def read(self, nested: int = 0) -> dict[int, Any]:
        """The fields of a struct.

        :raises ValueError: or an IndexError, if it is none
        """
        fields: dict[int, Any] = {}
        number = 0
        while (byte := self._byte()) != 0:
            number = number + (byte >> 4) if byte >> 4 else self._signed()
            fields[number] = self._value(byte & 15, nested)
        return fields

    def _value(self, kind: int, nested: int) -> Any:
        if nested > _MOST_NESTED:
            raise ValueError
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            self.at += 8
        elif kind == 8:
            size = self._unsigned()
            self.at += size
        elif kind in (9, 10):
            byte = self._byte()
            for _ in range(byte >> 4 if byte >> 4 < 15 else self._unsigned()):
                if byte & 15 in (1, 2):
                    self.at += 1
                else:
                    self._value(byte & 15, nested + 1)
        elif kind == 12:  # a struct
            return self.read(nested + 1)
        else:
            raise ValueError
        return None

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
