"""Blocks of observables: checked, merged, sorted, written and read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vlmrt_dist.campaign import (
    Campaign,
    DelayMoment,
    DelayPower,
    FrequencyResponse,
    ReadingOptions,
    ResponseMagnitude,
    parse_observables,
    read_campaign,
    read_measurements,
    write_campaign,
)
from vlmrt_dist.errors import CampaignError, ConfigurationError, MeasurementFileError
from vlmrt_dist.units import dbm_to_watts

ONE = np.zeros(1)


def bins(**other: object) -> DelayPower:
    start = np.array([4.0, 0.0, 2.0, 0.0])
    values: dict[str, object] = {
        "setup": [0, 0, 0, 0],
        "receiver": [0, 0, 0, 1],
        "start_ns": start,
        "stop_ns": start + 2.0,
        "power_dbm": np.array([-70.0, -60.0, -80.0, -90.0]),
        "noise_db": np.ones(4),
        **other,
    }
    return DelayPower(**values)  # type: ignore[arg-type]


def campaign(*blocks: object, rss: object = None) -> Campaign:
    rx = np.array([[[1.0, 0, 1], [2.0, 0, 1]], [[1.0, 1, 1], [3.0, 0, 1]]])
    return Campaign([[0, 0, 1], [0, 2, 1]], rx, rss, observables=blocks)  # type: ignore[arg-type]


def every_block() -> tuple[object, ...]:
    link = np.array([0, 1])
    frequency = np.array([-1e6, 1e6])
    return (
        bins(bandwidth_hz=5e8, below=[False, False, True, False]),
        DelayMoment(link, link, "rms_spread", np.array([3.25, 4.5]), np.full(2, 0.5)),
        DelayMoment(link, 1 - link, "mean", np.array([13.0, 14.5]), np.full(2, 0.25)),
        DelayMoment(link, 1 - link, "mean", np.array([1.0, 2.5]), np.full(2, 0.25), "first_path"),
        FrequencyResponse(
            link[:1],
            link[:1],
            frequency[:1],
            np.array([1e-4 + 2e-4j]),
            np.array([1e-6]),
            np.array([3]),
        ),
        ResponseMagnitude(link, link, frequency, np.array([-80.0, -70.5]), np.full(2, 1.5)),
    )


def test_lines_are_sorted_by_link_and_delay() -> None:
    assert bins().start_ns.tolist() == [0.0, 2.0, 4.0, 0.0]
    assert bins().power_dbm.tolist() == [-60.0, -80.0, -70.0, -90.0]


def test_merged_bins_hold_the_same_power() -> None:
    block = bins(receiver=[0, 0, 0, 0], start_ns=np.arange(4.0) * 2, stop_ns=np.arange(4.0) * 2 + 2)
    merged = block.merged(2)
    assert merged.start_ns.tolist() == [0.0, 4.0]
    assert merged.stop_ns.tolist() == [4.0, 8.0]
    np.testing.assert_allclose(
        dbm_to_watts(merged.power_dbm), dbm_to_watts(block.power_dbm).reshape(2, 2).sum(1)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bandwidth_hz": 2.5e8}, "finer than a bandwidth of 250 MHz resolves .4 ns.*merge 2"),
        ({"start_ns": np.array([1.0, 0.0, 2.0, 0.0])}, "overlap or stand twice"),
        ({"stop_ns": np.zeros(4)}, "ends before it begins"),
        ({"power_dbm": np.array([-70.0, np.nan, -80.0, -90.0])}, "power_dbm .* must be finite"),
        ({"noise_db": -np.ones(4)}, "finite and not negative"),
        ({"start_ns": np.arange(4.0) * 1e6, "stop_ns": np.arange(4.0) * 1e6 + 1}, "check their un"),
        ({"counted_from": "now"}, "transmission or first_path"),
        ({"power_dbm": np.ones(3)}, "has shape"),
    ],
)
def test_wrong_bins_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        bins(**change)


def test_wrong_responses_and_moments_are_named() -> None:
    link, noise = np.array([0]), np.array([1e-6])
    for value, message in ((2.0 + 0j, "above one"), (np.inf + 0j, "must be finite")):
        with pytest.raises(CampaignError, match=message):
            FrequencyResponse(link, link, ONE, np.array([value]), noise)
    with pytest.raises(CampaignError, match="counted from it, in Hz"):
        FrequencyResponse(link, link, np.array([3e12]), np.array([1e-4]), noise)
    with pytest.raises(CampaignError, match="stands twice"):
        FrequencyResponse([0, 0], [0, 0], np.zeros(2), np.full(2, 1e-4), np.full(2, 1e-6))  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="more than was transmitted"):
        ResponseMagnitude(link, link, ONE, np.array([3.0]), noise)
    with pytest.raises(CampaignError, match="negative"):
        DelayMoment(link, link, "rms_spread", np.array([-3.0]), noise)
    block = FrequencyResponse(link, link, np.array([3.6e9]), np.array([1e-4]), noise)
    with pytest.raises(CampaignError, match="subtract the carrier"):
        replace(campaign(), frequency=np.full(2, 3.5e9), observables=(block,))


def test_a_line_of_no_receiver_is_refused() -> None:
    with pytest.raises(CampaignError, match="receivers that do not exist: setup 1, receiver 6"):
        campaign(bins(receiver=[0, 0, 0, 5]))


def test_links_without_a_level_need_an_observable() -> None:
    level = np.array([[-60.0, np.nan], [-61.0, -62.0]])
    assert campaign(bins(), rss=level).has_level.tolist() == [[True, False], [True, True]]
    with pytest.raises(CampaignError, match="setup 1, receiver 2"):
        campaign(rss=level)


def test_a_subset_keeps_its_setups_lines() -> None:
    whole = campaign(*every_block())
    part = whole.subset([1])
    assert [len(block) for block in part.observables] == [0, 1, 1, 1, 0, 1]
    assert part.observables[1].measured.tolist() == [4.5]
    assert part.key != whole.key


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    level = np.array([[-60.0, np.nan], [-61.0, np.nan]])
    given = replace(campaign(*every_block(), rss=level), noise_db=0.5)
    path = write_campaign(given, tmp_path / f"all.{suffix}")
    with pytest.warns(UserWarning, match="powers in delay bins"):
        found = read_campaign(path)
    assert found.num_links == 4
    np.testing.assert_array_equal(found.rss_dbm, given.rss_dbm)
    assert {type(b): len(b) for b in found.observables} == {
        type(b): len(b) for b in given.observables
    }
    for block in found.observables:
        same = next(
            b for b in given.observables
            if b.name == block.name
            and getattr(b, "counted_from", "") == getattr(block, "counted_from", "")
        )  # fmt: skip
        np.testing.assert_allclose(block.measured, same.measured, rtol=1e-12)
        np.testing.assert_allclose(block.noise, same.noise, rtol=1e-12)
        assert block.censored.tolist() == same.censored.tolist()
        assert block.row_receiver.tolist() == same.row_receiver.tolist()


HEAD = "setup,tx_x,tx_y,tx_z,rx_x,rx_y,rx_z,"


def read(tmp_path: Path, text: str, **options: object) -> Campaign:
    path = tmp_path / "m.csv"
    path.write_text(HEAD + text)
    return read_measurements(path, options=ReadingOptions(**options)).campaign  # type: ignore[arg-type]


def test_centres_of_bins_become_their_ends(tmp_path: Path) -> None:
    rows = "".join(f"1,0,0,1,2,0,1,{d},-60,0\n" for d in (-2.003, -1.002, 0.0, 1.001, 5.0))
    rows += "1,0,0,1,2,0,1,6.0,-95,1\n"
    (block,) = read(tmp_path, "delay_ns,power_dbm,censored\n" + rows).observables
    assert isinstance(block, DelayPower)
    assert block.counted_from == "first_path"
    np.testing.assert_allclose(block.start_ns[1:4], [-1.5025, -0.501, 0.5005])
    np.testing.assert_allclose(block.start_ns[4], 5.0 - 0.5 * 1.001)
    assert block.floor_dbm.tolist() == [-95.0] * 6
    merged = read(tmp_path, "delay_ns,power_dbm,censored\n" + rows, delay_bin_ns=2.0)
    assert len(merged.observables[0]) < 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subcarrier_hz,response_re\n1,0,0,1,2,0,1,1e6,1e-4\n", "both response_re and response_im"),
        ("response_re,response_im\n1,0,0,1,2,0,1,1e-4,1e-4\n", "needs its subcarrier"),
        (
            "subcarrier,magnitude_db\n1,0,0,1,2,0,1,-10,-60\n1,0,0,1,2,0,1,10,-60\n",
            "subcarrier_mhz=subcarrier",
        ),
        (
            "delay_ns,rss_dbm\n1,0,0,1,2,0,1,1e-8,-60\n1,0,0,1,2,0,1,2e-8,-60\n",
            "delay_s=delay_ns",
        ),
        ("delay_ns,rss_dbm\n1,0,0,1,2,0,1,7,60\n1,0,0,1,2,0,1,9,61\n", "without its sign"),
        ("delay_ns,rss_dbm\n1,0,0,1,2,0,1,7,>-30\n1,0,0,1,2,0,1,9,-61\n", "--delay-bins sum"),
    ],
)
def test_other_units_and_missing_parts_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MeasurementFileError, match=message):
        read(tmp_path, text)


def test_words_name_what_is_measured() -> None:
    power, plans = parse_observables("power, delay:2.5ns/100ns@2db,delay_spread@0.5ns,response:64")
    assert power
    assert [plan.word for plan in plans] == ["delay", "delay_spread", "response"]
    block = plans[0].on(campaign())
    assert len(block) == 4 * 40
    for wrong in ("delay:2", "delay:0ns", "power,power", "", "response:1", "loudness"):
        with pytest.raises(ConfigurationError):
            parse_observables(wrong)
