"""Interface of advisors, and their answers.

An advisor proposes materials (the paper's V_init, equation (15)) and measurement positions (V_pos,
equation (16)): a vision-language model, the offline rules, or a recording.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from vlmrt_dist.campaign import Campaign, Region
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import MaterialPrior, SceneModel


@dataclass(frozen=True)
class Usage:
    """Cost and origin of an answer; part of every row that rests on it.

    :param provider: the advisor's name: "gemini", "openai_compatible", "offline" or "recorded"
    :param model: the model's name as the provider calls it; "" where there is none
    :param prompt: name of the prompt's version; "" where there is none
    :param image_source: "render", "photograph", or "none" if no image was looked at
    :param attempts: requests sent, repairs and retries included (0: none, or answered from a cache)
    :param input_tokens: tokens sent
    :param output_tokens: tokens received
    :param seconds: wall time [s]
    :param cached: whether the answer came from the cache
    :param remarks: repairs and named fallbacks, one sentence each; empty if all went well
    """

    provider: str
    model: str = ""
    prompt: str = ""
    image_source: str = "none"
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    cached: bool = False
    remarks: tuple[str, ...] = ()


class MaterialAdvice(NamedTuple):
    """:param prior: a material for every object
    :param usage: its cost and origin
    """

    prior: MaterialPrior
    usage: Usage


class PositionAdvice(NamedTuple):
    """:param campaign: M setups of N receivers, all of them valid in the scene
    :param reasons: a sentence for each position, M × (1 + N) in setup order, the transmitter first;
        empty strings where none was given
    :param usage: its cost and origin
    """

    campaign: Campaign
    reasons: tuple[str, ...]
    usage: Usage


class Advisor(Protocol):
    """Proposes materials and positions; its proposals have passed every check."""

    name: str
    sees_images: bool

    @property
    def spent_usd(self) -> float:
        """Cost so far [US dollars], at the assumed prices."""
        ...

    def propose_materials(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        table: Mapping[str, tuple[float, float]],
        *,
        frequency: float,
    ) -> MaterialAdvice:
        """A material class for each of the K objects.

        :param images: of the scene; ignored by an advisor that sees no images
        :param table: material class -> (c, d) of conductivity = c · f^d, f in GHz; the closed list
            of names that an answer may use, all valid at the carrier
        :param frequency: carrier [Hz]
        """
        ...

    def propose_positions(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int = 0,
        region: Region | None = None,
    ) -> PositionAdvice:
        """Positions of M setups of N receivers.

        :param region: where antennas may stand; None: the default region
        :param seed: of an offline strategy's or fallback's random choices
        """
        ...
