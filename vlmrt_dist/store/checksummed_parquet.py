"""Parquet files that carry a checksum of themselves, so that an altered bit is found.

Parquet's own page checksums leave out the footer, where a flipped bit can change values too.
"""

from __future__ import annotations

import hashlib
import io
import re

import pyarrow as pa
import pyarrow.parquet as pq


class Damaged(Exception):
    """A file is not the one that was written."""


_SEAL, _BLANK = "vlmrt_sha256", b"sha256:" + b"0" * 64
_FEW = 16
_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


def sealed(table: pa.Table) -> bytes:
    """``table`` as a Parquet file that carries a SHA-256 of itself in its key-value metadata.

    The digest is that of the file with zeros in its place.
    """
    content = io.BytesIO()
    several = table.num_rows > _FEW  # statistics and dictionaries of few rows only take time
    with pq.ParquetWriter(
        content, table.schema, write_page_checksum=True, write_statistics=several,
        use_dictionary=_repeating(table.schema) if several else False, compression="zstd",
    ) as writer:  # fmt: skip
        writer.write_table(table)
        writer.add_key_value_metadata({_SEAL: _BLANK.decode()})
    blank = content.getvalue()
    at = blank.rindex(_BLANK)
    digest = b"sha256:" + hashlib.sha256(blank).hexdigest().encode()
    return blank[:at] + digest + blank[at + len(digest) :]


def unsealed(content: bytes) -> pq.ParquetFile:
    """The file that :func:`sealed` made, for reading.

    :raises Damaged: if any bit of it differs from what was written
    """
    if len(content) < 12 or content[-4:] != b"PAR1":
        raise Damaged("it is cut off")
    found = list(_DIGEST.finditer(content))
    if not found:
        raise Damaged("it has no checksum")
    at, end = found[-1].span()
    blank = content[:at] + _BLANK + content[end:]
    if hashlib.sha256(blank).hexdigest().encode() != content[at + len(b"sha256:") : end]:
        raise Damaged("its checksum does not match")
    try:
        return pq.ParquetFile(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"it cannot be read: {error}") from None


def _repeating(schema: pa.Schema) -> list[str]:
    """Columns whose values may repeat: all but real numbers."""
    found = []
    for field in schema:
        lists = pa.types.is_list(field.type)
        if not pa.types.is_floating(field.type.value_type if lists else field.type):
            found.append(f"{field.name}.list.element" if lists else field.name)
    return found
