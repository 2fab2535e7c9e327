from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlmrt_dist.store.checksummed_parquet import Damaged, sealed, unsealed


def test_every_flipped_bit_is_found() -> None:
    columns = {"key": ["k"], "x": [0.25]}
    content = sealed(pa.table(columns))
    assert unsealed(content).read().to_pydict() == columns
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1 << (at % 8)
        with pytest.raises(Damaged):
            unsealed(bytes(flipped))


@pytest.mark.parametrize("size", [0, 3, 100, -1])
def test_a_file_that_is_cut_off_is_damaged(size: int) -> None:
    content = sealed(pa.table({"key": ["k"]}))
    with pytest.raises(Damaged):
        unsealed(content[:size])


def test_a_file_without_a_checksum_is_damaged() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"key": ["k"]}), out)
    with pytest.raises(Damaged, match="no checksum"):
        unsealed(out.getvalue())
