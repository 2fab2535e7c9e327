"""Parquet files that others wrote: opened within bounds, before anything is decoded."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

_LONGEST_TEXT, _MOST_ENTRIES = 16 * 2**20, 1_000_000


def open_parquet(content: bytes) -> tuple[pq.ParquetFile, int]:
    """A Parquet file whose header is limited in size and whose pages' checksums are compared.

    :return: the file, and the bytes that it says its columns have once they are decoded
    :raises pyarrow.ArrowException: or OSError, if it cannot be read
    """
    file = pq.ParquetFile(
        pa.BufferReader(content),
        thrift_string_size_limit=_LONGEST_TEXT,
        thrift_container_size_limit=_MOST_ENTRIES,
        page_checksum_verification=True,
    )
    meta = file.metadata
    return file, sum(meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
