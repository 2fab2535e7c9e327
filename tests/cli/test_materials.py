import json

import pytest

from tests.commands import invoke
from vlmrt_dist.scene import conductivity, spread_of


def test_the_table_has_each_class_with_its_width_and_row() -> None:
    told = invoke("materials", "--frequency", "140e9", "--sources")
    assert told.exit_code == 0
    wood = next(line for line in told.stdout.splitlines() if "wood" in line)
    assert "110-330" in wood
    assert "100-400: × 1.6" in wood
    assert f"{spread_of('wood', 140e9).conductivity:.2f}" in wood
    assert "as in Sionna RT" in told.stdout
    assert "[1] S. S. Zhekov" in told.stdout
    assert "not tabulated at this frequency: vacuum" in told.stdout


def test_json_holds_the_same() -> None:
    told = invoke("materials", "--material", "Concrete", "--material", "metal", "--json")
    concrete, metal = json.loads(told.stdout)["materials"]
    assert concrete["conductivity"] == conductivity("concrete", 3.5e9)
    assert concrete["width"] == spread_of("concrete", 3.5e9).conductivity
    assert any("NISTIR 6055" in source for source in concrete["sources"])
    assert "moisture" in concrete["remark"]
    assert metal["width"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--material", "concret"], "unknown material 'concret'"),
        (["--frequency", "0"], "positive, finite"),
        (["--frequency", "nan"], "positive, finite"),
        (["--frequency", "1e15"], "choose another --frequency"),
        (["--material", "brick", "--frequency", "60e9"], "no values for brick at 60 GHz"),
    ],
)
def test_rubbish_is_named(options: list[str], message: str) -> None:
    told = invoke("materials", *options)
    assert (told.exit_code, told.stdout) == (2, "")
    assert message in told.stderr
