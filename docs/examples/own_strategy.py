"""A placement strategy of one's own: receivers along a straight walk past the transmitter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import vlmrt_dist as vd
from vlmrt_dist.campaign import AntennaSpace
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.progress import Progress
from vlmrt_dist.scene import SceneModel


@dataclass(frozen=True)
class Walk:
    """Receivers at equal steps in one direction; a :class:`vlmrt_dist.placement.Strategy`.

    :param step: between receivers [m]
    :param tries: walks to try for each setup before giving up
    """

    step: float = 0.5
    tries: int = 1000

    def place(
        self,
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> vd.Campaign:
        """M walks of N receivers that meet no object.

        :raises CampaignError: if the scene has no room for such a walk
        """
        rng = np.random.default_rng(seed)
        space = AntennaSpace(scene, vd.Region())
        tx = space.draw(num_setups, rng, transmitter=True)
        return vd.Campaign(tx=tx, rx=np.stack([self._walk(space, num_receivers, rng) for _ in tx]))

    def _walk(self, space: AntennaSpace, number: int, rng: np.random.Generator) -> np.ndarray:
        for _ in range(self.tries):
            [start] = space.draw(1, rng)
            angle = rng.uniform(0.0, 2.0 * np.pi)
            along = self.step * np.array([np.cos(angle), np.sin(angle), 0.0])
            points = np.round(start + np.arange(number)[:, None] * along, 2)
            if not space.reasons(points).any():
                return points
        raise CampaignError(f"no walk of {number} steps of {self.step} m fits into the scene")


def main() -> None:
    """What the walk would determine, beside D-optimal positions."""
    room = vd.box_room()
    for strategy in (Walk(), vd.DOptimal()):
        campaign = vd.place(strategy, room, num_setups=3, num_receivers=8, seed=0)
        width = vd.predicted_std(room, campaign, noise_db=0.5)
        print(
            type(strategy).__name__,
            "leaves a mean width of ln σ of",
            np.mean(width.posterior).round(3),
        )


if __name__ == "__main__":
    main()
