"""An advisor of one's own: a caretaker who knows the walls and proposes positions at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import vlmrt_dist as vd
from vlmrt_dist.campaign import Campaign
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel, prior_from_classes
from vlmrt_dist.vlm import MaterialAdvice, PositionAdvice, Usage


class Caretaker:
    """Names materials by what a list says; an :class:`vlmrt_dist.vlm.Advisor`.

    :param known: object -> material class of ITU-R P.2040 and the confidence in it
    """

    name = "caretaker"
    sees_images = False
    spent_usd = 0.0

    def __init__(self, known: Mapping[str, tuple[str, float]]) -> None:
        self.known = known

    def propose_materials(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        table: Mapping[str, tuple[float, float]],
        *,
        frequency: float,
    ) -> MaterialAdvice:
        """What the list says, else what the scene states with little confidence."""
        said = [
            self.known.get(name, (material, 0.5))
            for name, material in zip(scene.names, scene.materials, strict=True)
        ]
        prior = prior_from_classes(
            scene.names,
            [material for material, _ in said],
            [confidence for _, confidence in said],
            ["caretaker" if name in self.known else "scene" for name in scene.names],
            table,
            frequency=frequency,
        )
        return MaterialAdvice(prior, Usage(self.name))

    def propose_positions(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int = 0,
        region: vd.Region | None = None,
    ) -> PositionAdvice:
        """Positions at random, with no reasons."""
        strategy = vd.Random(region or vd.Region())
        campaign: Campaign = strategy.place(scene, num_setups, num_receivers, seed=seed)
        return PositionAdvice(
            campaign, ("",) * (num_setups * (1 + num_receivers)), Usage(self.name)
        )


def main() -> None:
    """Estimate with the advisor's prior."""
    room = vd.box_room()
    advice = vd.propose_materials(
        Caretaker({"wall_west": ("plasterboard", 0.9), "floor": ("brick", 0.99)}),
        room,
        frequency=3.5e9,
    )
    positions = vd.place("d_optimal", room, num_setups=3, num_receivers=8, seed=0)
    measured = vd.simulate(room, positions, noise_db=0.2, seed=1)
    print(vd.estimate(room, measured, prior=advice.prior))


if __name__ == "__main__":
    main()
