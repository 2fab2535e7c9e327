"""Files of others are opened within bounds."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlmrt_dist.store import Limits, UnreadableFile
from vlmrt_dist.store.foreign_parquet import _Thrift, read_parquet

LIMITS = Limits(1 << 20, 2000, 10)


def written(table: pa.Table, **options: object) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, **options)
    return content.getvalue()


def numbers(rows: int) -> pa.Table:
    return pa.table({"x": [float(i) for i in range(rows)]})


def repeated(text: str, rows: int) -> pa.Table:
    one = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text])
    return pa.table({"x": range(rows), "t": one})


@pytest.mark.parametrize("compression", ["none", "zstd", "snappy"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_a_file_within_the_limits_is_read(compression: str, version: str, dictionary: bool) -> None:
    table = pa.table(
        {
            "x": [float(i % 7) for i in range(1500)],
            "t": [f"name {i % 5}" for i in range(1500)],
            "n": [None if i % 3 else i for i in range(1500)],
            "l": [["a", "b"][: i % 3] for i in range(1500)],
        }
    )
    content = written(
        table, compression=compression, data_page_version=version, use_dictionary=dictionary,
        data_page_size=512, write_page_checksum=True, row_group_size=400,
    )  # fmt: skip
    assert read_parquet(content, LIMITS).equals(table)


@pytest.mark.parametrize("table", [numbers(2001), pa.table({f"c{i}": [1] for i in range(11)})])
def test_rows_and_columns_are_limited(table: pa.Table) -> None:
    with pytest.raises(UnreadableFile, match="2000 rows, 10 columns or 1 MiB"):
        read_parquet(written(table), LIMITS)


def varint(number: int) -> bytes:
    """As Thrift's compact protocol writes a number."""
    number, found = 2 * number, bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def test_pages_are_limited_whatever_the_footer_says() -> None:
    text = pa.table({"t": ["x" * 2_000_000]})
    content = written(text, compression="zstd", use_dictionary=False, write_statistics=False)
    assert len(content) < 2000
    with pytest.raises(UnreadableFile, match="1 MiB"):
        read_parquet(content, LIMITS)
    stated = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0)
    for size in {stated.total_byte_size, stated.column(0).total_uncompressed_size}:
        small = varint(size)[:1] + b"\x80\x80\x00"
        assert varint(size) in content
        content = content.replace(varint(size), small)
    assert pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).total_byte_size < 1000
    with pytest.raises(UnreadableFile, match="1 MiB"):
        read_parquet(content, LIMITS)


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_text_that_a_dictionary_repeats_is_counted_as_often(store_schema: bool) -> None:
    content = written(repeated("x" * 2000, 1000), store_schema=store_schema)
    assert len(content) < 20_000
    with pytest.raises(UnreadableFile, match="1 MiB"):
        read_parquet(content, LIMITS)
    small = repeated("x" * 200, 1000)
    found = read_parquet(written(small, store_schema=store_schema), LIMITS)
    assert found["t"].to_pylist() == ["x" * 200] * 1000
    assert found["t"].type == pa.string()


def test_values_that_a_run_repeats_are_counted() -> None:
    lists = pa.table({"l": [[7] * 300_000]})
    content = written(lists)
    assert len(content) < 5000
    with pytest.raises(UnreadableFile, match="1 MiB"):
        read_parquet(content, LIMITS)


def test_an_altered_page_is_found() -> None:
    content = bytearray(written(numbers(1000), write_page_checksum=True, use_dictionary=False))
    content[4000] ^= 0xFF
    with pytest.raises(UnreadableFile, match="damaged"):
        read_parquet(bytes(content), LIMITS)


@pytest.mark.parametrize("content", [b"x" * 100, b"PAR1" + b"\xff" * 100 + b"PAR1", b""])
def test_what_is_no_parquet_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableFile, match="not a Parquet file"):
        read_parquet(content, LIMITS)


@pytest.mark.parametrize("content", [b"\x19" * 100_000, b"\x1c" * 100_000, b"\x15" + b"\xff" * 99])
def test_a_header_of_endless_nesting_or_numbers_ends(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it has no words
        _Thrift(content, 0).read()
