"""Advisor that asks a model: question, answer, checks, one repair, a named fallback.

A request without an answer (no connection, no quota, a blocked or cut answer) is a
:class:`VlmError`. A wrong answer is not: its valid parts are kept, the others are requested once
more with the reasons, and parts that are still wrong are replaced, object by object and position by
position, and named in the usage's remarks.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from vlmrt_dist.campaign import AntennaSpace, Campaign, Region
from vlmrt_dist.distributed import STUDY_METRICS
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.rendering import SceneImage
from vlmrt_dist.scene import SceneModel, prior_from_classes
from vlmrt_dist.vlm.advisor import MaterialAdvice, PositionAdvice, Usage
from vlmrt_dist.vlm.offline.material_words import LIKELY, read_material
from vlmrt_dist.vlm.offline.rules import OfflineAdvisor
from vlmrt_dist.vlm.options import Answers, PromptName
from vlmrt_dist.vlm.parsing import UnreadableAnswer, read_list, read_object
from vlmrt_dist.vlm.printed_answers import (
    SeenMaterial,
    check_assignments,
    printed_setups,
    read_seen,
)
from vlmrt_dist.vlm.prompts import builder as prompting
from vlmrt_dist.vlm.prompts import verbatim
from vlmrt_dist.vlm.providers.cache import AnswerCache
from vlmrt_dist.vlm.providers.recorded import Recorder
from vlmrt_dist.vlm.questions import Question, Reply, Transport
from vlmrt_dist.vlm.validation import (
    CheckedMaterials,
    CheckedPositions,
    MaterialChoice,
    Room,
    Slot,
    check_materials,
    check_repaired,
    check_setups,
    closed_list,
    coincides,
    slot_name,
)

Judged = TypeVar("Judged")

Table = Mapping[str, tuple[float, float]]

FALLBACK = "fallback: "
"""First word of the source or reason of a fallback's choice."""

MAX_NAMED = 10
"""Most objects or positions that a remark names, and most such remarks of an answer."""

MAX_DRAWS = 200
"""Most free positions drawn to find one apart from the others."""


@dataclass
class _Tally:
    """Cost of a series of questions so far."""

    attempts_before: int
    begin: float = field(default_factory=time.perf_counter)
    replies: list[Reply] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    from_cache: list[bool] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class ModelAdvisor:
    """The advisor of a provider's model; the provider itself is its transport.

    :param transport: sends questions
    :param answers: cache and recording
    :param prompt: which text the questions have
    :param anonymous: hide names and material classes of the scene's file from the model
    :raises VlmError: if the recording exists and is none
    """

    def __init__(
        self,
        transport: Transport,
        answers: Answers,
        *,
        prompt: PromptName = "structured",
        anonymous: bool = False,
    ) -> None:
        self.name = transport.provider
        self.sees_images = transport.sees_images
        self.transport = transport
        self._cache = AnswerCache() if answers.cache else None
        self._recorder = Recorder(answers.record) if answers.record is not None else None
        self._verbatim = prompt == "verbatim"
        self._anonymous = anonymous

    @property
    def spent_usd(self) -> float:
        """Cost so far [US dollars], at the assumed prices."""
        return self.transport.spent_usd

    def propose_materials(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        table: Mapping[str, tuple[float, float]],
        *,
        frequency: float,
    ) -> MaterialAdvice:
        """The model's choice for each object; see :class:`~vlmrt_dist.vlm.advisor.Advisor`.

        :raises VlmError: if a request brings no answer
        :raises MaterialError: if the table names no material of ITU-R P.2040
        """
        rows = closed_list(table)
        labels = prompting.prompt_labels(scene, self._anonymous)
        choices: list[MaterialChoice] = []
        tally = _Tally(self.transport.attempts)
        seen = self._seen(images, rows, tally) if self._verbatim else {}
        for start in range(0, scene.num_objects, prompting.OBJECTS_PER_QUESTION):
            part = range(scene.num_objects)[start : start + prompting.OBJECTS_PER_QUESTION]
            asked = [labels[k] for k in part]
            if isinstance(seen, str):
                checked = CheckedMaterials(problems=dict.fromkeys(asked, seen))
            elif self._verbatim:
                question = verbatim.assignment_question(
                    scene, part, labels, {name: s.material for name, s in seen.items()}, images
                )
                checked = self._asked_materials(question, asked, _assigned(seen, rows), tally)
            else:
                question = prompting.materials_question(
                    scene, part, labels, rows, frequency, images
                )
                checked = self._asked_materials(question, asked, _listed(rows), tally)
            tally.remarks += checked.remarks
            if checked.problems:
                tally.remarks += _named("the offline advisor", checked.problems)
                rules = OfflineAdvisor(anonymous=self._anonymous)
                offline = rules.propose_materials((), scene, rows, frequency=frequency)
                checked.valid |= _choices_of(offline, labels, checked.problems)
            choices += [checked.valid[labels[k]] for k in part]
        prior = prior_from_classes(
            scene.names,
            [choice.material for choice in choices],
            [choice.confidence for choice in choices],
            [choice.source for choice in choices],
            rows,
            frequency=frequency,
        )
        prompt = prompting.MATERIALS_PROMPT
        if self._verbatim:
            prompt = f"{verbatim.VERBATIM_MATERIALS}+{verbatim.ASSIGNMENT_PROMPT}"
        return MaterialAdvice(prior, self._usage(tally, prompt))

    def propose_positions(
        self,
        images: Sequence[SceneImage],
        scene: SceneModel,
        num_setups: int,
        num_receivers: int,
        *,
        seed: int = 0,
        region: Region | None = None,
    ) -> PositionAdvice:
        """The model's positions; see :class:`~vlmrt_dist.vlm.advisor.Advisor`.

        :raises VlmError: if a request brings no answer
        :raises CampaignError: if a count is impossible, or no free space is found for a fallback
        """
        space = AntennaSpace(scene, region or Region())
        asking = (
            verbatim.verbatim_positions_question
            if self._verbatim
            else (prompting.positions_question)
        )
        question = asking(space, num_setups, num_receivers, images, anonymous=self._anonymous)
        room = Room(space, prompting.prompt_labels(scene, self._anonymous))
        tally = _Tally(self.transport.attempts)
        checked = self._asked_positions(question, room, num_setups, num_receivers, tally)
        tally.remarks += checked.remarks
        named = {slot_name(slot): why for slot, why in checked.problems.items()}
        tally.remarks += _named(f"a random free position (seed {seed})", named)
        _place_freely(checked, room, seed)
        slots = [(m, n) for m in range(num_setups) for n in range(num_receivers + 1)]
        places = np.array([checked.valid[slot] for slot in slots])
        places = places.reshape(num_setups, num_receivers + 1, 3)
        return PositionAdvice(
            Campaign(tx=places[:, 0], rx=places[:, 1:]),
            tuple(checked.reasons[slot] for slot in slots),
            self._usage(tally, question.prompt),
        )

    def _seen(
        self, images: Sequence[SceneImage], rows: Table, tally: _Tally
    ) -> dict[str, SeenMaterial] | str:
        """What the model names in the pictures, or the reason why its answers cannot be read."""

        def judged(text: str) -> tuple[dict[str, SeenMaterial], list[str]]:
            return read_seen(text, rows, _nearest(rows))

        question = verbatim.verbatim_materials_question(images)
        first = self._judged(question, judged, tally)
        if isinstance(first, str):
            problems = [{"problem": first}]
            repair = prompting.repair_question(
                question, problems, "all entries", verbatim.MATERIALS_FORM
            )
            first = self._judged(repair, judged, tally)
        if isinstance(first, str):
            return first
        tally.remarks += first[1]
        return first[0]

    def _asked_materials(
        self,
        question: Question,
        labels: Sequence[str],
        judged: Callable[[str, Sequence[str]], CheckedMaterials],
        tally: _Tally,
    ) -> CheckedMaterials:
        first = self._judged(question, lambda text: judged(text, labels), tally)
        if isinstance(first, str):
            first = CheckedMaterials(problems=dict.fromkeys(labels, first))
        if not first.problems:
            return first
        repair = prompting.repair_question(
            question,
            [{"object": label, "problem": why} for label, why in first.problems.items()],
            f"these {len(first.problems)} objects",
            prompting.form_of(question),
        )
        second = self._judged(repair, lambda text: judged(text, list(first.problems)), tally)
        if isinstance(second, str):
            return dataclasses.replace(first, problems=dict.fromkeys(first.problems, second))
        return CheckedMaterials(
            first.valid | second.valid, second.problems, first.remarks + second.remarks
        )

    def _asked_positions(
        self,
        question: Question,
        room: Room,
        num_setups: int,
        num_receivers: int,
        tally: _Tally,
    ) -> CheckedPositions:
        def judged(text: str) -> CheckedPositions:
            if self._verbatim:
                setups = printed_setups(text)
            else:
                setups = read_list(read_object(text), "setups")
            return check_setups(setups, room, num_setups, num_receivers)

        first = self._judged(question, judged, tally)
        if isinstance(first, str):
            nothing = check_setups([], room, num_setups, num_receivers)
            first = CheckedPositions(problems=dict.fromkeys(nothing.problems, first))
        if not first.problems:
            return first
        before = first
        repair = prompting.repair_question(
            question,
            [
                {"setup": m + 1, "receiver": n, "problem": why}
                for (m, n), why in before.problems.items()
            ],
            f"these {len(before.problems)} positions",
            prompting.REPAIRED_POSITIONS_FORM,
            prompting.REPAIRED_POSITIONS_SCHEMA,
        )

        def repaired(text: str) -> CheckedPositions:
            return check_repaired(before, read_list(read_object(text), "positions"), room)

        second = self._judged(repair, repaired, tally)
        if isinstance(second, str):
            return dataclasses.replace(before, problems=dict.fromkeys(before.problems, second))
        return second

    def _judged(
        self, question: Question, judge: Callable[[str], Judged], tally: _Tally
    ) -> Judged | str:
        """The result of ``judge`` on the reply, or the reason why the reply cannot be read.

        Only readable answers are cached; the question of any other is asked again.
        """
        fingerprint = self.transport.fingerprint(question)
        reply = self._cache.load(fingerprint) if self._cache is not None else None
        tally.from_cache.append(reply is not None)
        asked = reply is None
        if reply is None:
            begin = time.perf_counter()
            reply = self.transport.ask(question)
            seconds = time.perf_counter() - begin
            STUDY_METRICS.tell_question(
                reply.model, reply.input_tokens, reply.output_tokens, seconds
            )
        tally.replies.append(reply)
        tally.prompts.append(question.prompt)
        if self._recorder is not None:
            self._recorder.add(question, self.name, reply)
        try:
            result = judge(reply.text)
        except UnreadableAnswer as error:
            return f"the answer could not be used: {error}"
        if asked and self._cache is not None:
            self._cache.save(fingerprint, reply)
        return result

    def _usage(self, tally: _Tally, prompt: str) -> Usage:
        repaired = any(name.endswith(prompting.REPAIR_PROMPT) for name in tally.prompts)
        version = prompt + (f"+{prompting.REPAIR_PROMPT}" if repaired else "")
        remarks = [f"parts of the answer were asked for again ({prompting.REPAIR_PROMPT})"]
        remarks = remarks if repaired else []
        for reply in tally.replies:
            remarks += reply.remarks
        fresh = [
            reply
            for reply, cached in zip(tally.replies, tally.from_cache, strict=True)
            if not cached
        ]
        return Usage(
            provider=self.name,
            model=tally.replies[0].model,
            prompt=version + (" (anonymous)" if self._anonymous else ""),
            image_source=tally.replies[0].image_source,
            attempts=self.transport.attempts - tally.attempts_before,
            input_tokens=sum(reply.input_tokens for reply in fresh),
            output_tokens=sum(reply.output_tokens for reply in fresh),
            seconds=time.perf_counter() - tally.begin,
            cached=all(tally.from_cache),
            remarks=tuple(dict.fromkeys([*remarks, *tally.remarks])),
        )


def _nearest(rows: Table) -> Callable[[str], str | None]:
    """The class that free text surely means."""

    def nearest(text: str) -> str | None:
        reading = read_material(text, rows)
        return reading.material if reading and reading.confidence >= LIKELY else None

    return nearest


def _listed(rows: Table) -> Callable[[str, Sequence[str]], CheckedMaterials]:
    """The check of an answer that states a material for each object."""
    return lambda text, asked: check_materials(
        read_list(read_object(text), "materials"), asked, rows, _nearest(rows)
    )


def _assigned(
    seen: Mapping[str, SeenMaterial], rows: Table
) -> Callable[[str, Sequence[str]], CheckedMaterials]:
    """The check of an answer that says which entry each object is."""
    return lambda text, asked: check_assignments(
        read_list(read_object(text), "assignments"), asked, seen, rows, _nearest(rows)
    )


def _choices_of(
    offline: MaterialAdvice, labels: Sequence[str], wanted: Collection[str]
) -> dict[str, MaterialChoice]:
    """The offline advisor's choices for some of the labels, marked as fallbacks."""
    prior = offline.prior
    rows = zip(labels, prior.materials, prior.confidence.tolist(), prior.sources, strict=True)
    return {
        label: MaterialChoice(material, confidence, f"{FALLBACK}offline, {source}")
        for label, material, confidence, source in rows
        if label in wanted
    }


def _place_freely(checked: CheckedPositions, room: Room, seed: int) -> None:
    """Fill the slot of each problem with a free position apart from the valid ones."""
    rng = np.random.default_rng(seed)
    for slot in sorted(checked.problems):
        checked.valid[slot] = _free_place(slot, checked, room, rng)
        checked.reasons[slot] = f"{FALLBACK}random free position, {checked.problems[slot]}"


def _free_place(
    slot: Slot, checked: CheckedPositions, room: Room, rng: np.random.Generator
) -> np.ndarray:
    for _ in range(MAX_DRAWS):
        place = np.asarray(room.space.draw(1, rng, transmitter=slot[1] == 0)[0])
        if coincides(slot, place, checked.valid) is None:
            return place
    raise CampaignError("there is not enough free space for so many distinct positions")


def _named(fallback: str, problems: Mapping[str, str]) -> list[str]:
    """Remarks on what a fallback replaces, one for each reason."""
    names: dict[str, list[str]] = {}
    for name, why in problems.items():
        names.setdefault(why, []).append(name)
    remarks = []
    for why, those in names.items():
        more = f" and {len(those) - MAX_NAMED} more" if len(those) > MAX_NAMED else ""
        remarks.append(f"{FALLBACK}{fallback} for {', '.join(those[:MAX_NAMED])}{more}: {why}")
    if len(remarks) > MAX_NAMED:
        remarks[MAX_NAMED:] = [f"{FALLBACK}{fallback} for {len(remarks) - MAX_NAMED} reasons more"]
    return remarks
