import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.inference.made_estimates import estimate
from tests.inference.test_export import FROM
from vlmrt_dist.errors import StorageError
from vlmrt_dist.inference.estimate_files import read_estimate
from vlmrt_dist.inference.export import write_estimate
from vlmrt_dist.inference.quantities import QuantityEstimate
from vlmrt_dist.inference.verdicts import Part, Verdict

ROW = {
    "name": "wall",
    "material": "brick",
    "frequency": 3.5e9,
    "conductivity": 0.03,
    "verdict": "estimated",
}


def with_thickness() -> Any:
    verdict: tuple[Verdict, ...] = ("several", "at_least", "fixed")
    value = np.array([0.11, 0.1 + 0.2, 1.0 / 3.0])
    column = QuantityEstimate(
        "m", value, value, value, value, value, value, value, verdict, (False,) * 3,
        (
            (Part(0.11, 0.12, 0.115, 1.0 / 3.0), Part(0.2, 0.11, 5.0, 2.0 / 3.0, open_high=True)),
            (Part(0.2, 0.1 + 0.2, 0.3, 1.0, open_high=True),),
            (),
        ),
    )  # fmt: skip
    result = estimate(others={"thickness": column}, parts=((),) * 3)
    return dataclasses.replace(result, frequency=2.4e9)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".json"])
def test_every_number_comes_back(tmp_path: Path, suffix: str) -> None:
    result = with_thickness()
    found = read_estimate(write_estimate(result, tmp_path / f"r{suffix}", **FROM))
    stated = result.calibration
    assert (found.names, found.materials) == (stated.names, stated.materials)
    assert found.frequency == 2.4e9
    assert list(found.quantities) == ["conductivity", "thickness"]
    for name, quantity in found.quantities.items():
        for field in dataclasses.fields(quantity):
            one, other = (getattr(q, field.name) for q in (quantity, stated.quantities[name]))
            if field.name == "parts":
                assert one == other
            else:
                np.testing.assert_array_equal(one, other, err_msg=f"{name} {field.name}")


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "no row"),
        ([ROW, ROW], "'wall' has two rows"),
        ([ROW, {**ROW, "name": "b", "frequency": 1e9}], "several frequencies"),
        (
            [{**ROW, "thickness_verdict": "weak"}, {**ROW, "name": "b", "thickness": 0.1}],
            "row 1: thickness is missing",
        ),
        ([{**ROW, "conductivity": -1.0}], "row 1: conductivity"),
        ([{**ROW, "conductivity": "much"}], "row 1: conductivity"),
        ([{**ROW, "conductivity": float("nan")}], "row 1: conductivity"),
        (
            [{**ROW, "relative_permittivity": 0.5, "relative_permittivity_verdict": "weak"}],
            "row 1: relative_permittivity is missing or impossible",
        ),
        ([{**ROW, "thickness": 0.5}], "row 1 has no thickness_verdict"),
        ([{**ROW, "verdict": "sure"}], "row 1: conductivity verdict"),
        ([{**ROW, "parts": "[1"}], "row 1: conductivity parts.*no list of intervals"),
        ([{**ROW, "parts": "[{}]"}], "row 1 has no conductivity parts"),
        ([{**ROW, "parts": json.dumps([{}] * 101)}], "at most 100 intervals"),
        ([{"name": "wall"}], "row 1 has no material"),
        (["wall"], "row 1 is no object"),
        ({"a": 1}, "no rows"),
    ],
)
def test_what_is_no_estimate_is_refused(tmp_path: Path, rows: Any, word: str) -> None:
    file = tmp_path / "r.json"
    file.write_text(json.dumps({"rows": rows}))
    with pytest.raises(StorageError, match=word):
        read_estimate(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.json", b"[" * 100_000),
        ("r.json", b"\xff\xfe"),
        ("r.json", b"[1]"),
        ("r.csv", b"\xff\xfe\x00"),
        ("r.csv", b'name,frequency\n"a'),
        ("r.csv", b"setup,rss_dbm\n1,-30\n"),
        ("r.parquet", b"PAR1 no"),
        ("r.parquet", b""),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StorageError, match="is not an estimate as vlmrt estimate --out writes it"):
        read_estimate(tmp_path / name)


def test_a_parquet_file_of_something_else(tmp_path: Path) -> None:
    pq.write_table(pa.table({"setup": [1], "rss_dbm": [-30.0]}), tmp_path / "rss.parquet")
    with pytest.raises(StorageError, match="row 1 has no name"):
        read_estimate(tmp_path / "rss.parquet")


def test_places_that_hold_none(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="must end in"):
        read_estimate(tmp_path / "r.xlsx")
    with pytest.raises(StorageError, match="cannot read"):
        read_estimate(tmp_path / "none.csv")
