"""A user's photographs as :class:`~vlmrt_dist.rendering.images.SceneImage`, without metadata."""

from __future__ import annotations

import io
import os
import warnings
from typing import Any

import numpy as np

from vlmrt_dist.errors import ImageError
from vlmrt_dist.rendering.images import SceneImage
from vlmrt_dist.store import UnreadableFile, read_limited

MAX_BYTES = 20_000_000
"""Largest file that is opened [bytes]."""

MAX_PIXELS = 80_000_000
"""Largest picture that is decoded; small files can hold pictures larger than the memory."""

MAX_SIDE = 65_500
"""Longest side of a picture that is decoded, JPEG's own limit [pixels]."""

MAX_SCANS = 30
"""Most scans of a progressive JPEG; each goes over the whole picture, and may take few bytes."""

MAX_FILL = 1_000_000
"""Most pairs of fill bytes in a JPEG, which are read one by one."""

LONG_SIDE = 2048
"""Longest side of the result [pixels]."""

MAX_NAME = 100


def read_photograph(path: str | os.PathLike[str]) -> SceneImage:
    """A photograph of the scene, turned upright, scaled down, and encoded anew.

    PNG and JPEG are recognised by their content, not by the name. The result is an RGB PNG of at
    most 2048 pixels a side without metadata: the place, texts and the colour profile are dropped.
    Transparent parts become white. Of a JPEG with several pictures, as some phones write them, the
    first is taken.

    :raises ImageError: if the file cannot be read, is neither PNG nor JPEG, has more than 20 MB,
        80 megapixels, 65,500 pixels a side or 30 scans, is animated, or is damaged
    """
    name = os.path.basename(os.fspath(path))[:MAX_NAME]
    name = name if name.isprintable() else ascii(name)
    label = f"photograph {name!r}"
    try:
        content = read_limited(path, MAX_BYTES)
    except UnreadableFile as error:
        raise ImageError(f"{label} cannot be read: {error}") from None
    pixels = _decoded(content, label)

    from PIL import Image  # late: most importers read no photographs

    encoded = io.BytesIO()
    # From the pixels alone, so that no metadata that Pillow has read is written.
    Image.fromarray(pixels).save(encoded, format="png")
    height, width, _ = pixels.shape
    return SceneImage(encoded.getvalue(), "photograph", name, width, height)


def _decoded(content: bytes, label: str) -> np.ndarray:
    """The pixels [H,W,3], upright, scaled down to ``LONG_SIDE``."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if content.startswith(b"\xff\xd8"):
        _check_jpeg(content, label)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata, which is dropped anyway
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
                if max(picture.size) > MAX_SIDE:
                    raise ImageError(f"{label} has a side of more than {MAX_SIDE} pixels; crop it")
                if picture.width * picture.height > MAX_PIXELS:
                    raise ImageError(
                        f"{label} has {picture.width} × {picture.height} pixels, more than "
                        f"{MAX_PIXELS // 1_000_000} megapixels; scale it down"
                    )
                if picture.format == "PNG" and getattr(picture, "n_frames", 1) > 1:
                    raise ImageError(f"{label} is animated; save one of its pictures")
                picture.load()
                ImageOps.exif_transpose(picture, in_place=True)
                upright = _rgb(picture)
                upright.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
                return np.asarray(upright)
    except UnidentifiedImageError:
        raise ImageError(f"{label} is neither PNG nor JPEG; convert it to one of them") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(
            f"{label} has more than {MAX_PIXELS // 1_000_000} megapixels; scale it down"
        ) from None
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(f"{label} needs more memory than there is; scale it down") from None
    except Exception as error:  # decoders raise nearly everything over damaged files
        reason = str(error)[:200] or type(error).__name__
        raise ImageError(f"{label} is damaged and cannot be decoded: {reason}") from None


def _rgb(picture: Any) -> Any:
    """Any mode of Pillow as RGB, over white."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=picture.getchannel("A"))
        return white
    return picture.convert("RGB")


def _check_jpeg(content: bytes, label: str) -> None:
    """:raises ImageError: if few bytes of it would take long to decode"""
    if content.count(b"\xff\xda") > MAX_SCANS:
        raise ImageError(f"{label} has more than {MAX_SCANS} scans; save it as a baseline JPEG")
    if content.count(b"\xff\xff") > MAX_FILL:
        raise ImageError(f"{label} is damaged: it is full of fill bytes")
