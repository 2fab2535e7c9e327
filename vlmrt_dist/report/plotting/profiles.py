"""Figure of measured and replayed powers in delay bins."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vlmrt_dist.arrays import FloatArray, IntArray
from vlmrt_dist.campaign import Campaign, DelayPower
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.inference import Estimate
from vlmrt_dist.report.plotting.figures import save_figure
from vlmrt_dist.store import Where

COLUMNS, ROWS = 3, 2


def profile_figure(campaign: Campaign, result: Estimate, path: Where) -> Where:
    """Measured against replayed powers in delay bins of six links, from the strongest to the
    weakest, as a .png or .pdf at ``path``.

    :param campaign: the measurement of ``result``
    :raises ConfigurationError: if it has no powers in delay bins
    """
    pairs = zip(campaign.observables, result.observables, strict=True)
    blocks = [(block, fit) for block, fit in pairs if isinstance(block, DelayPower)]
    if not blocks:
        raise ConfigurationError("the measurement has no powers in delay bins to draw profiles of")
    block, fit = blocks[0]
    number = block.setup * campaign.num_receivers + block.receiver
    links = _spread(number, block.power_dbm)
    figure = Figure(figsize=(15.0, 8.0), layout="constrained")
    all_axes = np.atleast_1d(figure.subplots(ROWS, COLUMNS)).ravel()
    for axes, link in zip(all_axes, links.tolist(), strict=False):
        _draw(axes, block, fit.replayed, np.flatnonzero(number == link))
        m, n = divmod(link, campaign.num_receivers)
        title = f"setup {m + 1}, receiver {n + 1}"
        offsets = result.delay_offsets
        if offsets is not None and offsets.of_link[m, n] >= 0:
            title += f", delays offset by {offsets.value[offsets.of_link[m, n]]:.1f} ns"
        axes.set_title(title, fontsize=10)
    for axes in all_axes[len(links) :]:
        axes.set_axis_off()
    all_axes[0].legend(fontsize=8)
    first = "the first path" if block.counted_from == "first_path" else "the transmission"
    figure.supxlabel(f"delay from {first} [ns]")
    figure.supylabel("power in a bin [dBm]")
    return save_figure(figure, path)


def _spread(number: IntArray, power_dbm: FloatArray) -> IntArray:
    """Six links, evenly among all when these are sorted by their strongest bin."""
    links = np.unique(number)
    strongest = np.array([power_dbm[number == link].max() for link in links])
    order = links[np.argsort(-strongest, kind="stable")]
    count = min(COLUMNS * ROWS, len(order))
    return np.asarray(order[np.linspace(0, len(order) - 1, count).round().astype(int)])


def _draw(axes: Any, block: DelayPower, replayed: FloatArray, rows: IntArray) -> None:
    edges = np.append(block.start_ns[rows], block.stop_ns[rows[-1]])
    heard = np.where(block.below[rows], np.nan, block.power_dbm[rows])
    axes.stairs(heard, edges, baseline=None, color="#4a6fa5", lw=1.6, label="measured")
    floor = np.where(block.below[rows], block.power_dbm[rows], np.nan)
    axes.stairs(floor, edges, baseline=None, color="#b0b0b0", lw=1.6, label="at or below the floor")
    middle = 0.5 * (block.start_ns[rows] + block.stop_ns[rows])
    axes.plot(middle, replayed[rows], color="#c0392b", lw=1.2, marker=".", label="replayed")
    known = np.concatenate([heard, replayed[rows]])
    known = known[np.isfinite(known)]
    low = np.nanmin(block.power_dbm[rows]) - 5.0
    if len(known):
        axes.set_ylim(low, known.max() + 5.0)
    last = np.flatnonzero(np.isfinite(heard))
    if len(last):
        axes.set_xlim(edges[0], edges[min(last[-1] + 6, len(edges) - 1)])
    axes.grid(alpha=0.3)
