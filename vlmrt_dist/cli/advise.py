"""``vlmrt advise``: a vision-language model, or the offline rules, asked about a scene."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from vlmrt_dist.campaign import RadioConfig, Region, write_campaign
from vlmrt_dist.cli.options import RegionFlags, SceneOptions, check_target, value_of
from vlmrt_dist.command_line import Options, described, option_group
from vlmrt_dist.console import first_rows, print_result, results_only, say, tallied
from vlmrt_dist.errors import ConfigurationError, FrequencyError
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel, conductivity_table
from vlmrt_dist.vlm import (
    Advisor,
    AdvisorName,
    AdvisorOptions,
    Answers,
    Budget,
    Connection,
    Gemini,
    MaterialAdvice,
    Offline,
    OpenAICompatible,
    PositionAdvice,
    PromptName,
    Recorded,
    Usage,
    advisor_named,
)

Value = TypeVar("Value")


@option_group("Advisor")
@dataclass(frozen=True)
class AdvisorFlags(Options):
    """Advisor and its options; None: not given.

    :param vlm: Google's Gemini (needs a key), a server that speaks chat completions, rules on names
        and geometry (offline; no vision model), or a recording
    :param model: the model, as its provider calls it
    :param base_url: the server, e.g. http://127.0.0.1:8000/v1
    :param key_file: a file with the key, mode 0600; default: GEMINI_API_KEY, OPENAI_API_KEY
    :param anonymous: hide the scene's names, so that pictures decide; offline: shapes
    :param prompt: the paper's prompts in words of our own (structured), or as the paper prints them
        (verbatim); default: structured
    :param recording: the answers that --vlm recorded replays, .json
    :param record: add the model's answers to this .json
    :param no_cache: ask again what was answered before
    :param timeout: of one request [s]; default: 180
    :param retries: further attempts of a request; default: 4
    :param backoff: pause before the first of them [s]; default: 2
    :param max_cost_usd: most to spend [US dollars]; default for gemini: 5 at built-in prices
    :param price_usd: US dollars for a million tokens sent, received
    :raises ConfigurationError: if an option does not go with the advisor, or it needs one that was
        not given
    """

    vlm: AdvisorName = "offline"
    model: Annotated[str | None, Parameter(metavar="NAME")] = None
    base_url: Annotated[str | None, Parameter(metavar="URL")] = None
    key_file: Annotated[Path | None, Parameter(metavar="FILE")] = None
    anonymous: bool | None = None
    prompt: PromptName | None = None
    recording: Annotated[Path | None, Parameter(metavar="FILE")] = None
    record: Annotated[Path | None, Parameter(metavar="FILE")] = None
    no_cache: bool | None = None
    timeout: float | None = None
    retries: int | None = None
    backoff: float | None = None
    max_cost_usd: float | None = None
    price_usd: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_target(self.record, ".json", overwrite=True)  # answers are added to it
        self.value()

    def value(self) -> AdvisorOptions:
        """The advisor.

        :raises ConfigurationError: if it does not take one that was given, or needs one that was
            not
        """
        name = self.vlm
        if name == "recorded" and self.recording is None:
            raise ConfigurationError("--vlm recorded needs --recording FILE")
        if name != "recorded" and self.recording is not None:
            raise ConfigurationError("--recording goes with --vlm recorded")
        if name == "offline":
            self._refuse_all_but("offline", "anonymous")
            return Offline(anonymous=bool(self.anonymous))
        prompt = _or(self.prompt, Gemini.prompt)
        if self.recording is not None:
            self._refuse_all_but("recorded", "recording", "anonymous", "prompt")
            return Recorded(self.recording, anonymous=bool(self.anonymous), prompt=prompt)
        connection = Connection(
            _or(self.timeout, Connection.timeout),
            _or(self.retries, Connection.retries),
            _or(self.backoff, Connection.backoff),
        )
        answers = Answers(cache=not self.no_cache, record=self.record)
        if name == "gemini":
            return Gemini(
                model=_or(self.model, Gemini.model),
                base_url=_or(self.base_url, Gemini.base_url),
                key_file=self.key_file,
                connection=connection,
                budget=self._budget(Gemini.budget),
                answers=answers,
                anonymous=bool(self.anonymous),
                prompt=prompt,
            )
        return OpenAICompatible(
            model=self.model or "",
            base_url=self.base_url or "",
            key_file=self.key_file,
            connection=connection,
            budget=self._budget(OpenAICompatible.budget),
            answers=answers,
            anonymous=bool(self.anonymous),
            prompt=prompt,
        )

    def _budget(self, default: Budget) -> Budget:
        return Budget(
            max_requests=default.max_requests,
            max_cost_usd=_or(self.max_cost_usd, default.max_cost_usd),
            price_usd=self.price_usd,
        )

    def _refuse_all_but(self, name: str, *known: str) -> None:
        given = [f.name for f in dataclasses.fields(self) if getattr(self, f.name) is not None]
        unknown = [
            "--" + option.replace("_", "-") for option in given if option not in (*known, "vlm")
        ]
        if unknown:
            raise ConfigurationError(f"the advisor {name!r} has no option {', '.join(unknown)}")


@option_group("Positions")
@dataclass(frozen=True)
class AdvisedPositions(Options):
    """Positions that are asked for, and where they go.

    :param setups: transmitter positions (M); 0: materials only
    :param receivers: receiver positions of each setup (N)
    :param figure: draw the positions to this .png
    :param out: write the positions, .csv or .parquet
    :param overwrite: replace files that are there already
    :raises ConfigurationError: if a number makes no sense, or there is nothing to draw or write
    """

    setups: int = 3
    receivers: int = 8
    figure: Annotated[Path | None, Parameter(metavar="FILE")] = None
    out: Annotated[Path | None, Parameter(metavar="FILE")] = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_target(self.figure, ".png", overwrite=self.overwrite)
        check_target(self.out, ".csv", ".parquet", overwrite=self.overwrite)
        if self.setups < 0 or (self.setups and self.receivers < 1):
            raise ConfigurationError(
                "--setups must be 0 (no positions) or more, --receivers 1 or more"
            )
        if self.setups == 0 and (self.figure or self.out):
            raise ConfigurationError(
                "--figure and --out show positions; ask for --setups 1 or more"
            )


@described
def advise_command(
    *,
    scene: SceneOptions = SceneOptions(),
    asked: AdvisorFlags = AdvisorFlags(),
    positions: AdvisedPositions = AdvisedPositions(),
    region: RegionFlags = RegionFlags(),
    image: Annotated[tuple[Path, ...], Parameter(metavar="FILE")] = (),
    frequency: float = RadioConfig.frequency,
    seed: int = 0,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Materials of the objects and positions to measure, by a model or the offline rules.

    :param image: a photograph, PNG or JPEG; may be repeated; default: rendered views
    :param frequency: carrier [Hz]
    :param seed: seed of the offline rules' positions
    :param as_json: print one JSON object
    """
    RadioConfig(frequency=frequency)  # refuses what is no carrier
    # First of all, because it takes the key out of the environment that other processes get.
    advisor = advisor_named(asked.value())
    room = scene.load(frequency, keep_unstated=True)
    table = conductivity_table(frequency)
    if not table:
        raise FrequencyError(f"ITU-R P.2040 has no values for any material at {frequency:g} Hz")
    if advisor.name == "offline":
        read = "shapes alone" if asked.anonymous else "names and geometry"
        say(f"note: the offline advisor is no vision model; it reads {read}")
    with results_only():
        images = _images(advisor, room, image)
        materials = advisor.propose_materials(images, room, table, frequency=frequency)
    room = room.fill_materials(materials.prior.materials)
    if not as_json:
        print_result(_materials_text(materials, frequency))
    advice = None
    if positions.setups:
        with results_only():
            advice = advisor.propose_positions(
                images,
                room,
                positions.setups,
                positions.receivers,
                seed=seed,
                region=value_of(Region, region),
            )
        if not as_json:
            print_result("\n" + _positions_text(advice))
    if as_json:
        answer = _as_dict(materials, advice, frequency)
        print_result(json.dumps(answer, indent=2, allow_nan=False))
    if advisor.spent_usd:
        say(f"spent about {advisor.spent_usd:.4f} US dollars, at the prices that are assumed")
    if advice is not None:
        _write(room, advice, positions)


def _write(room: SceneModel, advice: PositionAdvice, positions: AdvisedPositions) -> None:
    if positions.out is not None:
        write_campaign(advice.campaign, positions.out)
        say(f"positions written to {positions.out}")
    if positions.figure is not None:
        from vlmrt_dist.report import positions_figure

        positions_figure(room, advice.campaign, positions.figure, reasons=advice.reasons)
        say(f"figure written to {positions.figure}")


def _or(value: Value | None, default: Value) -> Value:
    return default if value is None else value


def _images(advisor: Advisor, room: SceneModel, files: Sequence[Path]) -> list[SceneImage]:
    if not advisor.sees_images:
        if files:
            say(f"note: the {advisor.name} advisor looks at no pictures; --image has no effect")
        return []
    if files:
        from vlmrt_dist.rendering import read_photograph

        return [read_photograph(file) for file in files]
    from vlmrt_dist.rendering import render_scene

    say("rendering the scene")
    return list(render_scene(room))


def _materials_text(advice: MaterialAdvice, frequency: float) -> str:
    prior = advice.prior
    values = prior.conductivity(frequency)
    shown = first_rows(prior.confidence.tolist())
    width = max(6, *(len(prior.names[k]) for k in shown))
    lines = [
        f"{'object':<{width}}  {'material':<18} {'S/m':>10} {'confidence':>10}  source",
        *(
            f"{prior.names[k]:<{width}}  {prior.materials[k]:<18} {values[k]:>10.4g} "
            f"{prior.confidence[k]:>10.2f}  {prior.sources[k]}"
            for k in shown
        ),
    ]
    if len(shown) < len(prior.names):
        lines.append(
            f"these are the {len(shown)} least certain of {len(prior.names)} objects: "
            f"{tallied(prior.materials)}; all of them with --json"
        )
    return "\n".join([*lines, *_usage_lines(advice.usage)])


def _positions_text(advice: PositionAdvice) -> str:
    lines = [f"{'position':<24} {'x':>8} {'y':>8} {'z':>8} [m]  reason"]
    reasons = iter(advice.reasons)
    for m, setup in enumerate(advice.campaign.setups):
        for n, place in enumerate([setup.tx, *setup.rx]):
            name = f"setup {m + 1}, " + (f"receiver {n}" if n else "transmitter")
            x, y, z = place
            lines.append(f"{name:<24} {x:>8.2f} {y:>8.2f} {z:>8.2f}      {next(reasons)}".rstrip())
    return "\n".join([*lines, *_usage_lines(advice.usage)])


def _usage_lines(usage: Usage) -> list[str]:
    who = " ".join(filter(None, (usage.provider, usage.model)))
    about = [f"prompt {usage.prompt}"] if usage.prompt else []
    about.append(f"pictures: {usage.image_source}")
    if usage.cached:
        about.append("from the cache")
    elif usage.attempts:
        requests = "1 request" if usage.attempts == 1 else f"{usage.attempts} requests"
        about.append(
            f"{requests}, {usage.input_tokens} tokens sent, {usage.output_tokens} received"
        )
    about.append(f"{usage.seconds:.1f} s")
    return [f"advisor: {who}; {'; '.join(about)}", *(f"remark: {line}" for line in usage.remarks)]


def _as_dict(
    materials: MaterialAdvice, positions: PositionAdvice | None, frequency: float
) -> dict[str, Any]:
    prior = materials.prior
    columns = zip(
        prior.names,
        prior.materials,
        prior.conductivity(frequency).tolist(),
        prior.c.tolist(),
        prior.d.tolist(),
        prior.confidence.tolist(),
        prior.sources,
        strict=True,
    )
    keys = ("object", "material", "conductivity", "c", "d", "confidence", "source")
    answer: dict[str, Any] = {
        "materials": [dict(zip(keys, values, strict=True)) for values in columns],
        "usage": {"materials": dataclasses.asdict(materials.usage)},
    }
    if positions is not None:
        reasons = iter(positions.reasons)
        answer["setups"] = [
            {
                "tx": _place(setup.tx, next(reasons)),
                "rx": [_place(place, next(reasons)) for place in setup.rx],
            }
            for setup in positions.campaign.setups
        ]
        answer["usage"]["positions"] = dataclasses.asdict(positions.usage)
    return answer


def _place(place: Any, reason: str) -> dict[str, Any]:
    x, y, z = place.tolist()
    return {"x": x, "y": y, "z": z, "reason": reason}
