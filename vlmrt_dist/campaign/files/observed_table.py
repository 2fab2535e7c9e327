"""Rows of a measurement file with values that are no levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlmrt_dist.arrays import BoolArray, FloatArray
from vlmrt_dist.campaign.files.links import Links
from vlmrt_dist.campaign.observables import DelayReference

VALUES = (
    "response_re", "response_im", "magnitude_db", "delay_spread", "mean_delay", "mean_excess_delay",
)  # fmt: skip
"""Fields of measured values beside levels."""


@dataclass(frozen=True, eq=False)
class ObservedTable:
    """Rows with values that are no levels.

    :param links: all rows of the file that are understood [n]
    :param columns: values of each field that the file has [n]
    :param bins: rows that are powers in delay bins [n]
    :param reference: where their delays are counted from
    """

    links: Links
    columns: dict[str, FloatArray]
    bins: BoolArray
    reference: DelayReference

    def has(self, *fields: str) -> BoolArray:
        """[n] rows with a value in any of some fields."""
        found = np.zeros(len(self.links), bool)
        for field in fields:
            if field in self.columns:
                found |= np.isfinite(self.columns[field])
        return found

    @property
    def used(self) -> BoolArray:
        """[n] rows that something is taken from beside a level."""
        return self.bins | self.has(*VALUES)

    @property
    def without_level(self) -> BoolArray:
        """[n] rows that hold no level of a link."""
        return self.bins | (self.has(*VALUES) & ~np.isfinite(self.links.rss_dbm))
