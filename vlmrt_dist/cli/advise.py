"""``vlmrt advise``: what a vision-language model, or the offline rules, say of a scene."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from vlmrt_dist.campaign import RadioConfig, write_campaign
from vlmrt_dist.cli.options import (
    FrequencyOption,
    HeadroomOption,
    MaterialsOption,
    ReceiversOption,
    SceneOption,
    SeedOption,
    SetupsOption,
    check_target,
    named_scene,
    opt,
)
from vlmrt_dist.console import print_result, results_only, say
from vlmrt_dist.errors import ConfigurationError, FrequencyError
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel, conductivity_table
from vlmrt_dist.vlm import (
    Advisor,
    AdvisorOptions,
    Answers,
    Budget,
    Connection,
    Gemini,
    MaterialAdvice,
    Offline,
    OpenAICompatible,
    PositionAdvice,
    Recorded,
    Usage,
    advisor_named,
)

Value = TypeVar("Value")

_Name = Literal["offline", "gemini", "openai_compatible", "recorded"]
_Vlm = Annotated[
    _Name,
    opt(
        "Who is asked: Google's Gemini (needs a key), a server that speaks chat completions, rules "
        "on names and geometry (offline; no vision model), or a recording."
    ),
]
_Model = Annotated[str | None, opt("The model, as its provider calls it.", metavar="NAME")]
_BaseUrl = Annotated[str | None, opt("The server, e.g. http://127.0.0.1:8000/v1.", metavar="URL")]
_KeyFile = Annotated[
    Path | None,
    opt("A file with the key, mode 0600; default: GEMINI_API_KEY, OPENAI_API_KEY.", metavar="FILE"),
]
_Image = Annotated[
    list[Path] | None,
    opt("A photograph, PNG or JPEG; may be repeated. Default: rendered views.", metavar="FILE"),
]
_Anonymous = Annotated[
    bool, typer.Option("--anonymous", help="Hide the scene's names, so that pictures decide.")
]
_Recording = Annotated[
    Path | None, opt("The answers that --vlm recorded replays, .json.", metavar="FILE")
]
_Record = Annotated[Path | None, opt("Add the model's answers to this .json.", metavar="FILE")]
_NoCache = Annotated[bool, typer.Option("--no-cache", help="Ask again what was answered before.")]
_Timeout = Annotated[float | None, opt("Of one request [s]; default: 180.")]
_Retries = Annotated[int | None, opt("Further attempts of a request; default: 4.")]
_Backoff = Annotated[float | None, opt("Pause before the first of them [s]; default: 2.")]
_MaxCost = Annotated[
    float | None, opt("Most to spend [US dollars]; default for gemini: 5 at built-in prices.")
]
_Price = Annotated[
    tuple[float, float] | None,
    opt("US dollars for a million tokens sent, received.", metavar="SENT RECEIVED"),
]
_Figure = Annotated[Path | None, opt("Draw the positions to this .png.", metavar="FILE")]
_Out = Annotated[Path | None, opt("Write the positions, .csv or .parquet.", metavar="FILE")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def advise(
    scene: SceneOption = "box_room",
    vlm: _Vlm = "offline",
    model: _Model = None,
    base_url: _BaseUrl = None,
    key_file: _KeyFile = None,
    image: _Image = None,
    setups: SetupsOption = 3,
    receivers: ReceiversOption = 8,
    frequency: FrequencyOption = 3.5e9,
    headroom: HeadroomOption = 0.0,
    material: MaterialsOption = None,
    seed: SeedOption = 0,
    figure: _Figure = None,
    out: _Out = None,
    as_json: _Json = False,
    anonymous: _Anonymous = False,
    recording: _Recording = None,
    record: _Record = None,
    no_cache: _NoCache = False,
    timeout: _Timeout = None,
    retries: _Retries = None,
    backoff: _Backoff = None,
    max_cost_usd: _MaxCost = None,
    price_usd: _Price = None,
) -> None:
    """What objects are made of and where to measure, as a model or the offline rules see it."""
    RadioConfig(frequency=frequency)  # refuses what is no carrier
    for path, suffixes in ((figure, (".png",)), (out, (".csv", ".parquet")), (record, (".json",))):
        if path is not None:
            check_target(path, *suffixes)
    if setups < 0 or (setups and receivers < 1):
        raise ConfigurationError("--setups must be 0 (no positions) or more, --receivers 1 or more")
    if setups == 0 and (figure or out):
        raise ConfigurationError("--figure and --out show positions; ask for --setups 1 or more")
    given = _Given(
        model=model,
        base_url=base_url,
        key_file=key_file,
        anonymous=anonymous or None,
        recording=recording,
        record=record,
        no_cache=no_cache or None,
        timeout=timeout,
        retries=retries,
        backoff=backoff,
        max_cost_usd=max_cost_usd,
        price_usd=price_usd,
    )
    # First of all, because it takes the key out of the environment that other processes get.
    advisor = advisor_named(given.advisor(vlm))
    room = named_scene(scene, headroom, material)
    table = conductivity_table(frequency)
    if not table:
        raise FrequencyError(f"ITU-R P.2040 has no values for any material at {frequency:g} Hz")
    if advisor.name == "offline":
        say("note: the offline advisor is no vision model; it reads names and geometry")
    with results_only():
        images = _images(advisor, room, image or [])
        materials = advisor.propose_materials(images, room, table, frequency=frequency)
    if not as_json:
        print_result(_materials_text(materials, frequency))
    positions = None
    if setups:
        with results_only():
            positions = advisor.propose_positions(images, room, setups, receivers, seed=seed)
        if not as_json:
            print_result("\n" + _positions_text(positions))
    if as_json:
        answer = _as_dict(materials, positions, frequency)
        print_result(json.dumps(answer, indent=2, allow_nan=False))
    if advisor.spent_usd:
        say(f"spent about {advisor.spent_usd:.4f} US dollars, at the prices that are assumed")
    if positions is not None and out is not None:
        write_campaign(positions.campaign, out)
        say(f"positions written to {out}")
    if positions is not None and figure is not None:
        from vlmrt_dist.report import positions_figure

        positions_figure(room, positions.campaign, figure, reasons=positions.reasons)
        say(f"figure written to {figure}")


@dataclasses.dataclass(frozen=True)
class _Given:
    """Options of the advisors as given on the command line; None: not given."""

    model: str | None
    base_url: str | None
    key_file: Path | None
    anonymous: bool | None
    recording: Path | None
    record: Path | None
    no_cache: bool | None
    timeout: float | None
    retries: int | None
    backoff: float | None
    max_cost_usd: float | None
    price_usd: tuple[float, float] | None

    def advisor(self, name: str) -> AdvisorOptions:
        """The options of the advisor called ``name``.

        :raises ConfigurationError: if it does not take one that was given, or needs one that was
            not
        """
        if name == "recorded" and self.recording is None:
            raise ConfigurationError("--vlm recorded needs --recording FILE")
        if name != "recorded" and self.recording is not None:
            raise ConfigurationError("--recording goes with --vlm recorded")
        if name == "offline":
            self._refuse_all_but("offline")
            return Offline()
        if self.recording is not None:
            self._refuse_all_but("recorded", "recording", "anonymous")
            return Recorded(self.recording, anonymous=bool(self.anonymous))
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
            )
        return OpenAICompatible(
            model=self.model or "",
            base_url=self.base_url or "",
            key_file=self.key_file,
            connection=connection,
            budget=self._budget(OpenAICompatible.budget),
            answers=answers,
            anonymous=bool(self.anonymous),
        )

    def _budget(self, default: Budget) -> Budget:
        return Budget(
            max_requests=default.max_requests,
            max_cost_usd=_or(self.max_cost_usd, default.max_cost_usd),
            price_usd=self.price_usd,
        )

    def _refuse_all_but(self, name: str, *known: str) -> None:
        given = [f.name for f in dataclasses.fields(self) if getattr(self, f.name) is not None]
        unknown = [repr(option) for option in given if option not in known]
        if unknown:
            raise ConfigurationError(f"the advisor {name!r} has no option {', '.join(unknown)}")


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
    width = max(6, *map(len, prior.names))
    lines = [
        f"{'object':<{width}}  {'material':<18} {'S/m':>10} {'confidence':>10}  source",
        *(
            f"{name:<{width}}  {material:<18} {value:>10.4g} {trust:>10.2f}  {source}"
            for name, material, value, trust, source in zip(
                prior.names, prior.materials, values, prior.confidence, prior.sources, strict=True
            )
        ),
    ]
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
