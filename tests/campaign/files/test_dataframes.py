from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vlmrt_dist.campaign.campaign_like import as_campaign
from vlmrt_dist.campaign.files.dataframes import arrow_table
from vlmrt_dist.campaign.files.read_write import read_campaign, write_campaign
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import CampaignError, MeasurementFileError
from vlmrt_dist.scene import box_room

ROWS = {
    "setup": ["a", "a", "b"],
    "tx_x": [-4.2, -4.2, 1.0],
    "tx_y": [0.3, 0.3, 1.0],
    "tx_z": [1.5, 1.5, 2.0],
    "rx_x": [3.1, 2.4, 0.5],
    "rx_y": [-2.0, 1.1, -0.5],
    "rx_z": [1.2, 1.2, 1.0],
    "rss_dbm": [-31.5, -40.25, -35.0],
}


class Stream:
    """Any other data frame: nothing but the interface that all have."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def expected(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    file = tmp_path_factory.mktemp("frames") / "rss.csv"
    pd.DataFrame(ROWS).to_csv(file, index=False)
    return read_campaign(file)


def test_every_kind_of_frame_is_the_campaign_of_its_file(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    key = expected(tmp_path_factory).key
    frame = pd.DataFrame(ROWS)
    categories = frame.astype({"setup": "category", "rss_dbm": "Float64"})
    views = pa.table(ROWS).cast(
        pa.schema([("setup", pa.string_view()), *((n, pa.float64()) for n in list(ROWS)[1:])])
    )
    for each in (
        frame,
        categories,
        frame.set_index("setup"),
        frame.set_index(pd.Index([7, 3, 9])),
        frame.convert_dtypes(dtype_backend="pyarrow"),
        pa.table(ROWS),
        Stream(views),
        Stream(pa.table(ROWS)),
        Stream(pa.table({**ROWS, "setup": pa.array(ROWS["setup"]).dictionary_encode()})),
    ):
        assert read_campaign(each, scene=box_room()).key == key


def test_levels_below_a_floor_beside_numbers() -> None:
    campaign = read_campaign(pd.DataFrame({**ROWS, "rss_dbm": [-31.5, "<-60", ">-35.0"]}))
    assert campaign.saturated.tolist() == [[False, False], [True, False]]
    assert campaign.below.tolist() == [[False, True], [False, False]]
    assert campaign.rss_dbm is not None
    assert campaign.rss_dbm[0].tolist() == [-31.5, -60.0]


def test_problems_have_their_rows() -> None:
    with pytest.raises(MeasurementFileError, match="the data frame cannot be used") as refused:
        read_campaign(pd.DataFrame({**ROWS, "rx_z": [1.2, np.inf, 1.0]}))
    assert [line for line, _ in refused.value.problems] == [2]
    with pytest.raises(MeasurementFileError, match="rx_z"):
        read_campaign(pd.DataFrame(ROWS).drop(columns="rx_z"))


def test_frames_that_are_no_table() -> None:
    twice = pd.DataFrame([[1.0, 2.0]], columns=["tx_x", "tx_x"])
    with pytest.raises(MeasurementFileError, match="several columns are named 'tx_x'"):
        arrow_table(twice)
    with pytest.raises(MeasurementFileError, match="cannot be read as a table"):
        arrow_table(Stream(pa.chunked_array([[1]])))


@pytest.mark.parametrize(
    ("thing", "word"),
    [(3, "got int"), (None, "got NoneType"), (ROWS, r"got dict; give a pandas\.DataFrame")],
)
def test_what_is_neither_a_file_nor_a_frame(thing: Any, word: str) -> None:
    with pytest.raises(CampaignError, match=word):
        read_campaign(thing)


def test_a_campaign_stands_for_itself(tmp_path_factory: pytest.TempPathFactory) -> None:
    campaign, room = expected(tmp_path_factory), box_room()
    assert as_campaign(campaign, room) is campaign
    path = write_campaign(campaign, tmp_path_factory.mktemp("file") / "rss.parquet")
    assert as_campaign(path, room).key == as_campaign(str(path), room).key
    assert as_campaign(pd.DataFrame(ROWS), room).key == campaign.key
