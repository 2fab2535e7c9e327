"""Images of a scene as values, for vision-language models: the paper's IMG(Σ)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

ImageSource = Literal["render", "photograph"]


@dataclass(frozen=True)
class SceneImage:
    """One image of a scene.

    :param png: the picture, encoded as PNG without metadata
    :param source: "render" (from the scene's geometry, with a texture for each material class) or
        "photograph" (a user's own)
    :param view: "overhead", "perspective", or a photograph's file name
    :param width: [pixels]
    :param height: [pixels]
    """

    png: bytes
    source: ImageSource
    view: str
    width: int
    height: int

    @property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) of the picture."""
        return hashlib.sha256(self.png).hexdigest()
