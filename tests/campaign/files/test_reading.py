"""Measurement files as people have them."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vlmrt_dist.campaign.files.options import ReadingOptions
from vlmrt_dist.campaign.files.reading import Reading, read_measurements, read_table
from vlmrt_dist.errors import ConfigurationError, MeasurementFileError

LONG = "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss_dbm"


def read(tmp_path: Path, text: str | bytes, *, transmitters: str = "", **options: Any) -> Reading:
    path = tmp_path / "rss.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if transmitters:
        options["transmitters"] = tmp_path / "transmitters.csv"
        options["transmitters"].write_text(transmitters)
    return read_measurements(path, options=ReadingOptions(**options))


def refused(tmp_path: Path, text: str, **options: Any) -> str:
    with pytest.raises(MeasurementFileError) as caught:
        read(tmp_path, text, **options)
    return str(caught.value)


def levels(reading: Reading) -> list[float]:
    campaign = reading.campaign
    assert campaign.rss_dbm is not None
    return [float(x) for x in campaign.rss_dbm[campaign.present]]


def noted(reading: Reading, words: str) -> bool:
    return any(words in note for note in reading.notes)


@pytest.mark.parametrize(
    "text",
    [
        LONG + ",time\n1,0,0,1,2,0,1,-41.5,10:00\n1,0,0,1,3,0,1,-42,10:01\n",
        LONG.upper() + "\n1,0,0,1,2,0,1,-41.5\n1,0,0,1,3,0,1,-42\n",
        LONG.replace(",", ";") + "\n1;0;0;1;2;0;1;-41,5\n1;0;0;1;3;0;1;-42\n",
        LONG.replace(",", "\t") + "\n1\t0\t0\t1\t2\t0\t1\t-41.5\n1\t0\t0\t1\t3\t0\t1\t-42\n",
        LONG.replace(",", " ") + "\n1 0 0 1   2 0 1 -41.5\n1 0 0 1 3 0 1 -42 \n",
        "# a comment, with commas\n% another\n" + LONG + "\n1,0,0,1,2,0,1,-41.5\n"
        "// between\n1,0,0,1,3,0,1,-42,,\n",
        "# " + LONG + "\n1,0,0,1,2,0,1,-41.5\n1,0,0,1,3,0,1,-42\n",
        "Device;K1\nOperator;me\n\n" + LONG.replace(",", ";")
        + "\n1;0;0;1;2;0;1;-41.5\n1;0;0;1;3;0;1;-42\n",
        LONG + "\n,m,m,m,m,m,m,dBm\n1,0,0,1,2,0,1,-41.5\n1,0,0,1,3,0,1,-42\n",
        "tx_x [cm],tx_y [cm],tx_z [cm],rx_x [cm],rx_y [cm],rx_z [cm],RSS [dBm]\n"
        "0,0,100,200,0,100,-41.5\n0,0,100,300,0,100,-42\n",
        "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,power_mW\n"
        f"0,0,1,2,0,1,{10**-4.15!r}\n0,0,1,3,0,1,{10**-4.2!r}\n",
        "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rssi\n0,0,1,2,0,1,-41.5 dBm\n0,0,1,3,0,1,\N{MINUS SIGN}42\n",
        "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,PL\n0,0,1,2,0,1,85.5\n0,0,1,3,0,1,86\n",
        "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,path_gain_db\n0,0,1,2,0,1,-85.5\n0,0,1,3,0,1,-86\n",
        "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,path gain\n"
        f"0,0,1,2,0,1,{10**-8.55!r}\n0,0,1,3,0,1,{10**-8.6!r}\n",
        "tx_x,tx_y,tx_z,x,y,z,RSRP,RSRQ,RSSI\n0,0,1,2,0,1,-41.5,-9,-3\n0,0,1,3,0,1,-42,-9,-3\n",
        'tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss\n"0","0","1","2","0","1","-41,5"\n0,0,1,3,0,1,-42\n',
    ],
)  # fmt: skip
def test_one_campaign_in_many_layouts(tmp_path: Path, text: str) -> None:
    reading = read(tmp_path, text)
    campaign = reading.campaign
    assert campaign.tx.tolist() == [[0, 0, 1]]
    np.testing.assert_allclose(campaign.rx, [[[2, 0, 1], [3, 0, 1]]], atol=1e-12)
    np.testing.assert_allclose(levels(reading), [-41.5, -42], atol=1e-9)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = LONG + ",Straße\r\n1,0,0,1,2,0,1,-41,Ä\r\n"
    assert levels(read(tmp_path, text.encode(encoding))) == [-41.0]


def test_columns_that_are_not_used_are_said(tmp_path: Path) -> None:
    reading = read(tmp_path, LONG + ",timestamp,RSRQ\n1,0,0,1,2,0,1,-41,10:00,-9\n")
    assert noted(reading, "not used: 'timestamp', 'RSRQ'")


def test_headings_of_any_name_by_an_option(tmp_path: Path) -> None:
    text = "A,B,C,D,E,F,Pot_W\n0,0,100,200,0,100,1e-7\n"
    columns = ["tx_x_cm=A", "tx_y_cm=B", "tx_z_cm=C", "rx_x_cm=D", "rx_y_cm=E", "rx_z_cm=f"]
    reading = read(tmp_path, text, columns=(*columns, "rss_w=Pot_W"))
    assert reading.campaign.rx.tolist() == [[[2, 0, 1]]]
    np.testing.assert_allclose(levels(reading), [-40.0])
    assert "no column 'G'" in refused(tmp_path, text, columns=("rx_z=G",))
    assert "not understood: 'A', 'B'" in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("cell", "noted_as"), [("-", "1 of 3"), ("", "1 of 3"), ("NaN", "1 of 3"), ("n/a", "1 of 3"),
                           ("100", "1 of 3"), ("-999", "1 of 3"), ("-inf", "1 of 3")]
)  # fmt: skip
def test_what_was_not_heard(tmp_path: Path, cell: str, noted_as: str) -> None:
    text = LONG + f"\n1,0,0,1,2,0,1,-41\n1,0,0,1,3,0,1,{cell}\n1,0,0,1,4,0,1,-43\n"
    reading = read(tmp_path, text)
    assert levels(reading) == [-41.0, -43.0]
    assert noted(reading, f"not heard: {noted_as} readings, left out")
    kept = read(tmp_path, text, noise_floor_dbm=-110.0)
    assert levels(kept) == [-41.0, -110.0, -43.0]
    assert kept.campaign.censored.tolist() == [[False, True, False]]


def test_a_level_of_ones_own_for_not_heard(tmp_path: Path) -> None:
    text = LONG + "\n1,0,0,1,2,0,1,-41\n1,0,0,1,3,0,1,-110\n"
    assert levels(read(tmp_path, text, unheard=(-110.0,))) == [-41.0]
    assert levels(read(tmp_path, text)) == [-41.0, -110.0]


def test_a_path_loss_of_100_db_is_one(tmp_path: Path) -> None:
    text = "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,path_loss\n0,0,1,2,0,1,100\n0,0,1,3,0,1,90\n"
    assert levels(read(tmp_path, text, tx_power_dbm=20.0)) == [-80.0, -70.0]
    assert "if it is the other, say --column path_gain_db=path_loss" in refused(
        tmp_path, text.replace("100", "-100").replace("90", "-90")
    )


@pytest.mark.parametrize(
    ("heading", "cell", "hertz"),
    [("frequency", "3.5e9", 3.5e9), ("frequency", "3.5", 3.5e9), ("frequency", "3500", 3.5e9),
     ("freq [MHz]", "868", 868e6), ("f_GHz", "60.48", 60.48e9), ("fc", "2.4 GHz", 2.4e9)],
)  # fmt: skip
def test_carriers_in_other_units(tmp_path: Path, heading: str, cell: str, hertz: float) -> None:
    reading = read(tmp_path, f"{LONG},{heading}\n1,0,0,1,2,0,1,-41,{cell}\n")
    assert reading.campaign.frequency is not None
    np.testing.assert_allclose(reading.campaign.frequency, [hertz])


def test_a_carrier_of_no_clear_unit_is_asked_for(tmp_path: Path) -> None:
    text = f"{LONG},frequency\n1,0,0,1,2,0,1,-41,200\n"
    assert "--column frequency_ghz=frequency" in refused(tmp_path, text)
    reading = read(tmp_path, text, columns=("frequency_mhz=frequency",))
    assert reading.campaign.frequency is not None
    assert reading.campaign.frequency.tolist() == [200e6]


def test_without_a_setup_a_transmitter_and_carrier_is_one(tmp_path: Path) -> None:
    text = (
        "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss,f_GHz\n"
        "0,0,1,2,0,1,-41,2\n5,0,1,2,0,1,-42,2\n0,0,1,2,0,1,-43,5\n0,0,1,3,0,1,-44,2\n"
    )
    campaign = read(tmp_path, text).campaign
    assert campaign.tx[:, 0].tolist() == [0, 5, 0]
    assert campaign.frequency is not None
    assert campaign.frequency.tolist() == [2e9, 2e9, 5e9]
    assert campaign.present.sum(axis=1).tolist() == [2, 1, 1]


def test_repeats_are_averaged_and_their_spread_is_the_noise(tmp_path: Path) -> None:
    rows = "".join(f"1,0,0,1,2,0,1,{x}\n" for x in (-41, -42, -41.5, -43))
    reading = read(tmp_path, f"{LONG}\n{rows}1,0,0,1,3,0,1,-50\n")
    assert levels(reading) == [-41.875, -50.0]
    spread = np.std([-41, -42, -41.5, -43], ddof=1)
    np.testing.assert_allclose(reading.campaign.noise_db, spread)
    assert noted(reading, "5 readings of 2 links averaged in decibels")
    powers = read(tmp_path, f"{LONG}\n{rows}", average="power")
    mean = np.mean(10 ** (np.array([-41, -42, -41.5, -43]) / 10))
    np.testing.assert_allclose(levels(powers), 10 * math.log10(mean))


def test_repeats_that_were_not_all_heard(tmp_path: Path) -> None:
    def rows(x: int, cells: tuple[object, ...]) -> str:
        return "".join(f"1,0,0,1,{x},0,1,{cell}\n" for cell in cells)

    text = f"{LONG}\n" + rows(2, (-91, -93, 100)) + rows(3, (100, -94, 100)) + rows(4, (-80, -80))
    kept = read(tmp_path, text, noise_floor_dbm=-95.0)
    assert levels(kept) == [-93.0, -95.0, -80.0]
    assert kept.campaign.censored.tolist() == [[False, True, False]]
    left_out = read(tmp_path, text)
    assert levels(left_out) == [-93.0, -80.0]
    assert noted(left_out, "1 link left out for want of a level")


def test_a_declared_noise_stays_with_repeats(tmp_path: Path) -> None:
    reading = read(tmp_path, f"{LONG},noise_db\n1,0,0,1,2,0,1,-41,3\n1,0,0,1,2,0,1,-47,3\n")
    assert reading.campaign.noise_db == 3.0


def test_a_trace_with_a_time_column(tmp_path: Path) -> None:
    text = (
        "time_s,tx_id,tx_x,tx_y,tx_z,ue_x,ue_y,ue_z,path_gain_db\n"
        "0.0,g1,0,0,10,2,0,1,-80\n0.1,g1,0,0,10,3,0,1,-82\n0.0,g2,9,0,10,2,0,1,-90\n"
        "0.2,g1,0,0,10,2,0,1,-81\n"
    )
    reading = read(tmp_path, text)
    assert reading.setups == ("g1", "g2")
    np.testing.assert_allclose(levels(reading), [-36.5, -38.0, -46.0])
    assert noted(reading, "not used: 'time_s'")


def test_repeats_that_saturate_sometimes(tmp_path: Path) -> None:
    def rows(x: int, cells: tuple[object, ...]) -> str:
        return "".join(f"1,0,0,1,{x},0,1,{cell}\n" for cell in cells)

    text = f"{LONG}\n" + rows(2, (-31, -33, ">-30")) + rows(3, (">-30", -34, ">-29"))
    text += rows(4, (">-30", "<-95", -50)) + rows(5, (">-30", "<-95"))
    kept = read(tmp_path, text)
    # Half above and half below: the level is not known, and the floor is the safer bound.
    assert levels(kept) == [-31.0, -30.0, -50.0, -95.0]
    assert kept.campaign.saturated.tolist() == [[False, True, False, False]]
    assert kept.campaign.censored.tolist() == [[False, True, False, True]]


def test_from_a_level_on_the_receiver_saturates(tmp_path: Path) -> None:
    text = f"{LONG}\n1,0,0,1,2,0,1,-78\n1,0,0,1,3,0,1,-88\n1,0,0,1,4,0,1,-90\n1,0,0,1,5,0,1,100\n"
    kept = read(tmp_path, text, saturation_dbm=-88.0, noise_floor_dbm=-100.0)
    assert levels(kept) == [-78.0, -88.0, -90.0, -100.0]
    assert kept.campaign.saturated.tolist() == [[True, True, False, False]]
    assert kept.campaign.below.tolist() == [[False, False, False, True]]
    with pytest.raises(ConfigurationError, match="must lie below saturation_dbm"):
        ReadingOptions(noise_floor_dbm=-80.0, saturation_dbm=-88.0)
    with pytest.raises(ConfigurationError, match="saturation_dbm must be a finite"):
        ReadingOptions(saturation_dbm=math.nan)


def test_a_delay_bin_that_saturates_makes_the_sum_a_bound(tmp_path: Path) -> None:
    text = (
        "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,delay_ns,power_dbm\n"
        "1,0,0,1,2,0,1,0,>-60\n1,0,0,1,2,0,1,5,-63\n1,0,0,1,3,0,1,0,-61\n"
    )
    reading = read(tmp_path, text, delay_bins="sum")
    np.testing.assert_allclose(levels(reading)[0], 10 * math.log10(1e-6 + 10**-6.3))
    assert reading.campaign.saturated.tolist() == [[True, False]]


def test_power_in_delay_bins_is_added_up(tmp_path: Path) -> None:
    text = (
        "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,delay_ns,power_dbm,censored\n"
        "1,0,0,1,2,0,1,0,-60,0\n1,0,0,1,2,0,1,5,-63,0\n1,0,0,1,2,0,1,9,-99,1\n"
        "1,0,0,1,3,0,1,0,-99,1\n1,0,0,1,3,0,1,5,-99,1\n"
    )
    reading = read(tmp_path, text, delay_bins="sum")
    total = [10 * math.log10(1e-6 + 10**-6.3), -99 + 10 * math.log10(2)]
    np.testing.assert_allclose(levels(reading), total)
    assert reading.campaign.censored.tolist() == [[False, True]]


APS = "name,x,y,z\nAP1,0,0,2\nap-2,10,0,2\nAP3,20,0,2\n"


@pytest.mark.parametrize("headings", ["AP1,AP2", "RSSI_AP1,RSSI_AP2", "AP1 [dBm],AP2 [dBm]",
                                      "RSSI (AP1),RSSI (AP2)", "rss ap 1,rss ap 2"])  # fmt: skip
def test_one_column_a_transmitter(tmp_path: Path, headings: str) -> None:
    text = f"X,Y,{headings},note\n1,2,-40,100\n3,4,-50,-60\n"
    reading = read(tmp_path, text.replace("100\n", "100,a\n").replace("-60\n", "-60,b\n"),
                   transmitters=APS, rx_height=1.2)  # fmt: skip
    campaign = reading.campaign
    assert reading.setups == ("AP1", "ap-2")
    assert campaign.tx.tolist() == [[0, 0, 2], [10, 0, 2]]
    assert levels(reading) == [-40.0, -50.0, -60.0]
    assert campaign.rx[1, 0].tolist() == [3, 4, 1.2]
    assert noted(reading, "transmitters without a column: 'AP3'")
    assert noted(reading, "not heard: 1 of 4 readings")
    assert noted(reading, "not used: 'note'")


def test_a_wide_table_of_path_losses(tmp_path: Path) -> None:
    reading = read(tmp_path, "x,y,z,PL_AP1,PL_AP3\n1,2,1,100,\n", transmitters=APS)
    assert levels(reading) == [-56.0]


def test_what_a_wide_table_needs_is_said(tmp_path: Path) -> None:
    told = refused(tmp_path, "X,Y,WAP001,WAP002\n1,2,-40,100\n")
    assert "'WAP001', 'WAP002' look like levels of one transmitter each" in told
    assert "--transmitters FILE" in told
    assert "--rx-height" in told


def test_transmitters_joined_by_cell(tmp_path: Path) -> None:
    cells = (
        "Site,PCI,Cell ID,x,y,Antenna height [m],Frequency_MHz,Tx power [dBm],azimuth\n"
        "north,11,1001,0,0,30,1800,40,0\nnorth,12,1002,0,0,30,2600,43,120\n"
    )
    text = "CellID,x,y,z,RSRP\n1002,5,0,1.5,-90\n1001,5,0,1.5,-80\n77,5,0,1.5,-85\n-,5,0,1.5,-85\n"
    reading = read(tmp_path, text, transmitters=cells)
    assert reading.setups == ("1002", "1001")
    assert levels(reading) == [-89.0, -76.0]  # referred to 44 dBm
    assert reading.campaign.frequency is not None
    assert reading.campaign.frequency.tolist() == [2.6e9, 1.8e9]
    assert reading.campaign.tx.tolist() == [[0, 0, 30], [0, 0, 30]]
    assert noted(reading, "2 rows left out: the position of their transmitter is not known")
    assert noted(reading, "transmit power of 44 dBm")
    assert "azimuth" in " ".join(reading.notes)
    told = refused(tmp_path, text.replace("1001", "5").replace("1002", "6"), transmitters=cells)
    assert "no transmitter has a name of the column 'CellID'" in told


def test_transmitters_one_by_one(tmp_path: Path) -> None:
    text = "tx,x,y,z,rss\nA,5,0,1.5,-60\nB,5,0,1.5,-70\n"
    assert read(tmp_path, text, tx=("A=0,0,3", "B=9,0,3")).campaign.num_setups == 2
    assert "'A', 'B'); name each" in refused(tmp_path, text, tx=("0,0,3",))
    told = refused(tmp_path, text)
    assert "rows name their transmitter (tx)" in told
    alone = read(tmp_path, "x,y,z,rss\n5,0,1.5,-60\n", tx=("-1,0,3",))
    assert alone.campaign.tx.tolist() == [[-1, 0, 3]]


def test_a_faulty_table_of_transmitters_is_named(tmp_path: Path) -> None:
    told = refused(
        tmp_path, "x,y,z,AP1\n1,2,1,-40\n", transmitters="name,x,y,z\nA,0,0,1\nA,1,0,1\n"
    )
    assert "transmitters.csv" in told
    assert "line 3: the transmitter 'A' stands in line 2 already" in told
    told = refused(tmp_path, "x,y,z,AP1\n1,2,1,-40\n", transmitters="name,x\nA,0\n")
    assert "missing columns: tx_y" in told


DRIVE = (
    "Timestamp,Longitude,Latitude,CellID,RSRP,NRxRSRP\n"
    "10:00,-8.4990,51.8010,2,-95,-\n10:01,-8.4980,51.8010,2,-,-101\n10:02,-,-,2,-97,-\n"
    "10:03,0,0,2,-97,-\n"
)


def test_rssi_is_shared_among_resource_elements(tmp_path: Path) -> None:
    """25 resource blocks of LTE have 300 elements, 24.8 dB; floor and ceiling are those of RSSI."""
    text = "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rssi\n0,0,1,2,0,1,-41.5\n0,0,1,3,0,1,-\n0,0,1,4,0,1,-20\n"
    share = 10.0 * np.log10(300)
    reading = read(
        tmp_path, text, resource_elements=300, noise_floor_dbm=-90.0, saturation_dbm=-30.0
    )
    np.testing.assert_allclose(levels(reading), np.array([-41.5, -90.0, -20.0]) - share)
    assert reading.campaign.censored.tolist() == [[False, True, True]]
    assert reading.campaign.saturated.tolist() == [[False, False, True]]
    assert noted(reading, "rssi is shared among 300 resource elements")
    told = refused(tmp_path, text.replace("rssi", "RSRP"), resource_elements=300)
    assert "of one resource element already" in told
    told = refused(tmp_path, text.replace("rssi", "PL"), resource_elements=300)
    assert "is no power" in told
    with pytest.raises(ConfigurationError, match="12 times the resource blocks"):
        ReadingOptions(resource_elements=0)


def test_a_drive_test(tmp_path: Path) -> None:
    reading = read(tmp_path, DRIVE, tx=("2=51.80,-8.50,30",), origin=(51.80, -8.50), rx_height=1.5)
    assert levels(reading) == [-95.0]
    assert noted(reading, "2 rows left out for want of a position")
    assert noted(reading, "RSRP is the power of one resource element")
    # Lengths of a degree at latitude 51.8, WGS 84: 111,267.5 m north and 68,967 m east.
    np.testing.assert_allclose(reading.campaign.rx[0, 0], [68.97, 111.27, 1.5], atol=0.05)
    np.testing.assert_allclose(reading.campaign.tx[0], [0, 0, 30], atol=1e-9)
    told = refused(tmp_path, DRIVE)
    assert "--origin LATITUDE,LONGITUDE" in told
    assert "--tx NAME=LATITUDE,LONGITUDE,HEIGHT" in told
    assert "--rx-height" in told


def test_altitudes_need_that_of_the_scene(tmp_path: Path) -> None:
    text = "lat,lon,altitude,rss\n51.801,-8.5,120,-80\n"
    told = refused(tmp_path, text, tx=("51.80,-8.5,30",), origin=(51.80, -8.50))
    assert "altitude is an altitude above the sea" in told
    reading = read(tmp_path, text, tx=("51.80,-8.5,30",), origin=(51.80, -8.50, 100.0))
    np.testing.assert_allclose(reading.campaign.rx[0, 0, 2], 20.0)


def test_longitudes_that_are_metres(tmp_path: Path) -> None:
    text = "LONGITUDE,LATITUDE,rss\n-7632.1,4864982.2,-80\n-7630.1,4864980.2,-81\n"
    told = refused(tmp_path, text, tx=("40,-7,2",), rx_height=1.0)
    assert "--origin" not in told
    assert "say --column rx_northing=LATITUDE" in told
    columns = ("rx_easting=LONGITUDE", "rx_northing=LATITUDE")
    reading = read(tmp_path, text, columns=columns, tx=("-7632,4864990,2",), rx_height=1.0)
    assert reading.campaign.rx[0, 0].tolist() == [-7632.1, 4864982.2, 1.0]


def test_a_plan_with_a_heading_that_may_hold_levels_is_said(tmp_path: Path) -> None:
    reading = read(tmp_path, LONG.replace("rss_dbm", "Pot_W") + "\n1,0,0,1,2,0,1,1e-7\n")
    assert reading.campaign.rss_dbm is None
    assert noted(reading, "no column holds levels, so this is a plan")


def test_a_table_of_arrow_columns() -> None:
    table = pa.table({"Tx_x": [0.0], "Tx_y": [0], "Tx_z": [1.0], "x": [2.0], "y": [0.0],
                      "z": ["1,5"], "RSSI": [-60], "when": pa.array([0], pa.timestamp("s")),
                      "more": [[1, 2]]})  # fmt: skip
    with pytest.raises(MeasurementFileError, match=r"write a decimal point: 1\.5"):
        read_table(table, name="the frame")
    table = table.set_column(5, "z", pa.array([1.5]))
    reading = read_table(table, name="the frame")
    assert reading.source == "the frame"
    assert levels(reading) == [-60.0]
    assert noted(reading, "not used: 'when', 'more'")


def test_names_that_differ_in_form_only_are_one(tmp_path: Path) -> None:
    text = "tx,x,y,z,rss\n007,5,0,1.5,-60\nAp_One,5,0,1.5,-70\n1-12,5,0,1.5,-80\n11-2,5,0,1,-90\n"
    table = "name,x,y,z\n7,0,0,1\nAP-ONE,1,0,1\n1-12,2,0,1\n112,3,0,1\n"
    reading = read(tmp_path, text, transmitters=table)
    assert reading.campaign.tx[:, 0].tolist() == [0, 1, 2]
    assert noted(reading, "(tx: '11-2')")


def test_a_table_of_words_with_spaces_between_columns(tmp_path: Path) -> None:
    text = (
        "# Receiver Set: grid\n#   X(m)     Y(m)     Z(m)   Distance (m)   Path Loss (dB)\n"
        "  10.0   20.0   1.5   22.4   67.3\n  11.0   20.0 \t 1.5   22.9   68\n"
    )
    reading = read(tmp_path, text, tx=("0,0,5",))
    np.testing.assert_allclose(levels(reading), [-23.3, -24.0])
    assert noted(reading, "not used: 'Distance (m)'")


def test_converted_levels_get_no_hints_for_stated_ones(tmp_path: Path) -> None:
    text = "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,path_loss\n0,0,1,2,0,1,20\n0,0,1,3,0,1,25\n"
    assert levels(read(tmp_path, text)) == [24.0, 19.0]
    told = refused(tmp_path, text.replace("20", "2"))
    assert "level of 42 dBm" in told
    assert "sign" not in told


def test_delays_of_packets_are_not_those_of_paths(tmp_path: Path) -> None:
    text = "x,y,z,rssi,delay_ms\n1,0,1,-60,12\n1,0,1,-62,40\n"
    assert levels(read(tmp_path, text, tx=("0,0,1",))) == [-61.0]


def test_control_characters_of_names_are_not_printed(tmp_path: Path) -> None:
    text = LONG + ",\x1b[31mnote\n\x1b[0ma,0,0,1,2,0,1,-41,x\n"
    reading = read(tmp_path, text)
    printed = repr((reading.setups, reading.notes, reading.columns))
    assert "x1b" not in printed


@pytest.mark.parametrize("cell", ["9" * 2000, "9" * 900 + "x", "1_000", "0x10", "\u0661\u0662"])
def test_cells_that_are_no_numbers(tmp_path: Path, cell: str) -> None:
    told = refused(tmp_path, f"{LONG}\n1,0,0,1,2,0,1,{cell}\n")
    assert "line 2" in told
    assert len(told) < 300


def test_a_file_of_problems_is_not_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(MeasurementFileError) as caught:
        read(tmp_path, LONG + "\n" + "1,1\n" * 100_000)
    assert len(caught.value.problems) == 1001
    assert caught.value.problems[-1] == (0, "not read on after 1000 problems")


def test_hemispheres_and_origins_far_away(tmp_path: Path) -> None:
    text = "lat,lon,rss\n33.901S,18.401E,-80\n"
    options: dict[str, Any] = {"tx": ("-33.9,18.4,30",), "rx_height": 1.5}
    reading = read(tmp_path, text, origin=(-33.9, 18.4), **options)
    np.testing.assert_allclose(reading.campaign.rx[0, 0], [92.5, -110.9, 1.5], atol=0.1)
    told = refused(tmp_path, text, origin=(18.4, -33.9), **options)
    assert "km from the origin; check --origin LATITUDE,LONGITUDE" in told


@pytest.mark.parametrize(("cell", "hint"), [("-41,5", True), ("1,234", False), ("0,234", True)])
def test_a_comma_that_may_divide_thousands_gets_no_hint(
    tmp_path: Path, cell: str, hint: bool
) -> None:
    told = refused(tmp_path, f'{LONG}\n1,0,0,1.5,2,0,1,"{cell}"\n')
    assert ("write a decimal point" in told) == hint


def test_a_column_of_any_heading_may_name_the_transmitters(tmp_path: Path) -> None:
    text = "gw,floor,x,y,z,rss\nlora-1,1,5,0,1.5,-60\nlora-2,2,5,0,1.5,-70\n"
    table = "gw,x,y,z\nlora-1,0,0,3\nlora-2,9,0,3\n"
    reading = read(tmp_path, text, transmitters=table)
    assert reading.setups == ("lora-1", "lora-2")
    told = refused(tmp_path, text.replace("lora-2", "other"), transmitters=table)
    assert "no column names the transmitter of a row" in told


def test_a_carrier_below_all_tables_is_none(tmp_path: Path) -> None:
    told = refused(tmp_path, f"{LONG},frequency [Hz]\n1,0,0,1,2,0,1,-41,868\n")
    assert "is 868 Hz, which is no carrier; check its unit" in told


def test_links_between_named_nodes(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.csv"
    nodes.write_text("node,x,y,z\n1,0,0,1\n2,5,0,1\n3,0,5,1\n")
    text = "tx_id,rx_id,rssi\n1,2,-50\n1,3,-55\n2,3,-60\n1,9,-70\n"
    reading = read(tmp_path, text, points=nodes, transmitters=nodes.read_text())
    assert reading.campaign.tx.tolist() == [[0, 0, 1], [5, 0, 1]]
    assert reading.campaign.rx[0].tolist() == [[5, 0, 1], [0, 5, 1]]
    assert noted(reading, "receivers that are not in")
    assert noted(reading, "1 row left out for want of a position")
    wide = read(tmp_path, "point,AP1,AP3\np2,-40,-50\np1,-60,-70\n", transmitters=APS,
                points=_points(tmp_path))  # fmt: skip
    assert wide.campaign.rx[0].tolist() == [[3, 4, 1], [1, 2, 1]]
    told = refused(tmp_path, "a,rssi\nb,-40\n", points=_points(tmp_path), tx=("0,0,1",))
    assert "no column names the receivers" in told


def _points(tmp_path: Path) -> Path:
    points = tmp_path / "points.csv"
    points.write_text("name,x,y,z\np1,1,2,1\np2,3,4,1\n")
    return points


def test_what_a_table_states_of_some_transmitters_only(tmp_path: Path) -> None:
    text = "tx,x,y,z,rss\nA,5,0,1.5,-60\nB,5,0,1.5,-70\n"
    told = refused(tmp_path, text, transmitters="tx,x,y,z,f_GHz\nA,0,0,3,2\nB,9,0,3,\n")
    assert "line 3: f_GHz is empty, but other lines have one" in told
    told = refused(tmp_path, text, transmitters="tx,x,y,z,freq\nA,0,0,3,200\nB,9,0,3,200\n")
    assert "--column frequency_mhz=freq" in told


def test_a_moving_transmitter_before_few_receivers_is_said(tmp_path: Path) -> None:
    head = "tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,rss\n"
    rows = [f"{x},0,1,50,{y},2,-60\n" for x in range(20) for y in (0, 1)]
    assert noted(read(tmp_path, head + "".join(rows)), "which makes 2 setups of them")
    assert not read(tmp_path, head + "".join(rows[:10])).notes


def test_spaces_in_headings_do_not_separate_columns(tmp_path):
    """German Excel: semicolons, and headings that hold names of their own."""
    file = tmp_path / "excel.csv"
    file.write_text(
        "TX X [m];TX Y [m];TX Z [m];RX X [m];RX Y [m];RX Z [m];Pegel [dBm]\n"
        "0,5;0,2;2,0;1,5;-1,0;1,5;-61,4\n"
    )
    reading = read_measurements(file, options=ReadingOptions(columns=("rss_dbm=Pegel [dBm]",)))
    np.testing.assert_array_equal(reading.campaign.tx, [[0.5, 0.2, 2.0]])
    assert levels(reading) == [-61.4]
    assert noted(read_measurements(file), "'Pegel [dBm]' does, say --column 'rss_dbm=Pegel [dBm]'")


def test_a_power_in_watts_without_a_known_name_is_asked_about(tmp_path):
    file = tmp_path / "watts.csv"
    file.write_text("tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,P_2 [W]\n0,0,2,1,0.5,1.5,1e-9\n")
    assert noted(read_measurements(file), "say --column 'rss_w=P_2 [W]'")
    named = read_measurements(file, options=ReadingOptions(columns=("rss_w=P_2 [W]",)))
    assert levels(named) == [pytest.approx(-60.0)]
