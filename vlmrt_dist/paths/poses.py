"""Changes of the orientations and positions of a campaign's antennas."""

from __future__ import annotations

from typing import Any, NamedTuple

from vlmrt_dist.arrays import FloatArray

POSE = (
    "tx_yaw", "tx_pitch", "tx_roll", "rx_yaw", "rx_pitch", "rx_roll",
    "tx_x", "tx_y", "tx_z", "rx_x", "rx_y", "rx_z",
)  # fmt: skip
"""Angles of the orientations [rad], then coordinates of the positions [m], of both ends."""


class Poses(NamedTuple):
    """Changes of the devices: of yaw, pitch and roll [rad], and of the position [m].

    :param tx_turn: [M, 3]
    :param rx_turn: [M, N, 3]
    :param tx_move: [M, 3]; None: no device moves
    :param rx_move: [M, N, 3]; None likewise
    """

    tx_turn: FloatArray
    rx_turn: FloatArray
    tx_move: FloatArray | None = None
    rx_move: FloatArray | None = None

    @property
    def moving(self) -> bool:
        """Whether positions change, so that paths do."""
        return self.tx_move is not None

    def of_setups(self, setups: Any) -> Poses:
        """Those of some of the setups."""
        moves = (None if each is None else each[setups] for each in self[2:])
        return Poses(self.tx_turn[setups], self.rx_turn[setups], *moves)
