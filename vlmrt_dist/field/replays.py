"""A :class:`~vlmrt_dist.field.replay.Replay` of all that a radio configuration asks for."""

from __future__ import annotations

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.field.mechanisms import Mechanism, Roughness
from vlmrt_dist.field.replay import Replay
from vlmrt_dist.field.scattering import Scattering
from vlmrt_dist.field.walls import walls_of
from vlmrt_dist.paths import PathTable
from vlmrt_dist.scene import SceneModel


def mechanisms_of(scene: SceneModel, campaign: Campaign, radio: RadioConfig) -> list[Mechanism]:
    """The mechanisms that a radio configuration asks for, built for a campaign's links.

    :param campaign: the setups of one carrier
    :param radio: at that carrier
    """
    found: list[Mechanism] = []
    if radio.diffuse_reflection:
        found.append(Scattering(scene, campaign, radio, walls_of(scene, radio.frequency)))
    return found


def replay_of(
    scene: SceneModel, campaign: Campaign, radio: RadioConfig, table: PathTable
) -> Replay:
    """The replay of a scene's paths, with its walls, rough surfaces and further mechanisms.

    :param campaign: the setups of one carrier
    :param radio: at that carrier
    :param table: the paths of these setups
    """
    rough = None
    if radio.diffuse_reflection:
        rough = Roughness(table, scene.scattering_coefficient)
    return Replay(
        table,
        radio,
        walls_of(scene, radio.frequency),
        mechanisms=mechanisms_of(scene, campaign, radio),
        roughness=rough,
    )
