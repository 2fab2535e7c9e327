import numpy as np
import pytest
from scipy.constants import epsilon_0, pi

from vlmrt_dist.scene import itu
from vlmrt_dist.scene.published_spreads import (
    CORRELATION,
    P2040_1,
    PANELS,
    SAMPLES,
    pairs,
    spread_of,
)


def slab_loss(sigma: float, epsilon: float, f_ghz: float, thickness: float) -> float:
    """Loss [dB] of a slab at normal incidence, by Sionna's coefficients."""
    import drjit as dr
    from drjit.llvm.ad import Complex2f64, Float64
    from sionna.rt.utils import itu_coefficients_single_layer_slab

    eta = epsilon - 1j * sigma / (2.0 * pi * f_ghz * 1e9 * epsilon_0)
    found = itu_coefficients_single_layer_slab(
        Float64(1.0), Complex2f64(eta.real, eta.imag), Float64(thickness),
        Float64(0.299792458 / f_ghz),
    )  # fmt: skip
    return -20.0 * float(np.log10(dr.abs(found[2])[0]))


@pytest.mark.parametrize("panel", PANELS, ids=lambda p: f"{p.material}, {p.state}, {p.thickness}")
def test_each_conductivity_explains_the_loss_that_its_source_states(panel: tuple) -> None:
    material, _, _, thickness, points, _ = panel
    for f_ghz, loss, sigma in points:
        epsilon = itu.relative_permittivity(material, f_ghz * 1e9)
        if thickness is None:
            eta = epsilon - 1j * sigma / (2.0 * pi * f_ghz * 1e9 * epsilon_0)
            rate = -20.0 * np.log10(np.e) * 2.0 * pi * f_ghz / 0.299792458 * np.sqrt(eta).imag
            assert rate == pytest.approx(loss, rel=5e-3)
            continue
        lossless = slab_loss(0.0, epsilon, f_ghz, thickness)
        recommended = itu.conductivity(material, f_ghz * 1e9)
        assert slab_loss(recommended, epsilon, f_ghz, thickness) > lossless + 1.0
        assert slab_loss(sigma, epsilon, f_ghz, thickness) == pytest.approx(
            max(loss, lossless + 1.0), rel=5e-3, abs=0.05
        )


def test_a_refractive_index_that_is_quoted_gives_permittivity_and_conductivity() -> None:
    for sample, index in zip(SAMPLES, (2.51 + 0.085j, 1.96 + 0.077j), strict=True):
        eta = index**2
        assert sample.relative_permittivity == pytest.approx(eta.real, rel=1e-3)
        omega = 2.0 * pi * sample.frequency * 1e9
        assert sample.conductivity == pytest.approx(eta.imag * omega * epsilon_0, rel=5e-3)


def test_what_nist_measured_of_concrete_is_within_two_widths() -> None:
    """0.195 S/m at 1 GHz and 0.372 at 5 GHz, which are 2.9 and 1.7 widths of 0.5."""
    for frequency, measured in ((1e9, 0.195), (5e9, 0.372)):
        away = np.log(measured / itu.conductivity("concrete", frequency))
        assert away > 1.6 * 0.5
        assert away < 1.5 * spread_of("concrete", frequency).conductivity


def test_the_width_is_the_root_mean_square_of_the_sources_and_the_pool() -> None:
    """Brick at 3.5 GHz by hand, from two sources, the pool and the row of edition 1."""
    by_source: dict[str, list[float]] = {}
    for panel in PANELS:
        if panel.material == "brick":
            for f_ghz, _, sigma in panel.points:
                away = np.log(sigma / itu.conductivity("brick", f_ghz * 1e9))
                by_source.setdefault(panel.source, []).append(away**2)
    pool = spread_of("a material of its own", 3.5e9).conductivity ** 2
    within = (2.0 * pool + sum(map(np.mean, by_source.values()))) / (2.0 + len(by_source))
    other = np.log(0.038 / itu.conductivity("brick", 3.5e9)) ** 2 / 2.0
    found = spread_of("brick", 3.5e9)
    assert found.conductivity == pytest.approx(np.sqrt(within + other))
    assert set(found.sources) == set(by_source)


def test_rows_that_disagree_widen() -> None:
    alone, both = spread_of("floorboard", 150e9), spread_of("floorboard", 390e9)
    used, other = itu.rows_at("floorboard", 390e9)
    apart = np.log(other.c * 390**other.d / (used.c * 390**used.d))
    assert apart < -2.0
    assert both.conductivity == pytest.approx(np.hypot(alone.conductivity, apart / np.sqrt(2)))
    assert both.relative_permittivity > alone.relative_permittivity


def test_measurements_count_near_their_frequency_only() -> None:
    assert len(spread_of("wood", 5e9).sources) == 3
    assert spread_of("wood", 60e9).sources == ()
    assert spread_of("glass", 60e9).sources == spread_of("glass", 77e9).sources != ()


def test_every_class_has_positive_widths_at_every_carrier() -> None:
    for name in (*itu.MATERIALS, "my_own", ""):
        for frequency in (1e9, 3.5e9, 60e9, 100e9, 140e9, 300e9, 450e9):
            found = spread_of(name, frequency)
            assert 0.5 < found.conductivity < 2.0
            assert 0.1 < found.relative_permittivity < 0.5
    assert spread_of("mat-itu_Concrete", 3.5e9) == spread_of("concrete", 3.5e9)


def test_rows_of_edition_1_are_others_than_those_of_edition_4() -> None:
    for name, old in P2040_1.items():
        assert old[2:] not in [row[2:] for row in itu.P2040_4[name]]


def test_the_correlation_is_that_of_pairs_and_of_classes() -> None:
    ratios = np.array([pair[1:] for pair in pairs()])
    assert len(ratios) == 14
    within = np.corrcoef(ratios.T)[0, 1]
    assert within == pytest.approx(0.70, abs=0.005)
    low, high = np.tanh(np.arctanh(within) + np.array([-1.96, 1.96]) / np.sqrt(14 - 3))
    assert (low, high) == pytest.approx((0.27, 0.90), abs=0.005)
    assert low < CORRELATION < within
    for frequency in (2.4e9, 3.5e9, 5.5e9, 28e9, 60e9):
        names = [
            name
            for name in itu.MATERIALS
            if itu.is_tabulated(name, frequency)
            and name not in ("vacuum", "metal", "plywood")
            and "ground" not in name
        ]
        sigma = [np.log(itu.conductivity(name, frequency)) for name in names]
        epsilon = [np.log(itu.relative_permittivity(name, frequency)) for name in names]
        assert np.corrcoef(sigma, epsilon)[0, 1] == pytest.approx(0.53, abs=0.03)
