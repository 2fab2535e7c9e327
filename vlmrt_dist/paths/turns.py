"""Changes of the orientations of a campaign's antennas."""

from __future__ import annotations

from typing import Any, NamedTuple

from vlmrt_dist.arrays import FloatArray


class Turns(NamedTuple):
    """Changes of orientation of the devices: of yaw, pitch and roll each [rad].

    :param tx: [M, 3]
    :param rx: [M, N, 3]
    """

    tx: FloatArray
    rx: FloatArray

    def of_setups(self, setups: Any) -> Turns:
        """Those of some of the setups."""
        return Turns(self.tx[setups], self.rx[setups])
