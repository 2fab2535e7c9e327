import ast
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from vlmrt_dist.errors import FrequencyError, MaterialError
from vlmrt_dist.scene import itu


@pytest.mark.parametrize(("frequency", "sigma"), [(1e9, 0.0462), (10e9, 0.2798), (100e9, 1.6945)])
def test_concrete_over_frequency(frequency: float, sigma: float) -> None:
    assert itu.relative_permittivity("concrete", frequency) == 5.24
    assert itu.conductivity("concrete", frequency) == pytest.approx(sigma, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "sigma"),
    [
        ("brick", 0.02908),
        ("wood", 0.01800),
        ("concrete", 0.12309),
        ("marble", 0.01755),
        ("chipboard", 0.05765),
        ("vacuum", 0.0),
        ("metal", 1e7),
        ("plywood", 0.33),
    ],
)
def test_conductivity_at_the_papers_carrier(name: str, sigma: float) -> None:
    assert itu.conductivity(name, 3.5e9) == pytest.approx(sigma, abs=5e-6)


def test_permittivity_that_falls_with_frequency() -> None:
    assert itu.relative_permittivity("wet_ground", 3.5e9) == pytest.approx(30 * 3.5**-0.4)
    assert itu.relative_permittivity("medium_dry_ground", 3.5e9) == pytest.approx(15 * 3.5**-0.1)


def test_the_table_is_sionnas() -> None:
    # Read as source, because importing sionna.rt takes seconds.
    spec = importlib.util.find_spec("sionna")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0]) / "rt" / "radio_materials" / "itu.py"
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and "ITU_MATERIALS_PROPERTIES" in ast.unparse(
            node.targets[0]
        ):
            theirs = ast.literal_eval(node.value)
    ours = {
        name: {(b.low, b.high): (b.a, b.b, b.c, b.d) for b in bands}
        for name, bands in itu.P2040_4.items()
    }
    assert ours == theirs
    assert {n: list(v) for n, v in ours.items()} == {n: list(v) for n, v in theirs.items()}
    assert len(itu.MATERIALS) == 19


def test_every_name_of_the_paper_is_the_same_row_in_both_vintages() -> None:
    assert len(itu.PAPER_2040) == 17
    for name, (c, d) in itu.PAPER_2040.items():
        material, index = itu.PAPER_ALIASES[name]
        band = itu.P2040_4[material][index]
        assert (band.c, band.d) == (c, d)
        middle = 0.5e9 * (band.low + band.high)
        assert itu.conductivity(name, middle) == pytest.approx(c * (middle / 1e9) ** d)


def test_a_name_that_says_its_band_is_not_evaluated_in_another() -> None:
    assert itu.conductivity("Glass_high_freq", 300e9) == pytest.approx(0.0004 * 300**1.658)
    assert itu.conductivity("glass", 300e9) == itu.conductivity("Glass_high_freq", 300e9)
    assert itu.conductivity("glass", 150e9) == pytest.approx(0.0012 * 150**1.4697)
    with pytest.raises(FrequencyError, match="220 to 450 GHz"):
        itu.conductivity("Glass_high_freq", 3.5e9)
    with pytest.raises(FrequencyError, match=r"0\.1 to 100 GHz"):
        itu.conductivity("Glass_low_freq", 300e9)


@pytest.mark.parametrize("name", itu.MATERIALS)
def test_sionna_takes_the_same_row_at_every_frequency_above_100_ghz(name: str) -> None:
    from sionna.rt.radio_materials.itu import itu_material

    for f_ghz in np.concatenate([np.arange(100.0, 452.0, 0.5), [109.999, 330.001, 400.001]]):
        frequency = f_ghz * 1e9
        if not itu.is_tabulated(name, frequency):
            with pytest.raises(ValueError, match="not defined"):
                itu_material(name, frequency)
            continue
        epsilon, sigma = itu_material(name, frequency)
        assert itu.relative_permittivity(name, frequency) == pytest.approx(epsilon, rel=1e-6)
        assert itu.conductivity(name, frequency) == pytest.approx(sigma, rel=1e-6)


def test_the_row_that_is_used_has_a_narrower_range_than_those_passed_over() -> None:
    overlapping = set[str]()
    for name in itu.MATERIALS:
        for f_ghz in np.arange(100.25, 450.0, 0.5):
            rows = itu.rows_at(name, f_ghz * 1e9)
            if len(rows) > 1:
                overlapping.add(name)
                widths = [row.high - row.low for row in rows]
                assert widths[0] == min(widths)
                assert rows[1][:2] == (100.0, 400.0)
    assert overlapping == {
        "plasterboard", "wood", "glass", "ceiling_board", "plywood", "marble", "floorboard"
    }  # fmt: skip


def test_where_ranges_overlap_the_first_one_counts() -> None:
    assert itu.conductivity("wood", 200e9) == pytest.approx(0.0040 * 200**1.0761)
    assert itu.conductivity("wood", 105e9) == pytest.approx(0.0055 * 105**1.1113)


@pytest.mark.parametrize("edge", [1e9, 40e9])
def test_both_ends_of_a_range_belong_to_it(edge: float) -> None:
    assert itu.conductivity("brick", edge) > 0


@pytest.mark.parametrize("name", ["clear_acrylic", "floorboard", "Floorboard"])
def test_a_frequency_out_of_range_names_the_range(name: str) -> None:
    band = itu.P2040_4[itu.material_class(name)][0]
    with pytest.raises(FrequencyError) as caught:
        itu.conductivity(name, 3.5e9)
    assert f"{band.low:g} to {band.high:g} GHz" in str(caught.value)
    assert "3.5 GHz" in str(caught.value)
    assert not itu.is_tabulated(name, 3.5e9)


@pytest.mark.parametrize("frequency", [0.0, -3.5e9, float("nan"), float("inf"), 1e15])
def test_no_material_has_values_at_an_impossible_frequency(frequency: float) -> None:
    for name in itu.MATERIALS:
        with pytest.raises(FrequencyError):
            itu.conductivity(name, frequency)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("concrete", "concrete"),
        ("Concrete", "concrete"),
        (" BRICK ", "brick"),
        ("itu_wood", "wood"),
        ("itu-wood", "wood"),
        ("mat-marble", "marble"),
        ("mat-itu_Chipboard", "chipboard"),
        ("Glass_low_freq", "glass"),
        ("Ceiling_board_high_freq", "ceiling_board"),
        ("Wet_ground", "wet_ground"),
    ],
)
def test_names_that_are_understood(text: str, name: str) -> None:
    assert itu.material_class(text) == name


@pytest.mark.parametrize("text", ["", "bricks", "concret", "wood ish", "mat-", "itu_", "wood\n\n;"])
def test_other_names_are_refused_and_the_names_listed(text: str) -> None:
    with pytest.raises(MaterialError) as caught:
        itu.material_class(text)
    assert all(name in str(caught.value) for name in itu.MATERIALS)


def test_an_unknown_name_is_not_repeated_at_length() -> None:
    with pytest.raises(MaterialError) as caught:
        itu.material_class("x" * 10_000)
    assert len(str(caught.value)) < 1000
