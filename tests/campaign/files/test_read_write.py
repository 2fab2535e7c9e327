import dataclasses
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.campaign.files.tables import GOOD, HEADER, csv, problems, ragged, table
from vlmrt_dist.campaign.files.read_write import read_campaign, write_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError, StorageError


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
@pytest.mark.parametrize(
    "kind", ["planned", "measured", "one noise", "noise per link", "censored", "bounds", "carriers"]
)
def test_what_is_written_is_read(tmp_path: Path, suffix: str, kind: str) -> None:
    campaign = ragged()
    rng = np.random.default_rng(1)
    if kind != "planned":
        campaign = campaign.with_rss(rng.normal(-60, 10, campaign.present.shape))
    if kind == "one noise":
        campaign = campaign.with_rss(campaign.rss_dbm, 0.1)
    if kind == "noise per link":
        campaign = campaign.with_rss(campaign.rss_dbm, rng.uniform(0.1, 1, campaign.present.shape))
    if kind == "censored":
        floors = rng.random(campaign.present.shape) < 0.5
        campaign = campaign.with_rss(campaign.rss_dbm, censored=floors)
        assert campaign.censored.any()
    if kind == "bounds":
        floors, ceilings = rng.random((2, *campaign.present.shape)) < 0.5
        campaign = campaign.with_rss(campaign.rss_dbm, None, floors & ~ceilings, ceilings)
        assert campaign.saturated.any()
        assert campaign.below.any()
    if kind == "carriers":
        campaign = dataclasses.replace(campaign, frequency=np.array([3.5e9, 28e9, 3.5e9]))
    path = tmp_path / f"rss{suffix}"
    assert write_campaign(campaign, path) == path
    again = read_campaign(path)
    assert again.key == campaign.key
    assert (again.rss_dbm is None) == (kind == "planned")
    assert isinstance(again.noise_db, float) == (kind != "noise per link")
    assert os.listdir(tmp_path) == [path.name]


def test_setups_keep_the_order_of_first_appearance(tmp_path: Path) -> None:
    path = csv(tmp_path, "z,0,0,1,2,0,1,-60", "7,9,0,1,2,0,1,-61", "z,0,0,1,3,0,1,-62")
    campaign = read_campaign(path)
    assert campaign.tx[:, 0].tolist() == [0, 9]
    assert campaign.rss_dbm is not None
    np.testing.assert_array_equal(campaign.rss_dbm, [[-60, -62], [-61, np.nan]])


def test_columns_in_any_order_bom_crlf_quotes_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "rss.csv"
    text = (
        "\ufeffrss_dbm, setup ,rx_x,rx_y,rx_z,tx_x,tx_y,tx_z,noise_db\r\n\r\n"
        '-60,"a,b",1,2,3,4,5,6,0.5\r\n\r\n -.5e2 ,"a,b",+1,2,3.5,4,5,6.0,0.5'
    )
    path.write_bytes(text.encode())
    campaign = read_campaign(path)
    assert campaign.tx.tolist() == [[4, 5, 6]]
    assert campaign.rss_dbm is not None
    assert campaign.rss_dbm.tolist() == [[-60, -50]]
    assert campaign.noise_db == 0.5


def test_a_setup_has_one_transmitter(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD, GOOD.replace("a", "b"), "a,0,0,1.5,2,0,1,-60")
    found = problems(path)
    assert [line for line, _ in found] == [4]
    assert "line 2" in found[0][1]


def test_columns_are_full_or_absent(tmp_path: Path) -> None:
    header = HEADER + ",noise_db"
    path = csv(tmp_path, GOOD + ",0.1", "a,0,0,1,3,0,1,,", "a,0,0,1,4,0,1,-60,", header=header)
    assert [line for line, _ in problems(path)] == [3, 4]
    empty = csv(tmp_path, "a,0,0,1,2,0,1,,", "a,0,0,1,3,0,1,,", header=header)
    with pytest.warns(UserWarning, match="this is a plan"):
        planned = read_campaign(empty)
    assert planned.rss_dbm is None
    assert planned.noise_db == 0.0


def test_a_zero_among_weak_signals_is_a_missing_reading(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD, "a,0,0,1,2,0,2,0", "a,0,0,1,2,0,3,-80")
    assert [line for line, _ in problems(path)] == [3]
    strong = csv(tmp_path, "a,0,0,1,2,0,1,-3", "a,0,0,1,2,0,2,0")
    assert read_campaign(strong).rss_dbm is not None


@pytest.mark.parametrize("name", ["rss.xlsx", "rss", "rss.csv.gz"])
def test_other_suffixes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(HEADER)
    assert "must end in" in problems(tmp_path / name)[0][1]
    with pytest.raises(CampaignError, match="must end in"):
        write_campaign(ragged(), tmp_path / name)


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert "no such file" in problems(tmp_path / "none.csv")[0][1]
    os.mkfifo(tmp_path / "pipe.csv")
    assert "regular file" in problems(tmp_path / "pipe.csv")[0][1]
    with pytest.raises(StorageError):
        write_campaign(ragged(), tmp_path / "none" / "rss.csv")


def test_parquet_of_other_makes(tmp_path: Path) -> None:
    path = tmp_path / "rss.parquet"
    names = pa.array(["b", "a"]).dictionary_encode()
    pq.write_table(table(setup=names, rx_x=pa.array([2, 3], pa.float32())), path)
    campaign = read_campaign(path)
    assert (campaign.num_setups, campaign.num_receivers) == (2, 1)
    assert campaign.rx[:, 0, 0].tolist() == [2, 3]


def test_a_large_campaign_is_read_in_reasonable_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    campaign = Campaign(rng.normal(size=(50, 3)), rng.normal(size=(50, 200, 3)))
    campaign = campaign.with_rss(rng.normal(-60, 10, (50, 200)))
    for suffix in (".csv", ".parquet"):
        path = write_campaign(campaign, tmp_path / f"rss{suffix}")
        assert read_campaign(path).key == campaign.key
