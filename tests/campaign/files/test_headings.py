from pathlib import Path

import pytest

from tests.campaign.files.tables import GOOD, HEADER, csv, problems
from vlmrt_dist.campaign.files.headings import meaning_of


@pytest.mark.parametrize(
    ("heading", "field", "unit"),
    [
        ("tx_x", "tx_x", None),
        ("TX_X", "tx_x", None),
        ("tx_x [m]", "tx_x", "m"),
        ("Rx Y (cm)", "rx_y", "cm"),
        ("z_rx", "rx_z", None),
        ("RxPosX", "rx_x", None),
        ("Transmitter position x / m", "tx_x", "m"),
        ("bs_lat", "tx_latitude", None),
        ("Longitude", "longitude", None),
        ("UE height [m]", "rx_height", "m"),
        ("hTx", "tx_height", None),
        ("UTM Easting", "easting", None),
        ("x", "x", None),
        ("freq (GHz)", "frequency", "ghz"),
        ("Frequency_GHz", "frequency", "ghz"),
        ("carrier in MHz", "frequency", "mhz"),
        ("fc", "frequency", None),
        ("RSS_dBm", "rss_dbm", None),
        ("rss [dBm]", "rss_dbm", "dbm"),
        ("RSRP", "rss_dbm", None),
        ("power_mW", "rss_dbm", "mw"),
        ("P_rx [µW]", "rss_dbm", "µw"),
        ("Path_loss", "path_loss_db", None),
        ("PL(dB)", "path_loss_db", "db"),
        ("path_gain_db", "path_gain_db", "db"),
        ("delay_ns", "delay", "ns"),
        ("CellID", "transmitter", None),
        ("Tx power [dBm]", "tx_power_dbm", "dbm"),
        ("noise_db", "noise_db", None),
        ("Trial", "setup", None),
    ],
)
def test_headings_that_are_understood(heading: str, field: str, unit: str | None) -> None:
    meaning = meaning_of(heading)
    assert meaning is not None
    assert (meaning.field, meaning.unit) == (field, unit)


@pytest.mark.parametrize(
    "heading",
    ["RSRQ", "Pot_W", "SNR", "NRxRSRP", "Distance", "Angle", "LOS_Flag", "timestamp", "comment",
     "rss [m]", "tx_x [dBm]", "rss [dBuV]", "Speed", "WAP001", "RSSI (AP1)", "", "[m]", "x" * 5000,
     "(" * 5000],
)  # fmt: skip
def test_other_headings_are_not_guessed_at(heading: str) -> None:
    assert meaning_of(heading) is None


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("setup,tx_x,tx_y,tx_z,rx_x,rx_y,rss_dbm", "no rx_z"),
        ("setup,tx_x,tx_y,tx_z,rx_x,rx_z,rss_dbm", "missing columns: rx_y"),
        ("setup,tx_x,tx_y,tx_z,rx_x,rx_z,rss_dbm,rx_yy", "(is 'rx_yy' meant for rx_y?)"),
        (HEADER + ",rx_x", "several columns are rx_x: 'rx_x', 'rx_x'; keep one of them"),
        (HEADER + ",z_rx", "choose it by --column rx_z=rx_z"),
        ("setup,rx_x,rx_y,rx_z,rss_dbm", "missing columns: tx_x, tx_y, tx_z; name them"),
        ("a,0,0,1,2,0,1,-60", "the header is missing"),
        ("1,0,0,1,2,0,1,-60", "as in setup,tx_x"),
        ("what,is,this", "missing columns: rx_x, rx_y"),
    ],
)
def test_wrong_headers(tmp_path: Path, header: str, message: str) -> None:
    line = ",".join(["1"] * (header.count(",") + 1))
    found = problems(csv(tmp_path, line if message != "the header is missing" else GOOD,
                         header=header))  # fmt: skip
    assert any(message in text for _, text in found), found
