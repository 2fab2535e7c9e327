"""One advisor asked for both, as in the paper's Algorithm 1: what objects are, where to measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vlmrt_dist.campaign import Campaign
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import MaterialPrior, SceneModel, conductivity_table
from vlmrt_dist.vlm.advisor import MaterialAdvice, Usage
from vlmrt_dist.vlm.registry import ADVISORS, advisor_named

VLM_HELP = (
    f"Who gives VLMInit and VLMSel: {', '.join(ADVISORS)} "
    "[default: nobody; ITU values, D-optimal positions]."
)


class Advice(NamedTuple):
    """:param prior: VLMInit, a material for every object
    :param campaign: VLMSel, M setups of N receivers
    :param materials_usage: what the first cost
    :param positions_usage: what the second cost
    """

    prior: MaterialPrior
    campaign: Campaign
    materials_usage: Usage
    positions_usage: Usage

    @property
    def label(self) -> dict[str, float | str]:
        """Who said what, for the rows that rest on it."""
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
    vlm: str,
    scene: SceneModel,
    num_setups: int,
    num_receivers: int,
    *,
    frequency: float,
    seed: int = 0,
    **options: Any,
) -> Advice:
    """What the advisor named ``vlm`` says of a scene; see its face for the errors.

    :param frequency: carrier [Hz]
    :param options: the advisor's own
    """
    # First of all, because it takes the key out of the environment that other processes get.
    advisor = advisor_named(vlm, **options)
    images = views(scene, vlm)
    table = conductivity_table(frequency)
    materials = advisor.propose_materials(images, scene, table, frequency=frequency)
    positions = advisor.propose_positions(images, scene, num_setups, num_receivers, seed=seed)
    return Advice(materials.prior, positions.campaign, materials.usage, positions.usage)


def propose_materials(
    vlm: str, scene: SceneModel, *, frequency: float, **options: Any
) -> MaterialAdvice:
    """VLMInit: the materials that the advisor named ``vlm`` takes the objects for, as a prior.

    :param frequency: carrier [Hz]
    :param options: the advisor's own
    """
    advisor = advisor_named(vlm, **options)
    table = conductivity_table(frequency)
    return advisor.propose_materials(views(scene, vlm), scene, table, frequency=frequency)


def views(scene: SceneModel, vlm: str) -> Sequence[SceneImage]:
    """Renders for an advisor that looks at images; none for the others."""
    if vlm in ("offline", "recorded"):
        return ()
    from vlmrt_dist.rendering import render_scene

    return render_scene(scene)
