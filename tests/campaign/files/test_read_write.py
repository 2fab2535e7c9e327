import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlmrt_dist.campaign.files import read_write as campaign_files
from vlmrt_dist.campaign.files import records as campaign_lines
from vlmrt_dist.campaign.files.read_write import read_campaign, write_campaign
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.errors import CampaignError, MeasurementFileError, StorageError

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


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
@pytest.mark.parametrize(
    "kind", ["planned", "measured", "one noise", "noise per link", "censored", "carriers"]
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


def test_every_bad_line_is_reported_with_its_number(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        GOOD,
        "a,0,0,1,2,zero,1,-60",
        "",
        "a,0,0,1,nan,0,1,nan",
        "a,0,0,1,2,0,1",
        ",0,0,1,2,0,1,-60",
        "a,0,0,1,2,0,inf,-inf",
        "a,0,0,1,2,0,,-60",
        "a,0,0,1,2,0,1_0,0x3",
        GOOD,
    )
    found = problems(path)
    assert [line for line, _ in found] == [3, 5, 5, 6, 7, 8, 8, 9, 10, 10, 11]
    text = dict(found)
    assert text[3] == "rx_y 'zero' is not a number"
    assert "rx_x must be a finite number of metres" in [t for n, t in found if n == 5]
    assert any("zero watts" in t for n, t in found if n == 8)
    assert text[6] == "has 7 fields, the header 8"
    assert text[7] == "setup is empty"
    assert text[9] == "rx_z is empty"
    assert "same link as line 2" in text[11]


def test_line_numbers_count_lines_inside_quotes(tmp_path: Path) -> None:
    path = csv(tmp_path, '"two\nlines",0,0,1,2,0,1,-60', "b,0,0,1,2,0,x,-60")
    assert problems(path) == [(4, "rx_z 'x' is not a number")]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("setup,tx_x,tx_y,tx_z,rx_x,rx_y,rss_dbm", "missing columns: rx_z"),
        (HEADER + ",rssi", "unknown columns: 'rssi'"),
        (HEADER + ",rx_x", "more than once: 'rx_x'"),
        (HEADER.replace(",", ";"), "separated by semicolons"),
        (HEADER.replace(",", "\t"), "separated by tabs"),
        (HEADER.replace(",", " "), "separated by spaces"),
        (HEADER.upper(), "missing columns"),
        (HEADER.upper(), "'RSS_DBM' (is it rss_dbm [dBm]?)"),
        (HEADER.replace("rss_dbm", "RSSI"), "'RSSI' (is it rss_dbm [dBm]?)"),
        (HEADER.replace("rx_z", "z_rx"), "'z_rx' (is it rx_z [m]?)"),
        (HEADER + ",frequency_ghz", "'frequency_ghz' (is it frequency [Hz]?)"),
        (HEADER.replace("setup", "trial"), "'trial' (is it setup?)"),
        (HEADER.replace("setup,", ""), "missing columns: setup; give all lines of one"),
        ("a,0,0,1,2,0,1,-60", "the header is missing"),
        ("1,0,0,1,2,0,1,-60", "put this line above it: setup,tx_x"),
    ],
)
def test_wrong_headers(tmp_path: Path, header: str, message: str) -> None:
    found = problems(csv(tmp_path, GOOD, header=header))
    assert found[0][0] == 1
    assert any(message in text for _, text in found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (HEADER.encode(), "the campaign is empty"),
        (HEADER.encode() + b"\r\n\r\n", "the campaign is empty"),
        (HEADER.encode() + b"\na,0,0,\xff", "not UTF-8"),
        (HEADER.encode() + b"\na\0,0,0", "not text"),
        (HEADER.encode() + b'\n"a,0,0', "cannot be read as CSV"),
        (HEADER.encode() + b"\n" + b"a" * 200_000 + b",0", "cannot be read as CSV"),
    ],
)
def test_files_that_are_no_campaign(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "rss.csv"
    path.write_bytes(content)
    assert any(message in text for _, text in problems(path))


def test_a_setup_has_one_transmitter(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD, GOOD.replace("a", "b"), "a,0,0,1.5,2,0,1,-60")
    found = problems(path)
    assert [line for line, _ in found] == [4]
    assert "line 2" in found[0][1]


def test_columns_are_full_or_absent(tmp_path: Path) -> None:
    header = HEADER + ",noise_db"
    path = csv(tmp_path, GOOD + ",0.1", "a,0,0,1,3,0,1,,", "a,0,0,1,4,0,1,-60,", header=header)
    assert [line for line, _ in problems(path)] == [3, 3, 4]
    empty = csv(tmp_path, "a,0,0,1,2,0,1,,", "a,0,0,1,3,0,1,,", header=header)
    planned = read_campaign(empty)
    assert planned.rss_dbm is None
    assert planned.noise_db == 0.0


def test_noise_is_not_negative(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD + ",-0.1", GOOD + ",nan", header=HEADER + ",noise_db")
    assert [line for line, _ in problems(path)] == [2, 3]


@pytest.mark.parametrize("levels", [("0",), ("0", "0.0"), ("1e-9", "3.2e-7")])
def test_watts_and_zeros_are_not_levels(tmp_path: Path, levels: tuple[str, ...]) -> None:
    path = csv(tmp_path, *(f"a,0,0,1,2,0,{n},{x}" for n, x in enumerate(levels)))
    found = problems(path)
    assert ("watts" if levels[0] != "0" else "missing values") in found[0][1]
    assert found[0][0] == 2


def test_a_zero_among_weak_signals_is_a_missing_reading(tmp_path: Path) -> None:
    path = csv(tmp_path, GOOD, "a,0,0,1,2,0,2,0", "a,0,0,1,2,0,3,-80")
    assert [line for line, _ in problems(path)] == [3]
    strong = csv(tmp_path, "a,0,0,1,2,0,1,-3", "a,0,0,1,2,0,2,0")
    assert read_campaign(strong).rss_dbm is not None


@pytest.mark.parametrize("name", ["rss.txt", "rss", "rss.csv.gz"])
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


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(tmp_path, *[GOOD] * 10)
    monkeypatch.setattr(campaign_lines, "MAX_LINKS", 9)
    assert (11, "more than 9 measurements") in problems(path)
    write_campaign(ragged(), tmp_path / "rss.parquet")
    monkeypatch.setattr(campaign_lines, "MAX_LINKS", 8)
    assert "more than 8" in problems(tmp_path / "rss.parquet")[0][1]
    monkeypatch.setattr(campaign_files, "MAX_PADDED_LINKS", 8)
    monkeypatch.setattr(campaign_lines, "MAX_LINKS", 100)
    assert "padded" in problems(tmp_path / "rss.parquet")[0][1]
    monkeypatch.setattr(campaign_files, "MAX_BYTES", 100)
    assert "limit of 100" in problems(path)[0][1]


def table(**columns: Any) -> pa.Table:
    base = {"setup": [1, 1], "tx_x": [0.0, 0.0], "tx_y": [0, 0], "tx_z": [1.0, 1.0]}
    rest = {"rx_x": [2.0, 3.0], "rx_y": [0.0, 0.0], "rx_z": [1.0, 1.0], "rss_dbm": [-60.0, -61.0]}
    return pa.table({**base, **rest, **columns})


def test_parquet_of_other_makes(tmp_path: Path) -> None:
    path = tmp_path / "rss.parquet"
    names = pa.array(["b", "a"]).dictionary_encode()
    pq.write_table(table(setup=names, rx_x=pa.array([2, 3], pa.float32())), path)
    campaign = read_campaign(path)
    assert (campaign.num_setups, campaign.num_receivers) == (2, 1)
    assert campaign.rx[:, 0, 0].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        ({"rx_x": [2.0, float("nan")]}, [2], "rx_x must be a finite"),
        ({"rx_x": [None, 2.0]}, [1], "rx_x is empty"),
        ({"rx_x": [True, False]}, [1, 2], "rx_x is not a number"),
        ({"rx_x": [[1.0], [2.0]]}, [1, 2], "rx_x is not a number"),
        ({"rx_x": ["1", "two"]}, [2], "rx_x 'two' is not a number"),
        ({"censored": [True, None]}, [2], "censored is empty"),
        ({"frequency": [3.5e9, 3.5]}, [2], "3.5 GHz are 3.5e+09"),
        ({"rss_dbm": [-60.0, None]}, [2], "rss_dbm is empty"),
        ({"rss_dbm": [-60.0, -float("inf")]}, [2], "zero watts"),
        ({"setup": [1.5, 2.5]}, [1, 2], "setup must be"),
        ({"setup": [None, 2]}, [1], "setup must be"),
        ({"extra": [1, 2]}, [0], "unknown columns"),
    ],
)
def test_bad_parquet(tmp_path: Path, columns: Any, rows: list[int], message: str) -> None:
    path = tmp_path / "rss.parquet"
    pq.write_table(table(**columns), path)
    found = problems(path)
    assert [row for row, _ in found] == rows
    assert all(message in text for _, text in found)


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rss.parquet"
    write_campaign(ragged(), path)
    good = path.read_bytes()
    for content in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", good[:-20], good[20:]):
        path.write_bytes(content)
        assert "Parquet" in problems(path)[0][1]
    flipped = bytearray(good)
    flipped[60] ^= 0xFF  # inside a page: caught by its checksum
    path.write_bytes(flipped)
    assert "damaged" in problems(path)[0][1]


def test_a_large_campaign_is_read_in_reasonable_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    campaign = Campaign(rng.normal(size=(50, 3)), rng.normal(size=(50, 200, 3)))
    campaign = campaign.with_rss(rng.normal(-60, 10, (50, 200)))
    for suffix in (".csv", ".parquet"):
        path = write_campaign(campaign, tmp_path / f"rss{suffix}")
        assert read_campaign(path).key == campaign.key
