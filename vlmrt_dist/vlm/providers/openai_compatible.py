"""Transport to chat-completions servers with images: vLLM, Ollama, Ray Serve and others."""

from __future__ import annotations

import base64
from typing import Any

from vlmrt_dist.errors import VlmError
from vlmrt_dist.extras import need
from vlmrt_dist.vlm.budget import IMAGE_TOKENS, Meter
from vlmrt_dist.vlm.options import OpenAICompatible
from vlmrt_dist.vlm.parsing import printable
from vlmrt_dist.vlm.providers.api_key import OPENAI_KEY, find_key
from vlmrt_dist.vlm.providers.transport import PLACEHOLDER_KEY, RequestFailed, Wire
from vlmrt_dist.vlm.questions import Question, Reply, fingerprint

SCHEMA_UNKNOWN = frozenset({400, 415, 422, 501})
"""HTTP statuses of servers that do not know ``response_format``."""

NO_SCHEMA = "the server does not take a JSON schema; the answer's form was asked for in words only"


class OpenAICompatibleTransport:
    """Sends questions to a chat-completions server.

    :raises VlmError: if the key file cannot be used
    :raises ConfigurationError: if its package is not installed, or the key would travel in clear
        text
    """

    provider = "openai_compatible"
    sees_images = True

    def __init__(self, options: OpenAICompatible) -> None:
        need("openai", "vlm", "asking a chat-completions server")
        self.model = options.model
        self.meter = Meter(options.budget, options.price_usd)
        self._options = options
        self._key = find_key(OPENAI_KEY, options.key_file)
        self._wire = Wire(
            options.base_url,
            self._key,
            "authorization",
            "Bearer ",
            self.meter,
            options.connection,
        )
        self._takes_schema = True

    @property
    def attempts(self) -> int:
        """Requests sent so far."""
        return self.meter.requests

    @property
    def spent_usd(self) -> float:
        """Cost so far [US dollars], at the assumed prices."""
        return self.meter.spent_usd

    def fingerprint(self, question: Question) -> str:
        """Question, model, server and settings."""
        return fingerprint(
            question,
            provider=self.provider,
            model=self.model,
            host=self._wire.host,
            temperature=self._options.temperature,
            max_output_tokens=self._options.max_output_tokens,
        )

    def ask(self, question: Question) -> Reply:
        """The model's reply.

        A server that refuses the question with a schema is asked once more without, and never with
        one again.

        :raises VlmError: if there is none: no connection, no quota, a refused or cut answer
        """
        most = self.meter.cost(
            len(question.text.encode()) + IMAGE_TOKENS * len(question.images),
            self._options.max_output_tokens,
        )
        try:
            completion = self._completed(question, most)
        except RequestFailed as failed:
            raise VlmError(f"{self.model} gave no answer: {failed.text}") from None
        usage = getattr(completion, "usage", None)
        sent, received = (
            _count(getattr(usage, name, None)) for name in ("prompt_tokens", "completion_tokens")
        )
        if sent or received:
            self.meter.settle(most, self.meter.cost(sent, received))
        text = _text(completion)
        return Reply(
            text=text if self._key is None else self._key.removed_from(text),
            model=self.model,
            input_tokens=sent,
            output_tokens=received,
            image_source=question.image_source,
            remarks=() if self._takes_schema else (NO_SCHEMA,),
        )

    def _completed(self, question: Question, most: float) -> Any:
        if self._takes_schema and question.schema is not None:
            try:
                return self._wire.asked(lambda: self._create(question, schema=True), most)
            except RequestFailed as failed:
                if failed.status not in SCHEMA_UNKNOWN:
                    raise
                refused = failed
            try:
                completion = self._wire.asked(lambda: self._create(question, schema=False), most)
            except RequestFailed:
                raise refused from None  # it was not the schema
            self._takes_schema = False
            return completion
        return self._wire.asked(lambda: self._create(question, schema=False), most)

    def _create(self, question: Question, *, schema: bool) -> Any:
        import openai

        content: list[dict[str, Any]] = [{"type": "text", "text": question.text}]
        for image, caption in zip(question.images, question.captions, strict=True):
            url = "data:image/png;base64," + base64.b64encode(image.png).decode()
            content.append({"type": "text", "text": caption})
            content.append({"type": "image_url", "image_url": {"url": url}})
        more: dict[str, Any] = {}
        if self._options.temperature is not None:
            more["temperature"] = self._options.temperature
        if schema:
            form = {"name": "answer", "strict": True, "schema": question.schema}
            more["response_format"] = {"type": "json_schema", "json_schema": form}
        client = openai.OpenAI(
            api_key=PLACEHOLDER_KEY,
            base_url=self._wire.base_url,
            http_client=self._wire.client(),
            max_retries=0,
        )
        return client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": content}],  # type: ignore[list-item,misc]
            max_tokens=self._options.max_output_tokens,
            **more,
        )


def _text(completion: Any) -> str:
    """The answer's text; its type is checked here, as the library does not.

    :raises VlmError: if the answer was refused, cut, or is none
    """
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise VlmError("the server gave no answer: its response holds no choice")
    reason = getattr(choices[0], "finish_reason", None)
    if reason == "length":
        raise VlmError("the answer was cut at max_output_tokens; raise it, or ask for less")
    if reason not in ("stop", None):
        raise VlmError(
            f"the server did not finish its answer ({printable(str(reason), 60)}); nothing of it "
            "is used"
        )
    message = getattr(choices[0], "message", None)
    if message is None:
        raise VlmError("the server gave no answer: its response holds no message")
    if refusal := getattr(message, "refusal", None):
        raise VlmError(f"the model refuses to answer: {printable(str(refusal), 200)}")
    text = getattr(message, "content", None)
    if text is not None and not isinstance(text, str):
        raise VlmError("the server's answer is no text")
    return text or ""


def _count(tokens: Any) -> int:
    return max(tokens, 0) if isinstance(tokens, int) else 0
