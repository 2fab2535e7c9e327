import functools
import itertools

import numpy as np
import pytest

from vlmrt_dist.rendering.textures import LONG_SIDE, LOOKS, OTHER, look_name, texture
from vlmrt_dist.scene import itu

FREQUENCIES = 24
"""Bands of the spectra that are compared."""


@functools.cache
def mean_color(name: str) -> np.ndarray:
    return np.asarray(texture(name).pixels.reshape(-1, 3).mean(axis=0))


@functools.cache
def pattern(name: str) -> np.ndarray:
    """Contrast in each band of wavelengths [m], along u and along v: [2, bands]."""
    look = texture(name)
    grey = look.pixels.mean(axis=2)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2 / grey.size**2
    height, width = grey.shape
    v = np.abs(np.fft.fftfreq(height, look.size[1] / height))[:, None]
    u = np.abs(np.fft.fftfreq(width, look.size[0] / width))[None, :]
    edges = np.geomspace(0.4, 300.0, FREQUENCIES + 1)
    band = np.digitize(np.hypot(u, v), edges)
    sums = [
        np.bincount(band.ravel(), (power * part).ravel(), FREQUENCIES + 2)
        for part in (u > v, u <= v)
    ]
    return np.sqrt(np.array(sums))


def test_every_material_class_has_a_look_and_no_other_name_has_one() -> None:
    assert set(LOOKS) == {*itu.MATERIALS, OTHER}
    for name in itu.MATERIALS:
        assert look_name(name) == name
    assert look_name("Wandfarbe 7") == OTHER


@pytest.mark.parametrize("name", LOOKS)
def test_no_texture_is_a_flat_colour(name: str) -> None:
    pixels = texture(name).pixels
    assert pixels.dtype == np.uint8
    assert max(pixels.shape[:2]) == LONG_SIDE
    packed = pixels.astype(np.int64) @ [1 << 16, 1 << 8, 1]  # one number for each colour
    assert len(np.unique(packed)) > 10
    if name != OTHER:
        assert pixels.astype(float).std(axis=(0, 1)).max() > 5.0


@pytest.mark.parametrize("name", LOOKS)
def test_textures_tile_without_a_seam(name: str) -> None:
    """Pixels on both sides of a seam differ no more than neighbours inside a tile."""
    pixels = texture(name).pixels.astype(float)
    for axis in (0, 1):
        steps = np.abs(np.diff(pixels, axis=axis, append=pixels.take([0], axis=axis))).mean(axis=2)
        along = steps.mean(axis=1 - axis)
        # The most abrupt line inside may be a joint; a seam must not be worse.
        assert along[-1] <= along[:-1].max() * 1.05 + 0.5


def test_any_two_materials_differ_in_colour_or_in_pattern() -> None:
    """By 15 of 255 in the mean colour, or by 12 in the contrast over the bands of wavelengths."""
    for first, second in itertools.combinations(LOOKS, 2):
        color = np.abs(mean_color(first) - mean_color(second)).max()
        contrast = np.linalg.norm(pattern(first) - pattern(second))
        assert color > 15.0 or contrast > 12.0, (first, second)


def test_the_same_seed_gives_the_same_pixels_and_another_one_others() -> None:
    first = texture("marble").pixels.copy()
    texture.cache_clear()
    assert np.array_equal(texture("marble").pixels, first)
    assert not np.array_equal(texture("marble", 1).pixels, first)


def test_a_brick_has_a_brick_s_size() -> None:
    """Courses of 75 mm: the strongest wavelength up the wall."""
    look = texture("brick")
    rows = look.pixels.mean(axis=(1, 2))
    power = np.abs(np.fft.rfft(rows - rows.mean()))
    assert look.size[1] / np.argmax(power) == pytest.approx(0.075, rel=0.01)
