"""Changes that turn a good file into a hostile one, as Hypothesis draws and shortens them."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

WORDS = (
    b"", b"0", b"-1", b"1", b"255", b"4294967296", b"-9223372036854775809", b"1e308", b"1e999",
    b"-1e-320", b"nan", b"inf", b"NaN", b"null", b"true", b"[]", b"{}", b'""', b"0x10", b"1_000",
    b"1e400000000", b"99999999999999999999999999999999", b"$k", b"$k$k$k$k", b"../../etc/passwd",
    b"/etc/passwd", b"\xff\xfe", b"\0", b"\xed\xa0\x80", b"<", b">", b'"', b"'", b"\n", b"\r", b",",
    b";", b"\t", b" ", b"#", b"[", b"]", b"{", b"}", b"=", b"<!DOCTYPE a>", b"&amp;", b"&a;",
    b"<ref id='x'/>", "μ".encode(), "१२".encode(), "²".encode(), b"9" * 1200, b"1" * 5000 + b"x",
    b"a" * 70000, b"[" * 3000, b"-", b"+", b".", b"e", b"1.", b"00012", b"2147483648", b"1,5",
    b"31.12.9999", b"0001-01-01", b"=cmd|' /C calc'!A0", b"\x1b[31m", b"\xe2\x80\xae",
)  # fmt: skip
"""What is put in the place of a word, or between two bytes."""

_WORD = re.compile(rb"[A-Za-z0-9_.+$-]+")
_ANY = st.integers(0, 2**31)

Step = tuple[Any, ...]

STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("word"), _ANY, st.sampled_from(WORDS)),
    st.tuples(st.just("other"), _ANY, _ANY),
    st.tuples(st.just("insert"), _ANY, st.sampled_from(WORDS)),
    st.tuples(st.just("byte"), _ANY, st.integers(0, 255)),
    st.tuples(st.just("cut"), _ANY, st.integers(1, 4000)),
    st.tuples(st.just("end"), _ANY),
    st.tuples(st.just("repeat"), _ANY, st.integers(1, 300), st.sampled_from([2, 50, 3000])),
    st.tuples(st.just("move"), _ANY, st.integers(1, 300), _ANY),
    st.tuples(st.just("number"), _ANY, st.sampled_from([1, 2, 4, 8]),
              st.sampled_from([0, 1, 2**7, 2**15, 2**30, 2**31 - 1, 2**32 - 1, 2**63])),
)  # fmt: skip
"""One change of a file: its kind, where (modulo what there is), and with what."""

LARGEST = 4 << 20
"""A file does not become larger than this [bytes]."""


def changed(content: bytes, steps: Sequence[Step]) -> bytes:
    """The file after all changes."""
    for step in steps:
        content = _changed(content, step)[:LARGEST]
    return content


def _changed(content: bytes, step: Step) -> bytes:
    kind, where, *rest = step
    at = where % (len(content) + 1)
    match kind, rest:
        case "word", [word]:
            words = list(_WORD.finditer(content))
            if words:
                begin, end = words[where % len(words)].span()
                return content[:begin] + word + content[end:]
        case "other", [which]:
            words = list(_WORD.finditer(content))
            if words:
                begin, end = words[where % len(words)].span()
                return content[:begin] + words[which % len(words)][0] + content[end:]
        case "insert", [word]:
            return content[:at] + word + content[at:]
        case "byte", [value]:
            return content[:at] + bytes([value]) + content[at + 1 :]
        case "cut", [size]:
            return content[:at] + content[at + size :]
        case "end", []:
            return content[:at]
        case "repeat", [size, count]:
            return content[:at] + content[at : at + size] * count + content[at + size :]
        case "move", [size, to]:
            piece, left = content[at : at + size], content[:at] + content[at + size :]
            place = to % (len(left) + 1)
            return left[:place] + piece + left[place:]
        case "number", [size, value]:
            number = (value % 2 ** (8 * size)).to_bytes(size, "little")
            return content[:at] + number + content[at + size :]
    return content


def table_changed(table: pa.Table, steps: Sequence[Step]) -> pa.Table:
    """A table whose columns, types, names and metadata are changed."""
    for step in steps:
        table = _table_changed(table, step)
    return table


def _not_utf8(count: int) -> pa.Array:
    good = pa.array(["ab"] * count, pa.string())
    if not count:
        return good
    return pa.Array.from_buffers(
        pa.string(), count, [*good.buffers()[:2], pa.py_buffer(b"\xff\xfe" * count)]
    )


_TYPES: tuple[Callable[[int], pa.Array], ...] = (
    lambda n: pa.nulls(n),
    lambda n: pa.array([np.nan] * n),
    lambda n: pa.array([2**62] * n),
    lambda n: pa.array([-1] * n, pa.int32()),
    lambda n: pa.array([b"\xff\x00"] * n, pa.binary()),
    lambda n: pa.array(["x" * 3000] * n),
    lambda n: pa.array([None, *["1"] * (n - 1)]) if n else pa.array([], pa.string()),
    lambda n: pa.array([[["a"]]] * n),
    lambda n: pa.array([{"a": {"b": 1}}] * n),
    lambda n: pa.array([2**62] * n, pa.timestamp("ns", "UTC")),
    lambda n: pa.array([2**52] * n, pa.timestamp("s")),
    lambda n: pa.array([2**52] * n, pa.duration("s")),
    lambda n: pa.array([2**30] * n, pa.date32()),
    lambda n: pa.array([2**60 // 86400000 * 86400000] * n, pa.date64()),
    lambda n: pa.array([86399] * n, pa.time32("s")),
    lambda n: pa.array([True] * n),
    lambda n: pa.array(["a"] * n).dictionary_encode(),
    lambda n: pa.array(["-31.5"] * n, pa.large_string()),
    lambda n: pa.array([1] * n).cast(pa.decimal256(60, 2)),
    lambda n: pa.array([1.5] * n, pa.float16()),
    lambda n: _not_utf8(n),
)  # fmt: skip


def _table_changed(table: pa.Table, step: Step) -> pa.Table:
    kind, where, *rest = step
    columns = table.num_columns
    if not columns:
        return table
    which = where % columns
    field = table.schema.field(which)
    match kind:
        case "word" | "insert":
            name = rest[0].decode(errors="replace")
            if kind == "word":
                names = table.column_names
                return table.rename_columns([*names[:which], name, *names[which + 1 :]])
            return table.replace_schema_metadata(
                {b"vlmrt_schema_version": rest[0], b"posterior": rest[0]}
            )
        case "other" | "byte" | "number":
            made = _TYPES[rest[0] % len(_TYPES)](table.num_rows)
            return table.set_column(which, field.name, made)
        case "cut" | "end":
            return table.remove_column(which) if where % 3 else table.slice(0, where % 2)
        case "repeat":
            if where % 2:
                return table.append_column(field.name, table.column(which))
            return pa.concat_tables([table] * (rest[1] if table.num_rows < 10 else 1))
        case _:
            order = [*range(columns)]
            order[which], order[0] = order[0], order[which]
            return table.select(order)


def parquet_changed(content: bytes, steps: Sequence[Step]) -> bytes:
    """A Parquet file whose table is changed by the first steps, and its bytes by the last one
    if there are two or more."""
    table = pq.read_table(io.BytesIO(content))
    written = io.BytesIO()
    compression = ["zstd", "none", "snappy"][len(steps) % 3]
    whole = steps if steps and steps[0][1] % 2 else steps[:-1]
    pq.write_table(table_changed(table, whole), written, compression=compression)
    return written.getvalue() if whole is steps else changed(written.getvalue(), steps[-1:])


def sealed_changed(content: bytes, steps: Sequence[Step]) -> bytes:
    """A file of the ledger whose rows are changed, and whose seal is right again."""
    from vlmrt_dist.store.checksummed_parquet import sealed

    table = table_changed(pq.read_table(io.BytesIO(content)), steps)
    if steps and steps[-1][0] == "end":
        return changed(sealed(table), steps[-1:])
    return sealed(table)


def path_file_changed(content: bytes, steps: Sequence[Step]) -> bytes:
    """A file of paths whose facts or columns are changed, and whose digest is right again."""
    import hashlib

    with pa.ipc.open_file(pa.BufferReader(content)) as file:
        batch, schema = file.get_batch(0), file.schema
    metadata = dict(schema.metadata)
    if steps and steps[-1][1] % 4 == 0:
        return changed(content, steps)
    if steps and steps[-1][1] % 4 < 3:
        text = changed(metadata[b"vlmrt_facts"], steps)
        metadata |= {
            b"vlmrt_facts": text,
            b"vlmrt_sha256": hashlib.sha256(text).hexdigest().encode(),
        }
        table = pa.Table.from_batches([batch])
    else:
        table = table_changed(pa.Table.from_batches([batch]), steps)
    table = table.replace_schema_metadata(metadata).combine_chunks()
    written = io.BytesIO()
    with pa.ipc.new_file(written, table.schema) as writer:
        writer.write_table(table)
    return written.getvalue()


def answer_changed(content: bytes, steps: Sequence[Step]) -> bytes:
    """A cached answer that is changed, and whose checksum is right again where it is JSON still."""
    from tests.fuzz.readers import ASKED
    from vlmrt_dist.vlm.providers.cache import checksum
    from vlmrt_dist.vlm.questions import Reply

    text = changed(content, steps)
    try:
        entry = json.loads(text)
        entry.pop("sha256")
        return json.dumps({**entry, "sha256": checksum(ASKED, Reply(**entry))}).encode()
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return text


def picture_changed(content: bytes, steps: Sequence[Step]) -> bytes:
    """A picture that is changed; the checksums of a PNG's parts are right again."""
    text = changed(content, steps)
    if not text.startswith(b"\x89PNG\r\n\x1a\n"):
        return text
    parts, at = [text[:8]], 8
    while at + 12 <= len(text):
        size = int.from_bytes(text[at : at + 4], "big")
        body = text[at + 4 : at + 8 + size]
        parts.append(text[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big"))
        at += 12 + size
    return b"".join(parts)


CHANGES: dict[str, Callable[[bytes, Sequence[Step]], bytes]] = {
    "campaign_parquet": parquet_changed,
    "estimate_parquet": parquet_changed,
    "rows": sealed_changed,
    "paths": path_file_changed,
    "cached_answer": answer_changed,
    "photograph": picture_changed,
}
"""How the files of a reader are changed, where not by :func:`changed`."""
