"""Values that commands of ``vlmrt`` take as options: scene, radio, prior, noise, solver, output."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

import numpy as np
from cyclopts import Parameter

from vlmrt_dist.campaign import Campaign, RadioConfig, Region
from vlmrt_dist.command_line import Options, option_group
from vlmrt_dist.console import results_only, say
from vlmrt_dist.errors import CampaignError, ConfigurationError, SceneError, StorageError
from vlmrt_dist.extras import need
from vlmrt_dist.field import Engine
from vlmrt_dist.inference import (
    ADAMS,
    PRIOR_WIDTH,
    Adam,
    Calibration,
    DelaySharing,
    Initial,
    LevenbergMarquardt,
    LinkLoss,
    Noise,
    Parameters,
    PosteriorShape,
    Prior,
    Quantity,
    SharedBy,
)
from vlmrt_dist.placement import (
    AOptimal,
    CandidateOptions,
    Design,
    DOptimal,
    Grid,
    Random,
    Strategy,
    Vlm,
    VlmThenRefine,
)
from vlmrt_dist.scene import (
    MaterialPrior,
    SceneModel,
    Tails,
    box_room,
    bundled_scene,
    load_scene,
    read_layers,
)
from vlmrt_dist.vlm import propose_materials

Value = TypeVar("Value")

StrategyName = Literal["a_optimal", "d_optimal", "vlm_then_refine", "vlm", "grid", "random"]

Optimizer = Literal["levenberg_marquardt", "adam", "adam_fine", "adam_log"]


@option_group("Scene")
@dataclass(frozen=True)
class NamedScene(Options):
    """Options of reading a scene.

    :param headroom: room above the highest geometry of a file [m]
    :param material: a material of the scene file (or an object) and the ITU-R P.2040 class that it
        stands for, as in stucco=plasterboard; may be repeated
    :param fill_materials: advisor that names the materials that the file does not state, by the
        objects' names and shapes (offline) or by a vision-language model (gemini)
    :param scene_root: files of the scene may lie below this folder too; default: only beside the
        scene file
    :param layers: layers of walls: a .toml file of tables [wall.NAME] with objects or materials,
        and layers = [{material = "glass", thickness = 0.004}, ...]; default: walls are single slabs
    :param scattering: scattering coefficients, which act with --diffuse-reflection only: keep them
        and say so, or refuse the scene
    :raises ConfigurationError: if a material is no NAME=CLASS, or there is no such folder
    :raises SceneError: if the headroom is no distance
    """

    headroom: float = 0.0
    material: Annotated[tuple[str, ...], Parameter(metavar="NAME=CLASS")] = ()
    fill_materials: Literal["offline", "gemini"] | None = None
    scene_root: Annotated[Path | None, Parameter(metavar="FOLDER")] = None
    scattering: Literal["ignore", "refuse"] = "ignore"
    layers: Annotated[Path | None, Parameter(metavar="FILE")] = None

    def __post_init__(self) -> None:
        for word in self.material:
            if not all(word.rpartition("=")):
                raise ConfigurationError(f"--material takes NAME=CLASS; got {word!r}")
        if not 0.0 <= self.headroom < math.inf:
            raise SceneError("--headroom must be a number of metres, 0 or more")
        if self.scene_root is not None and not self.scene_root.is_dir():
            raise ConfigurationError(f"--scene-root: there is no folder {str(self.scene_root)!r}")

    def named(
        self,
        text: str,
        frequency: float = RadioConfig.frequency,
        *,
        keep_unstated: bool = False,
    ) -> SceneModel:
        """The scene that a user names; a file goes before a name.

        :param frequency: carrier at which an advisor's classes have to be tabulated [Hz]
        :param keep_unstated: allow objects of unstated material, if no advisor is to fill them
        :raises SceneError: if there is none of this name, or its file is refused
        :raises MaterialError: if materials are unstated and may not be
        """
        scene = self._read(text, keep_unstated or self.fill_materials is not None)
        if self.fill_materials is None or not scene.unstated:
            return scene
        with results_only():
            advice = propose_materials(self.fill_materials, scene, frequency=frequency).prior
        say(
            f"note: the advisor {self.fill_materials} names the materials of "
            f"{len(scene.unstated)} of {scene.num_objects} objects; advise shows them"
        )
        return scene.fill_materials(advice.materials)

    def _read(self, text: str, keep_unstated: bool) -> SceneModel:
        classes = {name: given for name, _, given in (w.rpartition("=") for w in self.material)}
        if re.fullmatch(r"box_room(_\d{1,9})?", text) and not Path(text).exists():
            if classes:
                raise ConfigurationError("--material is for scene files; the paper's room has none")
            room = box_room(int(text.removeprefix("box_room_")) if text != "box_room" else 4)
            if self.layers is not None:
                walls = read_layers(self.layers, room.objects)
                room = room.with_layers(walls.layers).with_extra_loss(walls.extra_loss_db)
            air = np.array([[0, 0, 0], [0, 0, self.headroom]])
            return dataclasses.replace(room, bounds=room.bounds + air)
        path = Path(text)
        if path.suffix != ".xml" and os.sep not in text and not path.exists():
            try:
                path = bundled_scene(text)
            except SceneError as error:
                raise SceneError(f"there is no file {text!r}; {error}; or use box_room") from None
        return load_scene(
            path,
            headroom=self.headroom,
            materials=classes,
            root=self.scene_root,
            scattering=self.scattering,
            layers=self.layers,
            unstated="keep" if keep_unstated else "refuse",
        )


@option_group("Scene")
@dataclass(frozen=True)
class SceneOptions(NamedScene):
    """A scene and how it is read.

    :param scene: Sionna scene file (.xml), box_room (the paper's room), box_room_N (with N boxes),
        or a scene that comes with Sionna (munich, ...)
    """

    scene: str = "box_room"

    def load(
        self, frequency: float = RadioConfig.frequency, *, keep_unstated: bool = False
    ) -> SceneModel:
        """The scene; see :meth:`named`."""
        return self.named(self.scene, frequency, keep_unstated=keep_unstated)


@option_group("Radio")
@dataclass(frozen=True)
class RadioOptions(Options, RadioConfig):
    """Radio configuration of an estimation.

    :param max_depth: most reflections and transmissions along a path
    :param max_reflections: most reflections among them (default: max_depth)
    :param max_transmissions: most transmissions among them (default: max_depth)
    :param line_of_sight: always keeps the straight path through however many walls
    :param path_set: exact: every path up to the depth; single_solve: those that one solve of
        Sionna's finds, as in the paper; united_solves: the union of such solves
    :param samples_per_src: rays launched by each transmitter in one of Sionna's solves
    :param seed: seed of the first of Sionna's solves, and of the points that scatter
    :param diffuse_reflection: scatter as the scene's scattering_coefficient and xpd_coefficient say
    :param scattering_points: points of surfaces that stand for what each setup scatters
    :param diffraction: add the paths that edges of objects diffract; a diffraction counts as one
        interaction
    :param edge_diffraction: let free edges of open sheets diffract, too
    :param devices: table of the antennas of single devices: columns device (tx or rx), setup or x,
        y, z, pattern, polarization, yaw, pitch, roll [°] or look_at_x, _y, _z [m], tx_power_dbm;
        default: those that the measurement file states, else --antenna-pattern for all
    """

    seed: Annotated[int, Parameter(name="--solver-seed")] = 1
    devices: Annotated[Path | None, Parameter(metavar="FILE")] = None


@option_group("Radio")
@dataclass(frozen=True)
class SimulationRadio(RadioOptions):
    """Radio configuration of a simulation; sampled path sets share no seed with an estimation's."""

    seed: Annotated[int, Parameter(name="--solver-seed")] = 2


@option_group("Prior")
@dataclass(frozen=True)
class PriorOptions(Options, Prior):
    """Prior on the materials.

    :param width: standard deviation of ln(conductivity) about the ITU value; inf: no prior;
        default: that of published measurements of each class, see vlmrt materials
    :param tails: of that distribution; student_t where a material class may be wrong
    :param correlation: of ln(conductivity) and ln(permittivity) of an object where both are
        unknown; default: 0.5 with the published widths, 0 with --prior-width
    :param vlm: take the materials from an advisor instead of the scene: offline (by the objects'
        names), gemini, openai_compatible
    """

    width: Annotated[float | None, Parameter(name="--prior-width")] = None
    tails: Annotated[Tails, Parameter(name="--prior-tails")] = "normal"
    correlation: Annotated[
        float | None, Parameter(name="--prior-correlation", allow_leading_hyphen=True)
    ] = None
    vlm: Annotated[str | None, Parameter(metavar="ADVISOR")] = None

    def of_advisor(self, advised: MaterialPrior) -> MaterialPrior:
        """An advisor's prior with the tails and the correlation that the options state."""
        correlation = advised.correlation if self.correlation is None else self.correlation
        return dataclasses.replace(advised, tails=self.tails, correlation=correlation)


@option_group("Unknown parameters")
@dataclass(frozen=True)
class ParameterOptions(Options, Parameters):
    """Unknown parameters of the objects.

    :param quantities: an unknown parameter of the objects; may be repeated
    :param fixed: object of known conductivity; may be repeated
    :param groups: objects of one material class share their values (thickness and penetration
        loss: those of one class and one declared thickness); the answer says which
    """

    quantities: Annotated[tuple[Quantity, ...], Parameter(name="--unknown")] = ("conductivity",)
    fixed: Annotated[tuple[str, ...], Parameter(metavar="NAME")] = ()
    groups: Annotated[Literal["material"] | None, Parameter(name="--group-by")] = None
    widths: Annotated[dict[str, float], Parameter(parse=False)] = dataclasses.field(
        default_factory=dict
    )


@option_group("Noise")
@dataclass(frozen=True)
class NoiseOptions(Options, Noise):
    """Noise of the levels.

    :param db: standard deviation of the levels [dB]; default: the file's noise_db
    :param quantisation_db: step that the receiver rounds to [dB], if the noise does not contain it
    :param position_error_m: standard deviation of each receiver coordinate about the stated one [m]
    :param gain_offset_db: standard deviation of an unknown offset of levels [dB]; inf: any offset
    :param gain_shared: links that share one offset: those of a setup, of a transmitter (device)
        that several setups have, of a receiver that several setups have, all (campaign)
    :param clutter_db_per_sqrt_m: scatter by furniture that the scene lacks, its variance growing
        with the path's length, beside the noise: fit, or a number [dB/√m]
    :param excess_loss_db_per_m: standard deviation of an unknown mean loss a metre of path, beyond
        the model's [dB/m]
    :param delay_offset_ns: standard deviation of an unknown offset of measured delays [ns]; inf:
        any offset; default: one bin where delays count from the first path, else none
    :param delay_shared: links that share one offset of delays: none (link), or as --share
    :param clutter_area: polygon that clutter and excess loss are in (see plan --region); default:
        everywhere
    :param orientation_deg: standard deviation of yaw, pitch and roll of each transmitter's antenna
        about those stated [°]; default: they are as stated
    :param tx_power_db: standard deviation of each transmitter's power about the one stated [dB];
        inf: any power
    :param position_m: standard deviation of x, y and z of each transmitter and receiver about those
        stated [m], which are then unknown and found; paths are searched again where the fit moves
        devices; default: they are as stated
    """

    db: Annotated[float | None, Parameter(name="--noise-db")] = None
    gain_shared: Annotated[SharedBy, Parameter(name="--share")] = "setup"
    delay_shared: Annotated[DelaySharing, Parameter(name="--share-delays")] = "link"
    clutter_db_per_sqrt_m: Annotated[float | Literal["fit"] | None, Parameter(name="--clutter")] = (
        None
    )
    excess_loss_db_per_m: Annotated[float | None, Parameter(name="--excess-loss")] = None
    orientation_deg: float | None = None
    position_m: float | None = None
    clutter_area: Annotated[
        str | None,
        Parameter(name="--clutter-area", metavar="FILE|NUMBERS", allow_leading_hyphen=True),
    ] = None


@option_group("Solver")
@dataclass(frozen=True)
class SolverOptions(Options):
    """Solver of an estimation.

    :param optimizer: least squares with the prior (levenberg_marquardt), Adam as in the paper
        (adam), with a tenth of its step (adam_fine), or on ln(conductivity) (adam_log)
    :param engine: replay traced paths, or trace anew in every iteration (Adam only)
    :param initial: start at the ITU values, at their mean, at random, or at an advisor's values
    :param loss: how large residuals count; huber or student_t where some levels are grossly wrong
        (least squares only)
    :param posterior: intervals from a normal approximation (normal), from weighted draws of the
        true posterior (sampled), or from draws only where the approximation does not hold (auto);
        least squares only
    :param max_iterations: most iterations of Adam (1000), or evaluations of a least-squares start
        (100)
    :param max_total: most evaluations of a least-squares fit with its search for other minima and
        its draws (80000)
    :raises ConfigurationError: if an option does not go with the optimizer
    """

    optimizer: Optimizer = "levenberg_marquardt"
    engine: Engine = "replay"
    initial: Initial = "itu"
    loss: LinkLoss | None = None
    posterior: PosteriorShape = "auto"
    max_iterations: int | None = None
    max_total: int | None = None

    def __post_init__(self) -> None:
        self.value()

    def value(self) -> LevenbergMarquardt | Adam:
        """The solver.

        :raises ConfigurationError: if an option does not go with the optimizer
        """
        if self.max_iterations is not None and self.max_iterations < 1:
            raise ConfigurationError("--max-iterations must be 1 or more")
        if self.max_total is not None and self.max_total < 1:
            raise ConfigurationError("--max-total must be 1 or more")
        if self.optimizer == "levenberg_marquardt":
            if self.engine == "retrace":
                raise ConfigurationError(
                    "--engine retrace goes with --optimizer adam: levenberg_marquardt needs the "
                    "Jacobian of the replay engine"
                )
            return LevenbergMarquardt(
                loss=self.loss or "squared",
                initial=self.initial,
                posterior=self.posterior,
                max_evaluations=self.max_iterations or LevenbergMarquardt.max_evaluations,
                max_total=self.max_total or LevenbergMarquardt.max_total,
            )
        asked = {
            "--loss": self.loss is not None,
            "--posterior": self.posterior != "auto",
            "--max-total": self.max_total is not None,
        }
        for name, given in asked.items():
            if given:
                raise ConfigurationError(f"{name} goes with --optimizer levenberg_marquardt")
        return dataclasses.replace(
            ADAMS[self.optimizer],
            engine=self.engine,
            initial=self.initial,
            max_iterations=self.max_iterations or Adam.max_iterations,
        )

    def starting_at_advice(self) -> LevenbergMarquardt | Adam:
        """The same solver, starting at the values of an advisor's prior."""
        return dataclasses.replace(self.value(), initial="vlm")


@option_group("Positions")
@dataclass(frozen=True)
class PositionOptions(Options):
    """Number of positions, and the strategy that chooses them.

    :param setups: transmitter positions (M)
    :param receivers: receiver positions of each setup (N)
    :param placement: least sum of variances (a_optimal), least volume (d_optimal), an advisor's
        positions (vlm: offline rules; vlm_then_refine: improved), a grid, or random ones
    :raises ConfigurationError: if a number is less than 1
    """

    setups: int = 3
    receivers: int = 8
    placement: StrategyName = "random"

    def __post_init__(self) -> None:
        for name in ("setups", "receivers"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"--{name} must be 1 or more")


REGION = Parameter(name="--region", metavar="FILE|NUMBERS", allow_leading_hyphen=True)


@option_group("Where antennas may stand")
@dataclass(frozen=True, kw_only=True)
class RegionFlags(Options, Region):
    """Where antennas may stand.

    :param clearance: distance of antennas from every surface [m]
    :param height: lowest and highest antenna above the floor or street [m]; default: 1 to 2 m in a
        street, anywhere in a room
    :param tx_height: the same for transmitters [m]; default: as --height
    :param area: polygon that antennas keep to, in metres of the scene: a .geojson or .csv file
        (columns x, y and perhaps ring), or corners as in "0 0 8 0 8 6 0 6"; after a semicolon, the
        corners of a hole or of another part
    """

    area: Annotated[str | None, REGION] = None


@option_group("Where antennas may stand")
@dataclass(frozen=True, kw_only=True)
class CandidateFlags(RegionFlags, CandidateOptions):
    """Where antennas may stand, and the number of candidate positions.

    :param num_tx: candidate transmitters; default: 20, or twice --setups
    :param num_rx: candidate receivers of each; default: 60, or twice --receivers
    """

    num_tx: Annotated[int | None, Parameter(name="--num-tx-candidates")] = None
    num_rx: Annotated[int | None, Parameter(name="--num-rx-candidates")] = None
    num_draws: Annotated[int, Parameter(parse=False)] = CandidateOptions.num_draws


@option_group("Expected measurement")
@dataclass(frozen=True)
class DesignOptions(Options):
    """What is going to be measured, and the prior that a plan assumes.

    :param noise_db: standard deviation of each level that is expected [dB]
    :param observe: what is going to be measured of each link, as in power,delay:10ns@1db; see
        simulate --observe
    :param quantities: a parameter of the objects that is unknown; may be repeated. Positions are
        chosen for the conductivities, in spite of what else is unknown
    :param prior_width: standard deviation of ln(conductivity) before measuring; default: 0.5, or
        after a measurement that of published measurements, as estimate has it
    :param fixed: object of known conductivity; may be repeated
    :raises ConfigurationError: if a width is not positive and finite
    """

    noise_db: float = 0.1
    prior_width: float | None = None
    fixed: Annotated[tuple[str, ...], Parameter(metavar="NAME")] = ()
    observe: Annotated[str | None, Parameter(metavar="WORDS")] = None
    quantities: Annotated[tuple[str, ...], Parameter(name="--unknown")] = ("conductivity",)

    def __post_init__(self) -> None:
        for name in ("noise_db", "prior_width"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise ConfigurationError(f"--{name.replace('_', '-')} must be positive and finite")
        self.value()

    def value(self) -> Design:
        """The design without a measurement before it.

        :raises ConfigurationError: if a word is no observable, or a quantity cannot be planned for
        """
        return Design(
            noise_db=self.noise_db, prior_width=self.planned_width, fixed=self.fixed,
            observables=self.observe or "power", quantities=self.quantities,
        )  # fmt: skip

    @property
    def planned_width(self) -> float:
        """The width that plans without a measurement assume."""
        return PRIOR_WIDTH if self.prior_width is None else self.prior_width


def strategy_of(
    name: StrategyName,
    candidates: CandidateFlags,
    radio: RadioConfig,
    design: DesignOptions | None = None,
    start: Campaign | None = None,
) -> Strategy:
    """A placement strategy with its options.

    :param candidates: where antennas may stand
    :param radio: radio configuration of the measurement
    :param design: noise and prior; None: the strategy's own
    :param start: positions that "vlm_then_refine" begins at; None: the offline rules'
    :raises ConfigurationError: if an option does not go with the strategy
    """
    if start is not None and name != "vlm_then_refine":
        raise ConfigurationError("--start FILE goes with --placement vlm_then_refine")
    if name == "vlm":
        return Vlm(region=value_of(Region, candidates))
    if name in ("random", "grid"):
        region = value_of(Region, candidates)
        return Random(region) if name == "random" else Grid(region)
    kinds: dict[str, type[AOptimal | DOptimal | VlmThenRefine]] = {
        "a_optimal": AOptimal, "d_optimal": DOptimal, "vlm_then_refine": VlmThenRefine
    }  # fmt: skip
    strategy = kinds[name](candidates=value_of(CandidateOptions, candidates), radio=radio)
    if design is not None:
        strategy = dataclasses.replace(
            strategy, noise_db=design.noise_db, prior_width=design.planned_width,
            fixed=design.fixed, observables=design.value().observables,
            quantities=design.quantities,
        )  # fmt: skip
    if start is not None and isinstance(strategy, VlmThenRefine):
        strategy = dataclasses.replace(strategy, start=start)
    return strategy


def value_of(kind: type[Value], options: Value) -> Value:
    """The plain value that options of the command line hold."""
    names = [each.name for each in fields(cast(Any, kind))]
    return kind(**{name: getattr(options, name) for name in names})


def stored_radio(estimate: Calibration | None, asked: RadioConfig) -> RadioConfig:
    """The radio configuration that an estimate was made with, else the one asked for.

    :raises ConfigurationError: if an option that was given contradicts it
    """
    if estimate is None or estimate.origin is None:
        return asked
    stored, plain = estimate.origin.radio, RadioConfig()
    for each in fields(RadioConfig):
        given = getattr(asked, each.name)
        if given not in (getattr(plain, each.name), getattr(stored, each.name)):
            option = "solver-seed" if each.name == "seed" else each.name.replace("_", "-")
            raise ConfigurationError(
                f"the estimate was made with --{option} {getattr(stored, each.name)}, not {given}; "
                "leave the option out, or estimate again"
            )
    return stored


def csv_text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV text."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def check_target(path: Path | None, *suffixes: str, overwrite: bool) -> None:
    """Refuse before the work what could not, or must not, be written after it.

    :param path: None: nothing is to be written
    :param overwrite: whether a file that is there may be replaced
    :raises CampaignError: if its name has another ending
    :raises ConfigurationError: if it is an HTML page, and what makes one is not installed
    :raises StorageError: if its folder is not there or not writable, or the file is there already
    """
    if path is None:
        return
    if path.suffix.lower() not in suffixes:
        raise CampaignError(f"cannot write {path}: its name must end in {' or '.join(suffixes)}")
    if path.suffix.lower() in (".html", ".htm"):
        need("plotly", "report", f"the page {path}")
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise StorageError(f"cannot write {path}: there is no such folder, or it is not writable")
    if not overwrite and os.path.lexists(path):
        raise StorageError(
            f"{path} is there already; name another file, or replace it with --overwrite"
        )
