import csv
import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.inference.made_estimates import LINKS, estimate
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import StorageError
from vlmrt_dist.inference.export import link_rows, write_estimate, write_links
from vlmrt_dist.inference.quantities import QuantityEstimate
from vlmrt_dist.inference.verdicts import Verdict
from vlmrt_dist.scene.paper_room import box_room

SETUPS = [
    MeasurementSetup(np.array([0.0, 0, 1]), np.array([[2.0, 0, 1], [0, 2, 1], [1, 1, 2]])),
    MeasurementSetup(np.array([1.0, 0, 1]), np.array([[0.0, -2, 1], [-2, 0, 1]])),
]
CAMPAIGN = Campaign.from_setups(SETUPS, frequency=[3.5e9, 5e9]).with_rss(
    LINKS.measured_dbm, censored=LINKS.censored
)
FROM: dict[str, Any] = {
    "scene": box_room(),
    "campaign": CAMPAIGN,
    "radio": RadioConfig(combining="coherent"),
}


def test_parquet_knows_units_and_where_it_is_from(tmp_path: Path) -> None:
    result = estimate()
    path = write_estimate(result, tmp_path / "result.parquet", **FROM)
    table = pq.read_table(path)
    assert table.column("name").to_pylist() == list(result.names)
    assert table.column("verdict").to_pylist() == list(result.verdict)
    np.testing.assert_array_equal(table.column("low"), result.low)
    for name in ("conductivity", "low", "high", "prior"):
        assert table.schema.field(name).metadata[b"unit"] == b"S/m"
    about = {k.decode(): json.loads(v) for k, v in table.schema.metadata.items()}
    assert about["scene_key"] == FROM["scene"].key
    assert about["campaign_key"] == CAMPAIGN.key
    assert about["radio"]["combining"] == "coherent"
    assert about["versions"].keys() >= {"vlmrt_dist", "sionna-rt", "python"}
    assert (about["protocol"], about["outcome"]) == ("measured", "converged")
    assert about["noise_db"] == 0.1
    assert about["held_out_db"] is None
    assert os.listdir(tmp_path) == ["result.parquet"]


def test_other_unknowns_are_columns_too(tmp_path: Path) -> None:
    verdict: tuple[Verdict, ...] = ("weak", "estimated", "fixed")
    values = np.array([4.0, 5.0, 1.0])
    permittivity = QuantityEstimate(
        "", values, np.full(3, 0.1), values * 0.9, values * 1.1, values, values * 0.8,
        values * 1.2, verdict, (False,) * 3,
    )  # fmt: skip
    thickness = dataclasses.replace(permittivity, unit="m", value=values / 20.0)
    result = estimate(others={"relative_permittivity": permittivity, "thickness": thickness})
    table = pq.read_table(write_estimate(result, tmp_path / "result.parquet", **FROM))
    assert table.column("relative_permittivity").to_pylist() == [4.0, 5.0, 1.0]
    assert table.column("thickness_verdict").to_pylist() == list(verdict)
    assert table.schema.field("thickness_low").metadata[b"unit"] == b"m"
    assert table.schema.field("low").metadata[b"unit"] == b"S/m"


def test_json_and_csv_have_the_same_rows(tmp_path: Path) -> None:
    result = estimate()
    answer = json.loads(write_estimate(result, tmp_path / "r.json", **FROM).read_text())
    assert answer["units"]["prior_low"] == "S/m"
    assert answer["provenance"]["scene_key"] == FROM["scene"].key
    text = write_estimate(result, tmp_path / "r.csv", **FROM).read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["name"] for row in rows] == [row["name"] for row in answer["rows"]]
    assert [float(row["high"]) for row in rows] == result.high.tolist()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".json"])
def test_links_are_rows_counted_as_in_messages(tmp_path: Path, suffix: str) -> None:
    path = write_links(estimate(), tmp_path / f"links{suffix}", **FROM)
    rows: list[dict[str, Any]]
    if suffix == ".parquet":
        table = pq.read_table(path)
        assert table.schema.field("residual_db").metadata[b"unit"] == b"dB"
        assert table.schema.field("rx_y").metadata[b"unit"] == b"m"
        rows = table.to_pylist()
    elif suffix == ".csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
    else:
        rows = json.loads(path.read_text())["rows"]
    assert [(int(r["setup"]), int(r["receiver"])) for r in rows] == [
        (1, 1), (1, 2), (1, 3), (2, 1), (2, 2),
    ]  # fmt: skip
    assert float(rows[1]["rx_y"]) == 2.0
    assert [float(r["frequency"]) for r in rows] == [3.5e9, 3.5e9, 3.5e9, 5e9, 5e9]
    assert [str(r["censored"]) for r in rows] == ["False", "True", "True", "False", "False"]
    assert [float(r["residual_db"]) for r in rows[:4]] == [1.0, 0.0, -1.0, -1.0]
    assert [float(r["standardised"]) for r in rows[:4]] == [2.0, 0.0, -2.0, -0.5]
    assert [float(r["held_out_residual_db"]) for r in rows[:4]] == [3.0, -5.0, 0.0, 0.0]
    assert rows[4]["replayed_dbm"] in (None, "")  # no path arrives there


def test_without_carriers_links_have_the_radios() -> None:
    campaign = Campaign.from_setups(SETUPS).with_rss(LINKS.measured_dbm)
    rows = link_rows(estimate(), campaign, RadioConfig(frequency=2.4e9))
    assert {row["frequency"] for row in rows} == {2.4e9}
    assert math.isnan(rows[4]["replayed_dbm"])


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"must end in \.parquet or \.csv or \.json"):
        write_estimate(estimate(), tmp_path / "result.xlsx", **FROM)
    with pytest.raises(StorageError):
        write_links(estimate(), tmp_path / "none" / "links.csv", **FROM)
    assert list(tmp_path.iterdir()) == []
