"""Table and figure of what is estimated where surfaces scatter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vlmrt_dist.report.plotting.figures import save_both
from vlmrt_dist.store import Place
from vlmrt_dist.studies import Errors, RoughTask

MODEL_WORDS = {"smooth": "smooth", "known": "scatters as they do", "unknown": "S unknown"}
"""What the model takes surfaces for."""

Found = Sequence[tuple[RoughTask, Errors, Errors]]


def scattering_table(found: Found) -> Any:
    """Bias, error and missed intervals of σ and of S for each truth and model."""
    from rich.table import Table

    table = Table(title="The paper's room with surfaces that scatter", title_justify="left")
    table.add_column("truth")
    table.add_column("model")
    for name in ("σ told", "bias [%]", "error [%]", "missed [%]", "inside [%]", "S told", "bias",
                 "error", "inside [%]"):  # fmt: skip
        table.add_column(name.replace("[", "\\["), justify="right")
    for task, sigma, share in found:
        truth = "S of the prior" if task.share is None else f"S = {task.share:g}"
        cells = [str(sigma.told), *_errors(sigma, 100.0, "{:+.0f}", "{:.0f}")]
        missed = 100.0 * sigma.missed / sigma.told if sigma.told else np.nan
        cells += [_text(missed, "{:.0f}"), _inside(sigma)]
        cells += [str(share.told) if share.asked else "–"]
        cells += [*_errors(share, 1.0, "{:+.3f}", "{:.3f}"), _inside(share)]
        table.add_row(truth, MODEL_WORDS[task.model], *cells)
    return table


def _errors(errors: Errors, scale: float, signed: str, plain: str) -> list[str]:
    """Mean and root mean square of the errors."""
    told = max(errors.told, 1)
    values = scale * errors.bias / told, scale * float(np.sqrt(errors.squares / told))
    known = np.array(values) if errors.told else np.full(2, np.nan)
    return [_text(known[0], signed), _text(known[1], plain)]


def _inside(errors: Errors) -> str:
    share = 100.0 * errors.inside / errors.asked if errors.asked else np.nan
    return _text(share, "{:.0f}")


def _text(value: float, form: str) -> str:
    return "–" if np.isnan(value) else form.format(value)


def scattering_figure(found: Found, path: Place) -> Place:
    """Draw the errors of σ against the truth's S."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axes = figure.subplots()
    for model, word in MODEL_WORDS.items():
        some = [(t.share, s) for t, s, _ in found if t.model == model and t.share is not None]
        some = [(share, errors) for share, errors in some if errors.told]
        if some:
            rms = [100.0 * np.sqrt(errors.squares / errors.told) for _, errors in some]
            axes.plot([share for share, _ in some], rms, "o-", label=word)
    axes.set(xlabel="scattering coefficient S of the truth", ylabel="RMS error of ln σ [%]")
    axes.set_ylim(bottom=0.0)
    axes.legend(title="the model's surfaces")
    axes.grid(alpha=0.3)
    return save_both(figure, path)
