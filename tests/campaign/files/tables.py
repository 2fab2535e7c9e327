"""Small measurement files, and the problems found in them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vlmrt_dist.campaign.files.read_write import read_campaign
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.errors import MeasurementFileError

HEADER = "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm"

GOOD = "a,0,0,1,2,0,1,-60.5"


def csv(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "rss.csv"
    path.write_bytes("\n".join([header, *lines]).encode() + b"\n")
    return path


def problems(path: Path) -> list[tuple[int, str]]:
    with pytest.raises(MeasurementFileError) as caught:
        read_campaign(path)
    assert str(path) in str(caught.value)
    return caught.value.problems


def ragged() -> Campaign:
    rng = np.random.default_rng(0)
    sizes = (3, 1, 5)
    setups = [MeasurementSetup(rng.normal(size=3), rng.normal(size=(n, 3))) for n in sizes]
    return Campaign.from_setups(setups)


def table(**columns: Any) -> pa.Table:
    base = {"setup": [1, 1], "tx_x": [0.0, 0.0], "tx_y": [0, 0], "tx_z": [1.0, 1.0]}
    rest = {"rx_x": [2.0, 3.0], "rx_y": [0.0, 0.0], "rx_z": [1.0, 1.0], "rss_dbm": [-60.0, -61.0]}
    return pa.table({**base, **rest, **columns})
