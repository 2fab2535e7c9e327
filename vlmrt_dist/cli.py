"""The ``vlmrt`` command.

Results go to standard output; progress, warnings and errors to standard error. What a user can
mend ends with ``error: ...`` and exit code 2, Ctrl-C with 130; anything else keeps its traceback.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from typer.core import TyperGroup

from vlmrt_dist.campaign_files import read_campaign, write_campaign
from vlmrt_dist.errors import (
    CampaignError,
    ConfigurationError,
    NumericalError,
    SceneError,
    StorageError,
    VlmrtError,
)
from vlmrt_dist.estimation import PRIOR_WIDTH, Engine, Optimizer, estimate
from vlmrt_dist.files import write_atomic
from vlmrt_dist.placement import place
from vlmrt_dist.priors import Initial
from vlmrt_dist.radio import AntennaPattern, Combining, Polarization, RadioConfig
from vlmrt_dist.rooms import box_room
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.scene_writer import SCENE_FILE
from vlmrt_dist.scene_xml import bundled_scene, load_scene
from vlmrt_dist.setups import Campaign
from vlmrt_dist.simulation import perturbed, simulate
from vlmrt_dist.terminal import (
    is_interrupt,
    print_result,
    progress_bar,
    results_only,
    say,
    show_warning,
)

EXIT_USER = 2
EXIT_INTERRUPTED = 130


class _Commands(TyperGroup):
    """The one place where errors become words and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            try:
                return super().invoke(ctx)
            except VlmrtError as error:
                say(f"error: {error}")
                raise typer.Exit(EXIT_USER) from None
            except BaseException as error:
                if not is_interrupt(error):
                    raise
                say("interrupted")
                raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # brackets hold units here
    help="Conductivities of the objects of a known scene, from received signal strengths.",
    epilog="A first try: vlmrt simulate --out rss.csv, then vlmrt estimate --measurements rss.csv",
)


def _opt(text: str, **more: Any) -> Any:
    return typer.Option(help=text, **more)


_Scene = Annotated[
    str,
    _opt(
        "Sionna scene file (.xml), box_room (the paper's room), box_room_N (with N boxes), or a "
        "scene that comes with Sionna (munich, ...).",
        metavar="SCENE",
    ),
]
_Headroom = Annotated[float, _opt("Room above the highest geometry of a file [m].", min=0.0)]
_Frequency = Annotated[float, _opt("Carrier frequency [Hz].")]
_Power = Annotated[float, _opt("Transmit power [dBm].")]
_Depth = Annotated[int, _opt("Most reflections and transmissions along a path.")]
_Samples = Annotated[int, _opt("Rays launched by each transmitter in one solve.")]
_Single = Annotated[
    bool, typer.Option("--single-solve", help="Take what one solve finds, as the paper does.")
]
_SolverSeed = Annotated[int, _opt("Seed of the path solver (estimate: 1, simulate: 2).")]
_Combining = Annotated[Combining, _opt("Add the paths' powers, or their complex amplitudes.")]
_Polarization = Annotated[Polarization, _opt("Of both antennas.")]
_Pattern = Annotated[AntennaPattern, _opt("Of both antennas.")]
_Setups = Annotated[int, _opt("Transmitter positions (M).")]
_Receivers = Annotated[int, _opt("Receiver positions of each setup (N).")]
_Strategy = Literal["random", "d_optimal"]
_Placement = Annotated[_Strategy, _opt("Random free positions, or those that tell the most.")]
_Seed = Annotated[int, _opt("Seed of positions, noise, random starts, left-out links.", min=0)]
_FileOut = Annotated[Path, _opt("The file to write, .csv or .parquet.", metavar="FILE")]
_Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.")]

# Only in one command each.
_Measurements = Annotated[
    Path,
    _opt(
        "Measured levels, .csv or .parquet, one line a link: setup, tx_x, tx_y, tx_z, rx_x, rx_y, "
        "rx_z [m], rss_dbm [dBm], and optionally noise_db [dB].",
        metavar="FILE",
    ),
]
_NoiseDeclared = Annotated[
    float | None, _opt("Standard deviation of the levels [dB]; default: the file's noise_db.")
]
_NoiseAdded = Annotated[float, _opt("Standard deviation of the error of each level [dB].")]
_Figure = Annotated[
    Path | None, _opt("Draw plan, prior and estimate to this .png.", metavar="FILE")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Optimizer = Annotated[Optimizer, _opt("Least squares with the prior, or Adam as in the paper.")]
_Engine = Annotated[Engine, _opt("Replay traced paths, or trace anew in every iteration.")]
_Initial = Annotated[Initial, _opt("Start at the ITU values, at their mean, or at random.")]
_PriorWidth = Annotated[
    float, _opt("Standard deviation of ln(conductivity) about the ITU value; inf: no prior.")
]
_Fixed = Annotated[
    list[str] | None, _opt("Object of known conductivity; may be repeated.", metavar="NAME")
]
_Iterations = Annotated[
    int | None,
    _opt("Most iterations of Adam (1000), or evaluations of a least-squares start (100).", min=1),
]
_Actors = Annotated[int, _opt("Ray actors to share the setups among; 0: none.", min=0)]
_Planned = Annotated[
    Path | None,
    _opt("Positions (see plan) instead of --setups, --receivers, --placement.", metavar="FILE"),
]
_Perturb = Annotated[
    int | None,
    _opt("Seed of a truth up to 20 % about the scene's own values; default: these.", min=0),
]
_TruthOut = Annotated[Path | None, _opt("Where the truth [S/m] goes, .csv.", metavar="FILE")]
_SceneName = Annotated[str, typer.Argument(metavar="SCENE", help="As for --scene of estimate.")]
_Folder = Annotated[Path, _opt("The folder to write scene.xml and meshes to.", metavar="FOLDER")]
_Boxes = Annotated[int | None, _opt("Boxes of box_room; default: 4.")]


@app.callback(invoke_without_command=True)
def _options(version: _Version = False) -> None:
    if version:
        import importlib.metadata

        try:
            typer.echo(f"vlmrt {importlib.metadata.version('vlmrt_dist')}")
        except importlib.metadata.PackageNotFoundError:
            typer.echo(f"vlmrt (not installed, imported from {Path(__file__).parents[1]})")
        raise typer.Exit


@app.command()
def doctor() -> None:
    """What was found on this machine, with remedies; exit code 1 if the engine cannot run."""
    from vlmrt_dist import doctor as machine

    raise typer.Exit(machine.main())


@app.command("estimate")
def estimate_command(
    measurements: _Measurements,
    scene: _Scene = "box_room",
    frequency: _Frequency = 3.5e9,
    noise_db: _NoiseDeclared = None,
    as_json: _Json = False,
    figure: _Figure = None,
    optimizer: _Optimizer = "levenberg_marquardt",
    engine: _Engine = "replay",
    initial: _Initial = "itu",
    prior_width: _PriorWidth = PRIOR_WIDTH,
    fixed: _Fixed = None,
    max_iterations: _Iterations = None,
    seed: _Seed = 0,
    num_actors: _Actors = 0,
    headroom: _Headroom = 0.0,
    tx_power_dbm: _Power = 44.0,
    antenna_pattern: _Pattern = "iso",
    polarization: _Polarization = "V",
    combining: _Combining = "power",
    max_depth: _Depth = 4,
    samples_per_src: _Samples = 1_000_000,
    single_solve: _Single = False,
    solver_seed: _SolverSeed = 1,
) -> None:
    """The conductivity [S/m] of every object of a scene, from measured levels [dBm]."""
    radio = RadioConfig(
        frequency=frequency,
        tx_power_dbm=tx_power_dbm,
        antenna_pattern=antenna_pattern,
        polarization=polarization,
        max_depth=max_depth,
        samples_per_src=samples_per_src,
        seed=solver_seed,
        complete=not single_solve,
        combining=combining,
    )
    _check_noise(noise_db)
    if figure is not None:
        _check_target(figure, ".png")
    campaign = read_campaign(measurements)
    room = _scene(scene, headroom)
    if noise_db is None and not np.any(np.nan_to_num(campaign.noise_db) > 0.0):
        say("warning: no noise level is declared, so the levels count as exact; give --noise-db")
    with results_only(), progress_bar() as progress:
        result = estimate(
            room,
            campaign,
            radio=radio,
            initial=initial,
            optimizer=optimizer,
            engine=engine,
            num_actors=num_actors,
            prior_width=prior_width,
            noise_db=noise_db,
            fixed=fixed or (),
            seed=seed,
            max_iterations=max_iterations,
            progress=progress,
        )
    if result.outcome not in ("converged", "max_iterations"):
        raise NumericalError(
            f"the fit ended as {result.outcome} after {result.iterations} iterations; start from "
            "--initial itu, or use --optimizer levenberg_marquardt"
        )
    if as_json:
        for line in result.remarks():
            say(line)
        print_result(json.dumps(result.to_dict(), indent=2, allow_nan=False))
    else:
        print_result(str(result))
    if figure is not None:
        from vlmrt_dist.figures import estimate_figure

        estimate_figure(room, campaign, result, figure)
        say(f"figure written to {figure}")


@app.command("simulate")
def simulate_command(
    out: _FileOut,
    scene: _Scene = "box_room",
    setups: _Setups = 3,
    receivers: _Receivers = 8,
    placement: _Placement = "random",
    seed: _Seed = 0,
    campaign: _Planned = None,
    frequency: _Frequency = 3.5e9,
    noise_db: _NoiseAdded = 0.0,
    perturb_seed: _Perturb = None,
    truth_out: _TruthOut = None,
    headroom: _Headroom = 0.0,
    tx_power_dbm: _Power = 44.0,
    antenna_pattern: _Pattern = "iso",
    polarization: _Polarization = "V",
    combining: _Combining = "power",
    max_depth: _Depth = 4,
    samples_per_src: _Samples = 1_000_000,
    single_solve: _Single = False,
    solver_seed: _SolverSeed = 2,
) -> None:
    """A measurement that was never made: a file of levels [dBm] for estimate, and its truth."""
    radio = RadioConfig(
        frequency=frequency,
        tx_power_dbm=tx_power_dbm,
        antenna_pattern=antenna_pattern,
        polarization=polarization,
        max_depth=max_depth,
        samples_per_src=samples_per_src,
        seed=solver_seed,
        complete=not single_solve,
        combining=combining,
    )
    _check_noise(noise_db)
    _check_target(out, ".csv", ".parquet")
    if truth_out is not None:
        _check_target(truth_out, ".csv")
        if truth_out.absolute() == out.absolute():
            raise StorageError("--out and --truth-out name the same file")
    given = read_campaign(campaign) if campaign is not None else None
    room = _scene(scene, headroom)
    truth = room.conductivity(frequency)
    if perturb_seed is not None:
        truth = perturbed(truth, perturb_seed)
    with results_only():
        planned = given or _placed(placement, room, setups, receivers, seed, radio)
        # The placement draws from this seed too, and noise has to be independent of positions.
        measured = simulate(
            room, planned, conductivity=truth, radio=radio, noise_db=noise_db, seed=seed + 1
        )
    write_campaign(measured, out)
    table = list(zip(room.names, room.materials, truth.tolist(), strict=True))
    if truth_out is not None:
        write_atomic(truth_out, _csv(("name", "material", "conductivity"), table).encode())
    for name, material, value in table:
        print_result(f"{name:<20} {material:<18} {value:>10.4g} S/m")
    print_result(f"{measured.num_links} levels of {measured.num_setups} setups written to {out}")


@app.command()
def plan(
    out: _FileOut,
    scene: _Scene = "box_room",
    setups: _Setups = 3,
    receivers: _Receivers = 8,
    placement: _Placement = "d_optimal",
    seed: _Seed = 0,
    frequency: _Frequency = 3.5e9,
    headroom: _Headroom = 0.0,
    antenna_pattern: _Pattern = "iso",
    polarization: _Polarization = "V",
    combining: _Combining = "power",
    max_depth: _Depth = 4,
) -> None:
    """Where to measure [m]; add the levels as a column rss_dbm [dBm] and give it to estimate."""
    radio = RadioConfig(
        frequency=frequency,
        antenna_pattern=antenna_pattern,
        polarization=polarization,
        max_depth=max_depth,
        combining=combining,
    )
    _check_target(out, ".csv", ".parquet")
    room = _scene(scene, headroom)
    with results_only():
        planned = _placed(placement, room, setups, receivers, seed, radio)
    write_campaign(planned, out)
    print_result(f"{planned.num_links} links of {planned.num_setups} setups written to {out}")


@app.command("export-scene")
def export_scene(scene: _SceneName, out: _Folder, boxes: _Boxes = None) -> None:
    """Write a scene as XML and PLY meshes [m], which you can edit and give to --scene."""
    if boxes is not None and scene != "box_room":
        raise SceneError("--boxes goes with box_room only")
    room = _scene(scene) if boxes is None else box_room(boxes)
    if (out / SCENE_FILE).exists():
        raise StorageError(f"{out / SCENE_FILE} exists already; choose another folder")
    print_result(f"{room.num_objects} objects written to {room.write(out)}")


def _scene(text: str, headroom: float = 0.0) -> SceneModel:
    """The scene that a user names; a file goes before a name."""
    if re.fullmatch(r"box_room(_\d{1,9})?", text) and not Path(text).exists():
        room = box_room(int(text.removeprefix("box_room_")) if text != "box_room" else 4)
        if not 0.0 <= headroom < math.inf:
            raise SceneError("headroom must be a number of metres, 0 or more")
        return dataclasses.replace(
            room, bounds=room.bounds + np.array([[0, 0, 0], [0, 0, headroom]])
        )
    if Path(text).suffix == ".xml" or os.sep in text or Path(text).exists():
        return load_scene(text, headroom=headroom)
    try:
        path = bundled_scene(text)
    except SceneError as error:
        raise SceneError(f"there is no file {text!r}; {error}; or use box_room") from None
    return load_scene(path, headroom=headroom)


def _placed(
    strategy: str, room: SceneModel, setups: int, receivers: int, seed: int, radio: RadioConfig
) -> Campaign:
    options = {"radio": radio} if strategy == "d_optimal" else {}
    return place(strategy, room, setups, receivers, seed=seed, **options)


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _check_noise(noise_db: float | None) -> None:
    if noise_db is not None and not 0.0 <= noise_db < math.inf:
        raise ConfigurationError(
            f"--noise-db must be a finite number of dB, 0 or more; got {noise_db}"
        )


def _check_target(path: Path, *suffixes: str) -> None:
    """Refuse before the work what could not be written after it."""
    if path.suffix.lower() not in suffixes:
        raise CampaignError(f"cannot write {path}: its name must end in {' or '.join(suffixes)}")
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise StorageError(f"cannot write {path}: there is no such folder, or it is not writable")


if __name__ == "__main__":
    app()
