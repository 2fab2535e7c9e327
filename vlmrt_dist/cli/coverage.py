"""``vlmrt map``: levels over a plane, before and after calibration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.cli.measurements import read_for
from vlmrt_dist.cli.options import (
    REGION,
    NoiseOptions,
    ParameterOptions,
    PriorOptions,
    RadioOptions,
    SceneOptions,
    check_target,
    stored_radio,
    value_of,
)
from vlmrt_dist.command_line import Options, described, option_group
from vlmrt_dist.console import print_result, progress_bar, results_only, say
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field import MapPlane
from vlmrt_dist.inference import (
    Calibration,
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    RadioMap,
    estimate,
    radio_map,
    read_estimate,
)
from vlmrt_dist.report import MAP_SUFFIXES, GeoOrigin, map_lines, origin_of, write_map
from vlmrt_dist.scene import MaterialPrior, SceneModel
from vlmrt_dist.vlm import propose_materials


@option_group("Plane")
@dataclass(frozen=True)
class PlaneOptions(Options):
    """The plane of a map.

    :param map_height: z of the plane [m]; default: 1.5 m above the lowest point of the scene
    :param cell_size: side of a cell [m]; default: a hundredth of the longer side
    :param area: polygon that the map covers, in metres of the scene: a .geojson or .csv file, or
        corners as in "0 0 8 0 8 6 0 6"; see simulate; default: the scene's bounds
    :raises ConfigurationError: if a number is not finite or not positive where it has to be
    """

    map_height: Annotated[float | None, Parameter(metavar="Z", allow_leading_hyphen=True)] = None
    cell_size: float | None = None
    area: Annotated[str | None, REGION] = None

    def __post_init__(self) -> None:
        self.value()

    def value(self) -> MapPlane:
        """The plane.

        :raises ConfigurationError: if it is impossible
        """
        try:
            return MapPlane(self.map_height, self.cell_size, self.area)
        except ConfigurationError as error:
            text = re.sub(r"\bcell_size\b", "--cell-size", str(error))
            raise ConfigurationError(re.sub(r"^height\b", "--map-height", text)) from None


@option_group("Output")
@dataclass(frozen=True)
class MapOutput(Options):
    """Output of a map.

    :param out: the file to write: .png or .pdf (figure), .html (values under the pointer), .npz
        (NumPy arrays with coordinates), .tif (GeoTIFF); may be repeated
    :param origin: latitude and longitude [degrees] of the scene's x = y = 0, where x points east:
        gives a .tif its geo-reference
    :param overwrite: replace files that are there already
    :raises ConfigurationError: if no file is named, or the origin is none
    """

    out: Annotated[tuple[Path, ...], Parameter(metavar="FILE")]
    origin: Annotated[
        str | None, Parameter(metavar="LATITUDE,LONGITUDE", allow_leading_hyphen=True)
    ] = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        for path in self.out:
            check_target(path, *MAP_SUFFIXES, overwrite=self.overwrite)
        self.place()

    def place(self) -> GeoOrigin | None:
        """The origin.

        :raises ConfigurationError: if it is none
        """
        return None if self.origin is None else origin_of(self.origin)


@described
def map_command(
    *,
    output: MapOutput,
    tx: Annotated[tuple[str, ...], Parameter(metavar="X,Y,Z", allow_leading_hyphen=True)] = (),
    measurements: Annotated[Path | None, Parameter(metavar="FILE")] = None,
    calibrated: Annotated[Path | None, Parameter(name="--estimate", metavar="FILE")] = None,
    scene: SceneOptions = SceneOptions(),
    plane: PlaneOptions = PlaneOptions(),
    radio: RadioOptions = RadioOptions(),
    prior: PriorOptions = PriorOptions(),
    parameters: ParameterOptions = ParameterOptions(),
    noise: NoiseOptions = NoiseOptions(),
) -> None:
    """The level [dBm] over a horizontal plane; with measurements, before and after calibration,
    with its standard deviation [dB].

    :param tx: position of a transmitter [m]; may be repeated; default: those of the measurements
    :param measurements: measured levels (see estimate) that the materials are calibrated with
    :param calibrated: what estimate --out wrote, instead; a .csv holds no covariances, so that
        objects count as independent in the standard deviation
    :raises ConfigurationError: if no transmitter is named, or both files are
    """
    if calibrated is not None and measurements is not None:
        raise ConfigurationError("--estimate and --measurements both calibrate; give one of them")
    asked = value_of(RadioConfig, radio)
    room = scene.load(asked.frequency)
    campaign = None
    if measurements is not None:
        campaign = read_for(
            room, measurements, tx_power_dbm=radio.tx_power_dbm, devices=radio.devices
        )
    places = _transmitters(tx, campaign)
    width = value_of(Prior, prior)
    with results_only(), progress_bar() as progress:
        stated: Prior | MaterialPrior = width
        if prior.vlm is not None:
            advice = propose_materials(prior.vlm, room, frequency=asked.frequency)
            stated = prior.of_advisor(advice.prior)
        result: Estimate | Calibration | None = None
        if calibrated is not None:
            result = read_estimate(calibrated)
            asked = stored_radio(result, asked)
        if campaign is not None:
            result = estimate(
                room, campaign, radio=asked, prior=stated,
                parameters=value_of(Parameters, parameters), noise=value_of(Noise, noise),
                solver=LevenbergMarquardt(folds=0), progress=progress,
            )  # fmt: skip
        found = radio_map(
            room, places, estimate=result, plane=plane.value(), radio=asked,
            prior=None if result is not None else stated, progress=progress,
        )  # fmt: skip
    _finish(found, output, room)


def _finish(found: RadioMap, output: MapOutput, scene: SceneModel) -> None:
    for path in output.out:
        write_map(found, path, scene=scene, origin=output.place())
        say(f"written to {path}")
    for line in map_lines(found):
        print_result(line)


def _transmitters(given: tuple[str, ...], campaign: Campaign | None) -> FloatArray:
    """[T, 3] the positions given, or those of the campaign, each once."""
    if given:
        return np.array([position_of(text) for text in given])
    if campaign is None:
        raise ConfigurationError(
            "where does the transmitter stand? give --tx X,Y,Z, or --measurements FILE"
        )
    _, first = np.unique(campaign.tx, axis=0, return_index=True)
    return campaign.tx[np.sort(first)]


def position_of(text: str) -> list[float]:
    """Three coordinates [m] between commas.

    :raises ConfigurationError: if it is no position
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not np.isfinite(values).all():
        raise ConfigurationError(
            f"--tx takes 3 finite numbers with commas and without spaces; got {text!r}"
        )
    return values
