import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from vlmrt_dist.errors import ImageError
from vlmrt_dist.rendering import photographs
from vlmrt_dist.rendering.photographs import LONG_SIDE, read_photograph

RED, BLUE = (200, 30, 30), (30, 30, 200)


def picture(width: int = 60, height: int = 40) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def saved(image: Image.Image, path: Path, **more: Any) -> Path:
    image.save(path, **more)
    return path


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image).astype(int)


def chunks(png: bytes) -> set[bytes]:
    found, at = set(), 8
    while at < len(png):
        size = struct.unpack(">I", png[at : at + 4])[0]
        found.add(png[at + 4 : at + 8])
        at += size + 12
    return found


def near(color: np.ndarray, expected: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(color - np.array(expected)).max() <= tolerance)


def test_a_png_keeps_its_pixels(tmp_path: Path) -> None:
    image = read_photograph(saved(picture(), tmp_path / "room.png"))
    assert (image.source, image.view, image.width, image.height) == (
        "photograph", "room.png", 60, 40,
    )  # fmt: skip
    assert np.array_equal(pixels(image.png), np.asarray(picture()))


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    image = read_photograph(saved(picture(), tmp_path / "room.png", format="jpeg", quality=95))
    assert near(pixels(image.png)[20, 5], RED)
    text = tmp_path / "text.jpg"
    text.write_text("no picture at all")
    with pytest.raises(ImageError, match="neither PNG nor JPEG"):
        read_photograph(text)


def test_no_metadata_is_left(tmp_path: Path) -> None:
    secret = b"HIDDEN-PLACE-52.5200N"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()  # ImageDescription
    exif.get_ifd(0x8825)[29] = secret.decode()  # GPSDateStamp
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", secret.decode())
    text.add_itxt("Comment", secret.decode())
    files = [
        saved(picture(), tmp_path / "a.jpg", exif=exif, comment=secret, icc_profile=secret),
        saved(picture(), tmp_path / "a.png", exif=exif, pnginfo=text, icc_profile=secret),
    ]
    for file in files:
        assert secret in file.read_bytes()
        image = read_photograph(file)
        assert secret not in image.png
        assert chunks(image.png) == {b"IHDR", b"IDAT", b"IEND"}


def test_the_camera_s_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the picture has to be turned clockwise
    image = read_photograph(saved(picture(), tmp_path / "a.jpg", exif=exif, quality=95))
    assert (image.width, image.height) == (40, 60)
    assert near(pixels(image.png)[5, 20], RED)
    assert near(pixels(image.png)[55, 20], BLUE)


def test_large_pictures_are_scaled_down(tmp_path: Path) -> None:
    image = read_photograph(saved(picture(4000, 1000), tmp_path / "a.png"))
    assert (image.width, image.height) == (LONG_SIDE, 512)
    assert pixels(image.png).shape == (512, LONG_SIDE, 3)


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "P", "YCbCr"])
def test_other_colour_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    suffix = ".jpg" if mode in ("CMYK", "YCbCr") else ".png"
    image = read_photograph(saved(picture().convert(mode), tmp_path / f"a{suffix}"))
    expected = np.asarray(picture().convert(mode).convert("RGB")).astype(int)
    assert np.abs(pixels(image.png) - expected)[:, [5, 55]].max() <= 12


def test_sixteen_bits_of_grey_keep_their_brightness(tmp_path: Path) -> None:
    grey = np.full((4, 4), 0x8000, np.uint16)
    image = read_photograph(saved(Image.fromarray(grey), tmp_path / "a.png"))
    assert near(pixels(image.png)[0, 0], (128, 128, 128), 1)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    image = read_photograph(saved(clear, tmp_path / "a.png"))
    assert (pixels(image.png) == 255).all()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), np.uint8))
    for name in ("a.png", "a.jpg"):
        file = saved(noise, tmp_path / name)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(ImageError, match="damaged"):
            read_photograph(file)


def test_an_animation_is_refused(tmp_path: Path) -> None:
    file = saved(picture(), tmp_path / "a.png", save_all=True, append_images=[picture().rotate(9)])
    with pytest.raises(ImageError, match="animated"):
        read_photograph(file)


def test_of_a_phone_s_jpeg_with_several_pictures_the_first_is_taken(tmp_path: Path) -> None:
    other = Image.new("RGB", (60, 40), "green")
    file = saved(picture(), tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[other])
    assert near(pixels(read_photograph(file).png)[20, 5], RED)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>"),
        ("a.gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"),
        ("a.bmp", b"BM" + bytes(60)),
        ("empty.png", b""),
    ],
)
def test_other_formats_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match="neither PNG nor JPEG"):
        read_photograph(tmp_path / name)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    for side in (9_000, 10_000, 60_000):  # below Pillow's warning, above it, above its error
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = tmp_path / "bomb.png"
        bomb.write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
        )  # fmt: skip
        with pytest.raises(ImageError, match="megapixels"):
            read_photograph(bomb)


def test_a_file_over_the_limit_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "MAX_BYTES", 50)
    with pytest.raises(ImageError, match="limit of 50 bytes"):
        read_photograph(saved(picture(), tmp_path / "a.png"))


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "missing.png", tmp_path, tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(ImageError, match="cannot be read"):
            read_photograph(path)


def test_control_characters_of_a_name_do_not_reach_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        read_photograph(tmp_path / "\x1b[31mred.png")
    assert "\x1b" not in str(caught.value)
