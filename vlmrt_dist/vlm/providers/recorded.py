"""Recordings of a model's answers, and their replay without the model.

A recording maps the text of a question to the raw answer. Replayed answers pass the same parsing,
checks, repairs and fallbacks as the model's own did, so they give the same advice, on any machine,
without key, network or images. Images are not compared: the same question about other pictures
replays the recorded answer.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vlmrt_dist.errors import VlmError
from vlmrt_dist.store import UnreadableFile, read_limited, write_atomic
from vlmrt_dist.vlm.parsing import UnreadableAnswer, printable, read_object
from vlmrt_dist.vlm.questions import Question, Reply, fingerprint

FORMAT = "vlmrt recorded answers 1"
MAX_RECORDING_BYTES = 64 * 1024 * 1024


class RecordedAnswer(BaseModel):
    """One question and its answer.

    ``question`` is the SHA-256 of the prompt's text, ``prompt`` and ``subject`` are for people.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    question: str
    prompt: str
    subject: str
    provider: str
    reply: Reply


class _Recording(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    format: str
    answers: list[RecordedAnswer]


def read_recording(path: str | os.PathLike[str]) -> dict[str, RecordedAnswer]:
    """The answers of a recording by the hash of their question.

    :raises VlmError: if the file cannot be read or is no recording
    """
    try:
        text = read_limited(path, MAX_RECORDING_BYTES).decode()
        recording = _Recording.model_validate(read_object(text, max_bytes=MAX_RECORDING_BYTES))
    except (UnreadableFile, UnreadableAnswer) as error:
        raise VlmError(f"cannot use the recording {path}: {error}") from None
    except (UnicodeDecodeError, ValidationError):
        raise VlmError(f"{path} is no recording of answers") from None
    if recording.format != FORMAT:
        raise VlmError(
            f"{path} is a recording of another format, {printable(recording.format, 60)!r}; this "
            f"version reads {FORMAT!r}"
        )
    return {answer.question: answer for answer in recording.answers}


class Recorder:
    """Adds answers to a recording; the file is complete after each one.

    :param path: the file; answers that it holds already are kept
    :raises VlmError: if it exists and is no recording
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._answers = read_recording(path) if self.path.exists() else {}

    def add(self, question: Question, provider: str, reply: Reply) -> None:
        """Add an answer to the file; it replaces an earlier one to the same question.

        :raises StorageError: if it cannot be written to
        """
        self._answers[question.key] = RecordedAnswer(
            question=question.key,
            prompt=question.prompt,
            subject=question.subject,
            provider=provider,
            reply=reply,
        )
        recording = _Recording(format=FORMAT, answers=list(self._answers.values()))
        write_atomic(self.path, recording.model_dump_json(indent=1).encode() + b"\n", private=True)


class RecordedTransport:
    """Replays a recording.

    :param path: the file
    :raises VlmError: if it cannot be used
    """

    provider = "recorded"
    sees_images = False
    attempts = 0
    spent_usd = 0.0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._answers = read_recording(path)

    def fingerprint(self, question: Question) -> str:
        """The question alone decides the reply."""
        return fingerprint(question, provider=self.provider)

    def ask(self, question: Question) -> Reply:
        """The recorded answer.

        :raises VlmError: if the recording does not hold this question
        """
        found = self._answers.get(question.key)
        if found is None:
            held = sorted({f"{a.prompt}: {a.subject}" for a in self._answers.values()})
            raise VlmError(
                f"the recording {self.path} does not hold the question {question.prompt!r} about "
                f"{question.subject} (text {question.key[:12]}); it holds "
                + (printable("; ".join(held), 400) or "nothing")
                + ". A question changes with the scene, the carrier, M, N and the prompt's version"
            )
        return found.reply
