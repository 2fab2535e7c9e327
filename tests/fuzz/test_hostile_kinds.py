"""Files of a few kilobytes or megabytes that once cost seconds, gigabytes, or a traceback."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fuzz.judge import Judge
from tests.fuzz.readers import READERS, SCENE
from tests.fuzz.seeds import (
    LAYERS,
    campaign_table,
    parquet,
    picture,
    seeds_of,
    serialized_of,
)

HEADER = b"setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm\n"
BINARY_PLY = (
    b"ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\n"
    b"property float y\nproperty float z\nelement %s %d\nproperty list %s int vertex_indices\n"
    b"%send_header\n" + bytes(36)
)


def repeated(table: pa.Table, column: int, text: str) -> bytes:
    """100,000 rows, one column of which repeats a long text by a dictionary."""
    rows = 100_000
    whole = table.take(np.zeros(rows, np.int64))
    texts = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text])
    return parquet(whole.set_column(column, whole.column_names[column], texts), "zstd")


def estimates() -> pa.Table:
    return pq.read_table(io.BytesIO(seeds_of("estimate_parquet")[0]))


def with_scans(extra: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    content = picture("jpeg", progressive=True)
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * extra + content[-2:]


KINDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a cell of 100,000 digits": (
        "campaign_csv", lambda: HEADER + b"1,0,0,1,1,1,1," + b"1" * 100_000 + b"x\n"),
    "short lines": ("campaign_csv", lambda: HEADER + b"1\n" * 3_000_000),
    "cells that are no numbers": (
        "campaign_csv", lambda: HEADER + b"1,0,0,1,1,1,1,x\n" * 200_000),
    "20,000 columns": (
        "campaign_csv", lambda: b",".join(b"c%d" % i for i in range(20_000)) + b"\n"),
    "4000 columns of one meaning": (
        "campaign_csv", lambda: b",".join([b"rss_dbm"] * 4000) + b"\n"),
    "a setup that a dictionary repeats": (
        "campaign_parquet", lambda: repeated(campaign_table(), 0, "a" * 60_000)),
    "a level that a dictionary repeats": (
        "campaign_parquet", lambda: repeated(campaign_table(), 7, "a" * 60_000)),
    "an estimate that a dictionary repeats": (
        "estimate_parquet", lambda: repeated(estimates(), 0, "a" * 60_000)),
    "a timestamp beyond the year 9999": (
        "estimate_parquet", lambda: parquet(estimates().set_column(
            0, "name", pa.array([2**52] * estimates().num_rows, pa.timestamp("s"))), "zstd")),
    "an integer beyond float64": (
        "campaign_parquet", lambda: parquet(campaign_table().set_column(
            1, "tx_x", pa.array([2**62 + 1] * 3)), "zstd")),
    "parameters that fill attributes": (
        "scene", lambda: b'<scene version="2.1.0"><default name="a" value="' + b"x" * 4000
        + b'"/>' + b'<bsdf type="diffuse" id="$a"/>' * 60_000 + b"</scene>"),
    "a transform of many steps": (
        "scene", lambda: SCENE.replace(b"<scale", b'<rotate z="1" angle="1"/>' * 50_000
                                       + b"<scale")),
    "polygons of two corners": ("obj", lambda: b"v 0 0 0\n" * 3 + b"f 1 2\n" * 400_000),
    "one polygon of a megabyte": (
        "obj", lambda: b"v 0 0 0\n" * 3 + b"f" + b" 1" * 1_000_000 + b"\n"),
    "polygons without corners": (
        "ply", lambda: BINARY_PLY % (b"face", 1_000_000, b"uchar", b"") + bytes(1_000_000)),
    "a polygon of four million corners": (
        "ply", lambda: BINARY_PLY % (b"face", 1, b"uint", b"") + struct.pack("<I", 4_000_000)
        + bytes(16_000_000)),
    "lists that are no polygons": (
        "ply", lambda: BINARY_PLY % (b"other", 6_000_000, b"uchar",
                                     b"element face 1\nproperty list uchar int vertex_indices\n")
        + bytes(6_000_010)),
    "vertices that inflate": ("serialized", lambda: serialized_of(16_000_000, bytes(192_000_000))),
    "a JPEG of many scans": ("photograph", lambda: with_scans(400)),
    "fill bytes in a JPEG": (
        "photograph", lambda: b"\xff\xd8" + b"\xff" * 4_000_000 + picture("jpeg")[2:]),
    "a key of many parts": ("layers", lambda: b".".join([b"a"] * 200_000) + b" = 1\n" + LAYERS),
    "a cell longer than the CSV module takes": ("area_csv", lambda: b"a" * 150_000),
    "lists by the million": (
        "estimate_json", lambda: b'{"rows":[' + b"[]," * 12_000_000 + b"[]]}"),
    "an integer of many digits": ("layers", lambda: b"a = " + b"1" * 5000),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_refused_in_bounded_time_and_memory(judge: Judge, kind: str, tmp_path: Path) -> None:
    reader, make = KINDS[kind]
    file = tmp_path / READERS[reader].file
    file.write_bytes(make())
    verdict = judge.ask(reader, file)
    assert verdict.fault == ""
    assert verdict.end == "refused"
