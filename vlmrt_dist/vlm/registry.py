"""Who says what the objects are made of and where to measure: the paper's V_init and V_pos.

Four advisors have one face, :class:`~vlmrt_dist.vlm.advisor.Advisor`: ``gemini`` and
``openai_compatible`` ask a vision-language model, ``recorded`` replays what one has answered, and
``offline`` follows rules on names and geometry; it is no model, and needs neither key nor network.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.vlm.advisor import Advisor

ADVISORS = ("gemini", "openai_compatible", "offline", "recorded")
"""Names that :func:`advisor_named` knows."""


def advisor_named(name: str, **options: Any) -> Advisor:
    """An advisor by its name.

    :param name: one of ``ADVISORS``
    :param options: what the advisor takes: those of its transport (``gemini.GeminiTransport``,
        ``openai_compatible.OpenAICompatibleTransport``, ``recorded.RecordedTransport``) and of
        ``asking.ModelAdvisor``, or of ``offline.OfflineAdvisor``
    :raises ConfigurationError: if there is no such advisor or option
    :raises VlmError: if its key or recording cannot be used
    """
    if name not in ADVISORS:
        raise ConfigurationError(f"unknown advisor {name!r}; use one of {', '.join(ADVISORS)}")
    if name == "offline":
        from vlmrt_dist.vlm.offline.rules import OfflineAdvisor

        _check_options(name, options, _options_of(OfflineAdvisor))
        return OfflineAdvisor(**options)
    from vlmrt_dist.vlm.model_advisor import ModelAdvisor

    transport = _transport(name)
    theirs, common = _options_of(transport), _options_of(ModelAdvisor)[1:]
    if name == "recorded":  # its answers are in a file already
        common = [option for option in common if option not in ("cache", "record")]
    _check_options(name, options, theirs + common)
    ours = {option: options[option] for option in common if option in options}
    if name == "recorded":
        ours["cache"] = False
    return ModelAdvisor(
        transport(**{option: options[option] for option in theirs if option in options}), **ours
    )


def _transport(name: str) -> Callable[..., Any]:
    if name == "gemini":
        from vlmrt_dist.vlm.providers.gemini import GeminiTransport

        return GeminiTransport
    if name == "openai_compatible":
        from vlmrt_dist.vlm.providers.openai_compatible import OpenAICompatibleTransport

        return OpenAICompatibleTransport
    from vlmrt_dist.vlm.providers.recorded import RecordedTransport

    return RecordedTransport


def _options_of(maker: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(maker).parameters)


def _check_options(name: str, options: dict[str, Any], known: list[str]) -> None:
    unknown = [repr(option) for option in options if option not in known]
    if unknown:
        raise ConfigurationError(
            f"the advisor {name!r} has no option {', '.join(unknown)}; it takes "
            + (", ".join(known) or "none")
        )
