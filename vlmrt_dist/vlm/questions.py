"""Questions and replies as values, the same for all providers and recordings."""

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
    :param schema: JSON Schema of the answer; None: the text alone says what it looks like
    :param prompt: name of the prompt's version
    :param subject: the topic, for messages
    :param images: sent with the text
    """

    text: str
    schema: dict[str, Any] | None = field(repr=False)
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
        """A line to precede each image; file names are left out."""
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
        """As in :class:`~vlmrt_dist.vlm.advisor.Usage`: "photograph" if there is at least one."""
        sources = {image.source for image in self.images}
        return "photograph" if "photograph" in sources else "render" if sources else "none"


class Reply(BaseModel):
    """A model's unchecked answer and its cost, as kept in caches and recordings."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    text: str
    model: str
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    image_source: str = "none"
    remarks: tuple[str, ...] = Field(default=(), strict=False)


class Transport(Protocol):
    """Connection to a provider: sends a question, and returns its reply or raises an error."""

    provider: str
    sees_images: bool

    @property
    def attempts(self) -> int:
        """Requests sent so far."""
        ...

    @property
    def spent_usd(self) -> float:
        """Cost so far [US dollars], at the assumed prices."""
        ...

    def fingerprint(self, question: Question) -> str:
        """Question and settings as text, from which the cache's key is computed."""
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
