"""``vlmrt convert``: a measurement file as it came to the columns of a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from vlmrt_dist.campaign import (
    Average,
    Campaign,
    DelayBins,
    Reading,
    ReadingOptions,
    read_measurements,
    write_campaign,
)
from vlmrt_dist.cli.options import NamedScene, check_target
from vlmrt_dist.command_line import Options, described, naming_options, option_group
from vlmrt_dist.console import counted, print_result, show
from vlmrt_dist.errors import ConfigurationError

SHOWN_LINKS = 8
"""Links that are printed."""

Text = Annotated[str, Parameter(allow_leading_hyphen=True)]


@option_group("Columns and levels")
@dataclass(frozen=True)
class ColumnFlags(Options):
    """Meaning of columns and levels.

    :param columns: what a heading stands for, as in rss_dbm=RSRP, rss_mw=P, path_loss_db=L,
        frequency_ghz=f, rx_x_cm=X, transmitter=PCI; may be repeated
    :param unheard: a level that stands for "not heard", besides -, NaN, 100, -999; may be repeated
        [dBm]
    :param noise_floor_dbm: the receiver's floor [dBm]: what was not heard is censored there;
        default: it is left out
    :param saturation_dbm: level [dBm] from which on the receiver saturates or compresses: the true
        level is the reported one or more; default: it does not
    :param tx_power_dbm: transmit power [dBm] that turns path loss or gain into levels
    :param average: repeats of a link are averaged in decibels (db), or as power
    :param delay_bins: keep powers in delay bins, or sum them up to one level a link
    :param delay_bin_ns: merge neighbouring delay bins to about this width [ns]
    :param delay_range_db: delay bins further below the strongest of their link count as below a
        floor there [dB]
    :param bandwidth_hz: bandwidth that delay bins were measured with [Hz]; default: a column
        bandwidth_hz, else one over their width
    :param resource_elements: RSSI is the power of so many resource elements, 12 times the resource
        blocks, all of them loaded: levels become those of one (RSRP)
    """

    columns: Annotated[tuple[str, ...], Parameter(name="--column", metavar="FIELD=HEADING")] = ()
    unheard: Annotated[tuple[float, ...], Parameter(allow_leading_hyphen=True)] = ()
    noise_floor_dbm: Annotated[float | None, Parameter(allow_leading_hyphen=True)] = None
    saturation_dbm: Annotated[float | None, Parameter(allow_leading_hyphen=True)] = None
    tx_power_dbm: Annotated[float, Parameter(allow_leading_hyphen=True)] = 44.0
    average: Average = "db"
    delay_bins: DelayBins = "keep"
    delay_bin_ns: float | None = None
    delay_range_db: float | None = None
    bandwidth_hz: float | None = None
    resource_elements: int | None = None


@option_group("Transmitters and coordinates")
@dataclass(frozen=True)
class PlaceFlags(Options):
    """Where transmitters stand, and how coordinates become the scene's.

    :param transmitters: table of the transmitters: name or cell, and a position
    :param points: table of the receivers, name and position, for a file that only names them
    :param tx: a transmitter, X,Y,Z or NAME=X,Y,Z [m] (LATITUDE,LONGITUDE,HEIGHT where the file has
        latitudes); may be repeated
    :param tx_height: z of every transmitter [m], instead of the file's
    :param rx_height: z of every receiver [m], instead of the file's
    :param origin: latitude and longitude [°] of the scene's x = y = 0, and optionally the altitude
        [m] of its z = 0
    :param projection: how the scene was drawn: true distances about the origin (local), its UTM
        zone (utm), the sphere of OpenStreetMap importers such as Blosm (osm), or EPSG:n
    :param crs: reference system of eastings and northings, or of x and y: EPSG:n or utm:32N
    :param rotation: bearing of the scene's y axis [°], clockwise from north
    """

    transmitters: Annotated[Path | None, Parameter(metavar="FILE")] = None
    points: Annotated[Path | None, Parameter(metavar="FILE")] = None
    tx: Annotated[tuple[str, ...], Parameter(allow_leading_hyphen=True, metavar="POSITION")] = ()
    tx_height: Annotated[float | None, Parameter(allow_leading_hyphen=True)] = None
    rx_height: Annotated[float | None, Parameter(allow_leading_hyphen=True)] = None
    origin: Annotated[
        str | None, Parameter(allow_leading_hyphen=True, metavar="LAT,LON[,ALTITUDE]")
    ] = None
    projection: str = "local"
    crs: str | None = None
    rotation: Annotated[float, Parameter(allow_leading_hyphen=True)] = 0.0

    def coordinates(self) -> tuple[float, ...] | None:
        """The numbers of the origin.

        :raises ConfigurationError: if they are none
        """
        if self.origin is None:
            return None
        try:
            return tuple(float(part) for part in self.origin.split(","))
        except ValueError:
            raise ConfigurationError(
                f"--origin takes LATITUDE,LONGITUDE[,ALTITUDE]; got {self.origin!r}"
            ) from None


@described
def convert_command(
    file: Annotated[Path, Parameter(metavar="FILE")],
    /,
    *,
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    columns: ColumnFlags = ColumnFlags(),
    places: PlaceFlags = PlaceFlags(),
    overwrite: bool = False,
    scene: str | None = None,
    reading: NamedScene = NamedScene(),
) -> None:
    """Show how a measurement file is understood, and write it as estimate reads it [m, dBm].

    :param file: measured levels as they came: .csv, .tsv, .txt, .dat, .parquet
    :param out: the campaign to write, .csv or .parquet; default: only show
    :param overwrite: replace a file that is there already
    :param scene: check the positions against this scene (see estimate)
    """
    check_target(out, ".csv", ".parquet", overwrite=overwrite)
    with naming_options(ColumnFlags), naming_options(PlaceFlags):
        options = ReadingOptions(
            columns=columns.columns,
            unheard=columns.unheard,
            noise_floor_dbm=columns.noise_floor_dbm,
            saturation_dbm=columns.saturation_dbm,
            tx_power_dbm=columns.tx_power_dbm,
            average=columns.average,
            transmitters=places.transmitters,
            points=places.points,
            tx=places.tx,
            tx_height=places.tx_height,
            rx_height=places.rx_height,
            origin=places.coordinates(),
            projection=places.projection,
            crs=places.crs,
            rotation=places.rotation,
            delay_bins=columns.delay_bins,
            delay_bin_ns=columns.delay_bin_ns,
            delay_range_db=columns.delay_range_db,
            bandwidth_hz=columns.bandwidth_hz,
            resource_elements=columns.resource_elements,
        )
    room = reading.named(scene, keep_unstated=True) if scene is not None else None
    found = read_measurements(file, scene=room, options=options)
    if out is not None:
        write_campaign(found.campaign, out, setups=found.setups)
    _show(found)
    if out is not None:
        print_result(f"written to {out}")


def _show(found: Reading) -> None:
    """Columns, notes, ranges and the first links, on standard output."""
    campaign = found.campaign
    how = "".join(f"; {remark}" for remark in found.remarks)
    lines = [f"{found.source}: {counted(found.rows, 'row')}{how}", "columns:"]
    width = min(max((len(heading) for heading, _ in found.columns), default=0), 30)
    shown = found.columns[:40]
    lines += [f"  {heading[:60]:<{width}}  {meaning}" for heading, meaning in shown]
    if len(found.columns) > len(shown):
        lines.append(f"  and {len(found.columns) - len(shown)} more")
    if found.notes:
        lines += ["notes:", *(f"  - {note}" for note in found.notes)]
    lines += _ranges(campaign)
    print_result("\n".join(lines))
    show(_first_links(found))


def _ranges(campaign: Campaign) -> list[str]:
    kind = "link" if campaign.is_measured else "planned link"
    setups = counted(campaign.num_setups, "setup")
    lines = [f"campaign: {counted(campaign.num_links, kind)} of {setups}"]
    for name, points in (
        ("transmitters", campaign.tx), ("receivers", campaign.rx[campaign.present])
    ):  # fmt: skip
        low, high = points.min(axis=0), points.max(axis=0)
        spans = ", ".join(
            f"{axis} {a:.2f} to {b:.2f}" for axis, a, b in zip("xyz", low, high, strict=True)
        )
        lines.append(f"  {name}: {spans} m")
    if campaign.rss_dbm is not None:
        levels = campaign.rss_dbm[campaign.has_level & ~campaign.censored]
        if len(levels):
            lines.append(f"  levels: {levels.min():.4g} to {levels.max():.4g} dBm")
        ends = {"below the receiver's floor": campaign.below, "saturated": campaign.saturated}
        lines += [
            f"  {what}: {counted(int(marks.sum()), 'link')}"
            for what, marks in ends.items()
            if marks.any()
        ]
    for block in campaign.observables:
        known = block.measured[~block.censored]
        span = f", {known.min():.4g} to {known.max():.4g} {block.unit}" if len(known) else ""
        floor = f", {int(block.censored.sum())} below the floor" if block.censored.any() else ""
        lines.append(f"  {block.name}: {len(block)} values{span}{floor}")
    noise = np.broadcast_to(campaign.noise_db, campaign.present.shape)[campaign.present]
    if noise.any():
        lines.append(f"  noise: {noise.min():.3g} to {noise.max():.3g} dB")
    if campaign.frequency is not None:
        every = np.unique(campaign.frequency)
        lines.append("  carriers: " + ", ".join(f"{f / 1e9:.6g}" for f in every[:8]) + " GHz")
    return lines


def _first_links(found: Reading) -> object:
    from rich.markup import escape
    from rich.table import Table

    campaign = found.campaign
    table = Table("setup", "transmitter [m]", "receiver [m]", title="first links")
    if campaign.rss_dbm is not None:
        table.add_column("level [dBm]", justify="right")
    setup, receiver = np.nonzero(campaign.present)
    for m, n in list(zip(setup, receiver, strict=True))[:SHOWN_LINKS]:
        row = [escape(found.setups[m][:40]), _point(campaign.tx[m]), _point(campaign.rx[m, n])]
        if campaign.rss_dbm is not None:
            mark = "> " if campaign.saturated[m, n] else "< " if campaign.censored[m, n] else ""
            level = campaign.rss_dbm[m, n]
            row.append(f"{mark}{level:.2f}" if np.isfinite(level) else "-")
        table.add_row(*row)
    return table


def _point(point: np.ndarray) -> str:
    return "  ".join(f"{value:.2f}" for value in point)
