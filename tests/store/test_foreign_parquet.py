"""Files of others are opened within bounds."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlmrt_dist.store.foreign_parquet import open_parquet


def written(rows: int) -> bytes:
    content = io.BytesIO()
    table = pa.table({"x": [float(i) for i in range(rows)]})
    pq.write_table(table, content, write_page_checksum=True, use_dictionary=False)
    return content.getvalue()


def test_the_decoded_size_is_known_before_anything_is_read() -> None:
    file, size = open_parquet(written(1000))
    assert 8000 <= size < 10_000
    assert file.metadata.num_rows == file.read().num_rows == 1000


def test_an_altered_page_is_found() -> None:
    content = bytearray(written(1000))
    content[4000] ^= 0xFF
    file, _ = open_parquet(bytes(content))
    with pytest.raises(OSError, match="CRC"):
        file.read()


def test_what_is_no_parquet_is_refused() -> None:
    with pytest.raises(pa.ArrowException):
        open_parquet(b"x" * 100)
