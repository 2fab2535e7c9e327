"""Materials and positions from one advisor, as in the paper's Algorithm 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vlmrt_dist.campaign import Campaign, Region
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import MaterialPrior, SceneLike, SceneModel, as_scene, conductivity_table
from vlmrt_dist.vlm.advisor import Advisor, MaterialAdvice, PositionAdvice, Usage
from vlmrt_dist.vlm.options import AdvisorOptions
from vlmrt_dist.vlm.registry import advisor_named


class Advice(NamedTuple):
    """:param prior: VLMInit, a material for every object
    :param campaign: VLMSel, M setups of N receivers
    :param materials_usage: cost and origin of the materials
    :param positions_usage: cost and origin of the positions
    """

    prior: MaterialPrior
    campaign: Campaign
    materials_usage: Usage
    positions_usage: Usage

    @property
    def label(self) -> dict[str, float | str]:
        """Advisor, prompt, images and answers, for the rows that rest on the advice."""
        usage = self.materials_usage
        said = zip(self.prior.names, self.prior.materials, self.prior.confidence, strict=True)
        return {
            "vlm": f"{usage.provider} {usage.model}".strip(),
            "prompt": usage.prompt,
            "images": usage.image_source,
            "said": ", ".join(f"{name}: {material} {trust:.2f}" for name, material, trust in said),
            "remarks": " ".join(usage.remarks + self.positions_usage.remarks),
        }

    def __str__(self) -> str:
        label = self.label
        seen = "no image" if label["images"] == "none" else f"a {label['images']}"
        text = f"VLMInit and VLMSel by {label['vlm']}, which looked at {seen}: {label['said']}"
        return f"{text}. {label['remarks']}".strip()


def ask(
    advisor: Advisor | AdvisorOptions | str,
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    frequency: float,
    region: Region | None = None,
    seed: int = 0,
) -> Advice:
    """VLMInit and VLMSel by one advisor.

    :param region: where antennas may stand
    :param advisor: see :func:`~vlmrt_dist.vlm.registry.advisor_named`
    :param frequency: carrier [Hz]
    :param seed: of an offline strategy's or fallback's random choices
    :raises VlmrtError: as :func:`propose_materials` and :func:`propose_positions`
    """
    opened = advisor_named(advisor)  # first: it takes the key out of the environment
    images = views(scene, opened)
    materials = propose_materials(opened, scene, frequency=frequency, images=images)
    positions = propose_positions(
        opened, scene, num_setups, num_receivers, region=region, images=images, seed=seed
    )
    return Advice(materials.prior, positions.campaign, materials.usage, positions.usage)


def propose_materials(
    advisor: Advisor | AdvisorOptions | str,
    scene: SceneLike,
    *,
    frequency: float,
    images: Sequence[SceneImage] | None = None,
) -> MaterialAdvice:
    """VLMInit: the materials that an advisor takes the objects for, as a prior.

    :param advisor: see :func:`~vlmrt_dist.vlm.registry.advisor_named`
    :param scene: a scene model, the path of a scene file, or a live ``sionna.rt.Scene``
    :param frequency: carrier [Hz]
    :param images: of the scene; None: see :func:`views`
    :raises ConfigurationError: if there is no such advisor
    :raises VlmError: if a model cannot be asked
    """
    opened, scene = advisor_named(advisor), as_scene(scene)
    shown = views(scene, opened) if images is None else images
    table = conductivity_table(frequency)
    return opened.propose_materials(shown, scene, table, frequency=frequency)


def propose_positions(
    advisor: Advisor | AdvisorOptions | str,
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    region: Region | None = None,
    images: Sequence[SceneImage] | None = None,
    seed: int = 0,
) -> PositionAdvice:
    """VLMSel: M setups of N receivers that an advisor proposes.

    :param advisor: see :func:`~vlmrt_dist.vlm.registry.advisor_named`
    :param region: where antennas may stand; None: the default region
    :param images: of the scene; None: see :func:`views`
    :param seed: of the offline rules, and of replacements for a model's invalid positions
    :raises CampaignError: if a number is not positive, or the scene has no free space
    :raises ConfigurationError: if there is no such advisor
    :raises VlmError: if a model cannot be asked
    """
    opened = advisor_named(advisor)
    shown = views(scene, opened) if images is None else images
    return opened.propose_positions(
        shown, scene, num_setups, num_receivers, seed=seed, region=region
    )


def views(scene: SceneModel, advisor: Advisor) -> Sequence[SceneImage]:
    """Renders of the scene for an advisor that sees images; none for the others."""
    if not advisor.sees_images:
        return ()
    from vlmrt_dist.rendering import render_scene

    return render_scene(scene)
