import numpy as np
import pytest

from vlmrt_dist.engine.llvm import CUDA_VARIANT, LLVM_VARIANT
from vlmrt_dist.rendering.render_process import WINDOW_ELEVATION, developed, rgb_variant, sky


def test_the_variant_is_that_of_the_same_device() -> None:
    assert [rgb_variant(v) for v in (CUDA_VARIANT, LLVM_VARIANT)] == ["cuda_ad_rgb", "llvm_ad_rgb"]


@pytest.mark.parametrize("azimuth", [0.0, 130.0, -90.0])
def test_the_window_stands_where_it_is_asked_to(azimuth: float) -> None:
    light = sky(azimuth).sum(axis=2)
    row, column = np.unravel_index(light.argmax(), light.shape)
    height, width = light.shape
    assert width == 2 * height
    assert 90.0 - 180.0 * (row + 0.5) / height == pytest.approx(WINDOW_ELEVATION, abs=1.0)
    # Column 0 looks along y, a quarter of the way round along x.
    turned = 90.0 - 360.0 * (column + 0.5) / width
    assert (turned - azimuth + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1.0)


def test_light_comes_from_everywhere_and_is_nearly_white() -> None:
    light = sky(0.0)
    assert light.min() > 0.3
    mean = light.mean(axis=(0, 1))
    assert np.ptp(mean) < 0.06 * mean.mean()


def test_development_keeps_order_and_never_burns_out() -> None:
    ramp = np.linspace(0.0, 20.0, 5000)
    shown = developed(np.repeat(ramp[None, :, None], 3, axis=2))[0, :, 0].astype(int)
    assert shown[0] == 0
    assert (np.diff(shown) >= 0).all()
    assert shown[-1] <= 255
    assert shown[np.searchsorted(ramp, 1.0)] < 245
    # 18 % grey in sRGB, by the standard's formula
    assert developed(np.full((1, 1, 3), 0.18))[0, 0, 0] == 118
    assert (developed(np.full((1, 1, 3), np.nan)) == 0).all()
