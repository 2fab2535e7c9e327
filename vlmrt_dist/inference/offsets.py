"""Unknown offsets of levels, and which links share one.

The level of a link is measured with the gain of its devices: cables, antennas, transmit power, the
receiver's calibration. What of it is unknown adds one offset [dB] to all levels that it touches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np

from vlmrt_dist.arrays import IntArray
from vlmrt_dist.campaign import (
    Campaign,
    DelayMoment,
    DelayPower,
    FrequencyResponse,
    Observable,
    same_points,
)
from vlmrt_dist.console import listed
from vlmrt_dist.errors import ConfigurationError

SharedBy = Literal["setup", "device", "receiver", "campaign"]

GainSharing = SharedBy | Mapping[int, str]
"""Links that share an unknown offset: those of one setup; those of one transmitting device, setups
whose transmitters stand at one place, whatever their carriers; those of one receiving device, a
position that several setups have; all of a campaign. So "device" is the transmitters' side and
"receiver" the receivers'. A mapping gives setups, counted from 1, the
name of their device; setups that it leaves out have offsets of their own."""


DelaySharing = Literal["link", "setup", "device", "receiver", "campaign"]
"""Links that share an unknown offset of delays."""


class Offsets(NamedTuple):
    """:param names: of the G offsets
    :param of_link: [M,N] the offset of each link, -1 where no receiver is
    """

    names: tuple[str, ...]
    of_link: IntArray


def check_sharing(shared: GainSharing) -> None:
    """:raises ConfigurationError: if it is no way of sharing"""
    words = get_args(SharedBy)
    if isinstance(shared, Mapping):
        for setup, name in shared.items():
            if isinstance(setup, bool) or not isinstance(setup, int) or setup < 1:
                raise ConfigurationError(
                    f"gain_shared names setups by their number, counted from 1; got {setup!r}"
                )
            if not isinstance(name, str) or not name.strip():
                raise ConfigurationError(f"gain_shared gives setup {setup} no name of a device")
    elif shared not in words:
        raise ConfigurationError(
            f"gain_shared must be one of {', '.join(words)}, or a mapping from a setup's number to "
            f"the name of its device; got {shared!r}"
        )


def offsets_of(campaign: Campaign, shared: GainSharing) -> Offsets:
    """The offsets of a campaign.

    :raises ConfigurationError: if no two setups have a receiver at one position, though receivers
        are to share their offset, or a setup that is named does not exist
    """
    shape = campaign.present.shape
    setups = np.broadcast_to(np.arange(shape[0])[:, None], shape)
    if shared == "receiver":
        return _of_receivers(campaign)
    if shared == "setup":
        names = [f"setup {m + 1}" for m in range(shape[0])]
        group = np.arange(shape[0])
    elif shared == "device":
        group = same_points(campaign.tx)
        names = [f"transmitter of {setup_list(group == g)}" for g in range(group.max() + 1)]
    elif shared == "campaign":
        names, group = ["the campaign"], np.zeros(shape[0], np.int64)
    else:
        names, group = _of_mapping(shape[0], shared)
    return Offsets(tuple(names), np.where(campaign.present, group[setups], -1))


def delay_offsets_of(campaign: Campaign, shared: DelaySharing) -> Offsets:
    """The offsets of a campaign's delays, of the links that have any.

    :raises ConfigurationError: as :func:`offsets_of`
    """
    there = np.zeros(campaign.present.shape, bool)
    for block in campaign.observables:
        if has_delays(block):
            there[block.setup, block.receiver] = True
    if shared == "link":
        names = tuple(f"setup {m + 1}, receiver {n + 1}" for m, n in np.argwhere(there).tolist())
        of_link = np.full(there.shape, -1)
        of_link[there] = np.arange(len(names))
        return Offsets(names, of_link)
    names, every = offsets_of(campaign, shared)
    which, number = np.unique(every[there], return_inverse=True)
    of_link = np.full(there.shape, -1)
    of_link[there] = number.reshape(-1)
    return Offsets(tuple(names[g] for g in which.tolist()), of_link)


def has_delays(block: Observable) -> bool:
    """Whether an offset of delays changes the values of a block."""
    if isinstance(block, FrequencyResponse):
        return block.phase == "known" or block.timing == "known"
    return isinstance(block, DelayPower) or (
        isinstance(block, DelayMoment) and block.moment == "mean"
    )


def _of_mapping(count: int, shared: Mapping[int, str]) -> tuple[list[str], IntArray]:
    strange = sorted(set(shared) - set(range(1, count + 1)))
    if strange:
        raise ConfigurationError(
            f"gain_shared names setup {strange[0]}, but the campaign has {count}"
        )
    keys = [(m in shared, shared.get(m, f"setup {m}")) for m in range(1, count + 1)]
    numbers = {key: g for g, key in enumerate(dict.fromkeys(keys))}
    group = np.array([numbers[key] for key in keys])
    names = [
        f"{name} ({setup_list(group == g)})" if given else name
        for (given, name), g in numbers.items()
    ]
    return names, group


def _of_receivers(campaign: Campaign) -> Offsets:
    there = campaign.present
    places = campaign.rx[there]
    group = same_points(places)
    if len(np.unique(group)) == len(group):
        raise ConfigurationError(
            "receivers cannot have offsets of their own here: none stands at one position in "
            "several setups, so each offset would explain its one level; share them by device or "
            "campaign"
        )
    first = np.unique(group, return_index=True)[1]
    names = tuple("receiver at " + ", ".join(f"{v:g}" for v in places[i]) + " m" for i in first)
    of_link = np.full(there.shape, -1)
    of_link[there] = group
    return Offsets(names, of_link)


def setup_list(which: np.ndarray) -> str:
    """The setups that are True, counted from 1, as words."""
    numbers = [str(m + 1) for m in np.flatnonzero(which)]
    return f"setup{'s' if len(numbers) > 1 else ''} {listed(numbers)}"
