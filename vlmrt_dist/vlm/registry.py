"""Advisors from values or names: the paper's V_init and V_pos.

Four advisors have one face, :class:`~vlmrt_dist.vlm.advisor.Advisor`: ``gemini`` and
``openai_compatible`` ask a vision-language model, ``recorded`` replays a model's answers, and
``offline`` follows rules on names and geometry; it is no model, and needs neither key nor network.
"""

from __future__ import annotations

from vlmrt_dist.vlm.advisor import Advisor
from vlmrt_dist.vlm.options import (
    AdvisorOptions,
    Answers,
    Gemini,
    Offline,
    OpenAICompatible,
    Recorded,
    defaults_of,
)


def advisor_named(advisor: Advisor | AdvisorOptions | str) -> Advisor:
    """The advisor that a value describes.

    Opening one takes its key out of the environment, which later processes inherit.

    :param advisor: its options; a name of :data:`~vlmrt_dist.vlm.options.ADVISORS`, which stands
        for its defaults; or an open advisor, which is returned as it is
    :raises ConfigurationError: if there is no such advisor, or its key would travel in clear text
    :raises VlmError: if its key or recording cannot be used
    """
    options = defaults_of(advisor) if isinstance(advisor, str) else advisor
    if isinstance(options, Offline):
        from vlmrt_dist.vlm.offline.rules import OfflineAdvisor

        return OfflineAdvisor(anonymous=options.anonymous)
    if isinstance(options, Gemini | OpenAICompatible | Recorded):
        return _asking(options)
    return options


def _asking(options: Gemini | OpenAICompatible | Recorded) -> Advisor:
    from vlmrt_dist.vlm.model_advisor import ModelAdvisor
    from vlmrt_dist.vlm.questions import Transport

    transport: Transport
    answers = Answers(cache=False)  # those of a recording are in a file already
    if isinstance(options, Gemini):
        from vlmrt_dist.vlm.providers.gemini import GeminiTransport

        transport, answers = GeminiTransport(options), options.answers
    elif isinstance(options, OpenAICompatible):
        from vlmrt_dist.vlm.providers.openai_compatible import OpenAICompatibleTransport

        transport, answers = OpenAICompatibleTransport(options), options.answers
    else:
        from vlmrt_dist.vlm.providers.recorded import RecordedTransport

        transport = RecordedTransport(options.file)
    return ModelAdvisor(transport, answers, prompt=options.prompt, anonymous=options.anonymous)
