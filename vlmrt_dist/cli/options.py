"""What several commands of ``vlmrt`` share: options, the scene a user names, checks."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from vlmrt_dist.campaign import AntennaPattern, Campaign, Combining, Polarization, RadioConfig
from vlmrt_dist.errors import CampaignError, ConfigurationError, SceneError, StorageError
from vlmrt_dist.placement import place, strategy_named
from vlmrt_dist.scene import SceneModel, box_room, bundled_scene, load_scene


def opt(text: str, **more: Any) -> Any:
    """A typer option with its help text."""
    return typer.Option(help=text, **more)


SceneOption = Annotated[
    str,
    opt(
        "Sionna scene file (.xml), box_room (the paper's room), box_room_N (with N boxes), or a "
        "scene that comes with Sionna (munich, ...).",
        metavar="SCENE",
    ),
]
HeadroomOption = Annotated[float, opt("Room above the highest geometry of a file [m].", min=0.0)]
MaterialsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--material",
        help="A material of the scene file that is none of ITU-R P.2040's, and the class that it "
        "stands for, as in stucco=plasterboard; may be repeated.",
        metavar="NAME=CLASS",
    ),
]
FrequencyOption = Annotated[float, opt("Carrier frequency [Hz].")]
PowerOption = Annotated[float, opt("Transmit power [dBm].")]
DepthOption = Annotated[int, opt("Most reflections and transmissions along a path.")]
SamplesOption = Annotated[int, opt("Rays launched by each transmitter in one solve.")]
SingleOption = Annotated[
    bool, typer.Option("--single-solve", help="Take what one solve finds, as the paper does.")
]
SolverSeedOption = Annotated[int, opt("Seed of the path solver (estimate: 1, simulate: 2).")]
CombiningOption = Annotated[Combining, opt("Add the paths' powers, or their complex amplitudes.")]
PolarizationOption = Annotated[Polarization, opt("Of both antennas.")]
PatternOption = Annotated[AntennaPattern, opt("Of both antennas.")]
SetupsOption = Annotated[int, opt("Transmitter positions (M).")]
ReceiversOption = Annotated[int, opt("Receiver positions of each setup (N).")]
Strategy = Literal["a_optimal", "d_optimal", "vlm_then_refine", "vlm", "grid", "random"]
PlacementOption = Annotated[
    Strategy,
    opt(
        "What tells the most (a_optimal: least variances, d_optimal: least volume), an advisor's "
        "positions (vlm: offline rules; vlm_then_refine: improved), a grid, or random ones."
    ),
]
SeedOption = Annotated[int, opt("Seed of positions, noise, random starts, left-out links.", min=0)]
FileOutOption = Annotated[Path, opt("The file to write, .csv or .parquet.", metavar="FILE")]


def named_scene(
    text: str, headroom: float = 0.0, materials: Sequence[str] | None = None
) -> SceneModel:
    """The scene that a user names; a file goes before a name.

    :param materials: see :data:`MaterialsOption`
    :raises ConfigurationError: if one of them is no NAME=CLASS
    """
    for word in materials or ():
        if not all(word.partition("=")):
            raise ConfigurationError(f"--material takes NAME=CLASS; got {word!r}")
    classes = {name: given for name, _, given in (w.partition("=") for w in materials or ())}
    if re.fullmatch(r"box_room(_\d{1,9})?", text) and not Path(text).exists():
        if classes:
            raise ConfigurationError("--material is for scene files; the paper's room has none")
        room = box_room(int(text.removeprefix("box_room_")) if text != "box_room" else 4)
        if not 0.0 <= headroom < math.inf:
            raise SceneError("headroom must be a number of metres, 0 or more")
        return dataclasses.replace(
            room, bounds=room.bounds + np.array([[0, 0, 0], [0, 0, headroom]])
        )
    if Path(text).suffix == ".xml" or os.sep in text or Path(text).exists():
        return load_scene(text, headroom=headroom, materials=classes)
    try:
        path = bundled_scene(text)
    except SceneError as error:
        raise SceneError(f"there is no file {text!r}; {error}; or use box_room") from None
    return load_scene(path, headroom=headroom, materials=classes)


def placed(
    strategy: str, room: SceneModel, setups: int, receivers: int, seed: int, radio: RadioConfig
) -> Campaign:
    """Positions by a named strategy, with the radio where it asks for one."""
    return place(strategy_named(strategy, radio), room, setups, receivers, seed=seed)


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def check_noise(noise_db: float | None) -> None:
    """:raises ConfigurationError: if it is no standard deviation"""
    if noise_db is not None and not 0.0 <= noise_db < math.inf:
        raise ConfigurationError(
            f"--noise-db must be a finite number of dB, 0 or more; got {noise_db}"
        )


def check_target(path: Path, *suffixes: str) -> None:
    """Refuse before the work what could not be written after it."""
    if path.suffix.lower() not in suffixes:
        raise CampaignError(f"cannot write {path}: its name must end in {' or '.join(suffixes)}")
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise StorageError(f"cannot write {path}: there is no such folder, or it is not writable")
