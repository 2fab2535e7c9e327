"""What is asked and what comes back, as values: the same for all providers and recordings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from vlmrt_dist.rendering import SceneImage


@dataclass(frozen=True)
class Question:
    """One request to a model.

    :param text: the whole prompt
    :param schema: JSON Schema of the answer
    :param prompt: name of the prompt's version
    :param subject: what it is about, for messages
    :param images: what is looked at
    """

    text: str
    schema: dict[str, Any] = field(repr=False)
    prompt: str
    subject: str
    images: tuple[SceneImage, ...] = ()

    @property
    def key(self) -> str:
        """Content hash (SHA-256, hexadecimal) of the text; images are not part of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def image_keys(self) -> tuple[str, ...]:
        """Content hashes of the images."""
        return tuple(image.key for image in self.images)

    @property
    def captions(self) -> tuple[str, ...]:
        """A line for each image, to be put before it; file names are not told."""
        shown = {
            "overhead": "seen from above, x to the right and y upwards",
            "perspective": "in perspective, what would hide the inside is cut away",
        }
        return tuple(
            f"Picture {number}: "
            + (
                "a photograph of the scene"
                if image.source == "photograph"
                else f"the scene {shown.get(image.view, 'from another view')} (rendered)"
            )
            for number, image in enumerate(self.images, 1)
        )

    @property
    def image_source(self) -> str:
        """As in :class:`~vlmrt_dist.vlm.advisor.Usage`; photographs count more than renders."""
        sources = {image.source for image in self.images}
        return "photograph" if "photograph" in sources else "render" if sources else "none"


class Reply(BaseModel):
    """What a model answered, unchecked, with what it cost; goes into caches and recordings."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    text: str
    model: str
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    image_source: str = "none"
    remarks: tuple[str, ...] = Field(default=(), strict=False)


class Transport(Protocol):
    """A provider: sends one question and brings its reply, or says why there is none."""

    provider: str
    attempts: int  # requests sent so far

    def fingerprint(self, question: Question) -> str:
        """Everything that decides the reply, as text; the cache's key comes from it."""
        ...

    def ask(self, question: Question) -> Reply:
        """The reply to ``question``.

        :raises VlmError: if there is none
        """
        ...


def fingerprint(question: Question, **settings: Any) -> str:
    """A question and a provider's settings as text."""
    return json.dumps(
        {
            **settings,
            "prompt": question.prompt,
            "text": question.text,
            "schema": question.schema,
            "images": list(zip(question.captions, question.image_keys, strict=True)),
        },
        sort_keys=True,
    )
