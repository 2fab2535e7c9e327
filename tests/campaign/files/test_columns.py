from pathlib import Path

import pytest

from tests.campaign.files.tables import GOOD, HEADER, csv, problems


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
