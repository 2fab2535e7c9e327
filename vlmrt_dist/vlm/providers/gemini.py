"""Transport to Google's Gemini, the paper's model, through google-genai."""

from __future__ import annotations

import functools
from typing import Any

import httpx2

from vlmrt_dist.errors import VlmError
from vlmrt_dist.extras import need
from vlmrt_dist.vlm.budget import IMAGE_TOKENS, Meter
from vlmrt_dist.vlm.options import Gemini
from vlmrt_dist.vlm.parsing import printable
from vlmrt_dist.vlm.providers.api_key import GEMINI_KEY, find_key
from vlmrt_dist.vlm.providers.transport import PLACEHOLDER_KEY, RequestFailed, Wire, tls
from vlmrt_dist.vlm.questions import Question, Reply, fingerprint

API_VERSION = "v1beta"


class GeminiTransport:
    """Sends questions to Gemini.

    :raises VlmError: if there is no key
    :raises ConfigurationError: if its package is not installed, or the key would travel in clear
        text
    """

    provider = "gemini"
    sees_images = True

    def __init__(self, options: Gemini) -> None:
        key = find_key(GEMINI_KEY, options.key_file)
        if key is None:
            raise VlmError(
                "there is no key for Gemini: set GEMINI_API_KEY, or name a file that holds it in "
                "VLMRT_GEMINI_KEY_FILE. The offline advisor (--vlm offline) needs none"
            )
        need("google.genai", "vlm", "asking Gemini")
        self.model = options.model
        self.meter = Meter(options.budget, options.price_usd)
        self._options = options
        self._key = key
        self._wire = Wire(
            options.base_url, key, "x-goog-api-key", "", self.meter, options.connection
        )

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

        :raises VlmError: if there is none: no connection, no quota, a blocked or cut answer
        """
        most = self.meter.cost(
            len(question.text.encode()) + IMAGE_TOKENS * len(question.images),
            self._options.max_output_tokens,
        )
        try:
            response = self._wire.asked(lambda: self._generate(question), most)
        except RequestFailed as failed:
            raise VlmError(f"Gemini gave no answer: {failed.text}") from None
        sent = received = 0
        if (usage := response.usage_metadata) is not None:
            sent = _count(usage.prompt_token_count)
            received = _count(usage.candidates_token_count) + _count(usage.thoughts_token_count)
            self.meter.settle(most, self.meter.cost(sent, received))
        return Reply(
            text=self._key.removed_from(_text(response)),
            model=self.model,
            input_tokens=sent,
            output_tokens=received,
            image_source=question.image_source,
        )

    @functools.cached_property
    def _client(self) -> Any:
        from google import genai
        from google.genai import types

        options = types.HttpOptions(
            base_url=self._wire.base_url,
            api_version=API_VERSION,
            httpx_client=self._wire.client(),
            # Never asked; the library would make real ones, with certificates loaded anew.
            httpx_async_client=httpx2.AsyncClient(transport=httpx2.AsyncBaseTransport()),
            async_client_args={"ssl": tls()},
        )
        return genai.Client(api_key=PLACEHOLDER_KEY, vertexai=False, http_options=options)

    def _generate(self, question: Question) -> Any:
        from google.genai import types

        parts = [types.Part.from_text(text=question.text)]
        for image, caption in zip(question.images, question.captions, strict=True):
            parts.append(types.Part.from_text(text=caption))
            parts.append(types.Part.from_bytes(data=image.png, mime_type="image/png"))
        config = types.GenerateContentConfig(
            temperature=self._options.temperature,
            max_output_tokens=self._options.max_output_tokens,
            response_mime_type=None if question.schema is None else "application/json",
            response_json_schema=question.schema,
        )
        content = types.Content(role="user", parts=parts)
        models = self._client.models
        return models.generate_content(model=self.model, contents=content, config=config)


def _text(response: Any) -> str:
    """The answer's text without the model's thoughts.

    :raises VlmError: if the answer was blocked or cut
    """
    blocked = response.prompt_feedback and response.prompt_feedback.block_reason
    if blocked:
        raise VlmError(f"Gemini blocked the question ({_word(blocked)}); nothing was answered")
    if not response.candidates:
        raise VlmError("Gemini gave no answer: its response holds no candidate")
    first = response.candidates[0]
    if first.content is None and first.finish_reason is None:
        raise VlmError("Gemini gave no answer: its response's candidate is empty")
    reason = _word(first.finish_reason) if first.finish_reason else "STOP"
    if reason == "MAX_TOKENS":
        raise VlmError(
            "Gemini's answer was cut at max_output_tokens, its thoughts included; raise it, or "
            "ask for fewer positions"
        )
    if reason not in ("STOP", "FINISH_REASON_UNSPECIFIED"):
        raise VlmError(f"Gemini did not finish its answer ({reason}); nothing of it is used")
    parts = (first.content and first.content.parts) or []
    return "".join(part.text for part in parts if part.text and not part.thought)


def _word(reason: Any) -> str:
    return printable(str(getattr(reason, "value", reason)), 60)


def _count(tokens: int | None) -> int:
    return max(tokens or 0, 0)
