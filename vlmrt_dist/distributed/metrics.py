"""What a study tells Prometheus while it runs, through Ray; where Ray does not run, nothing.

Ray puts ``ray_`` before the names and ``_total`` after a counter's. A gauge is the last value that
was told. A histogram's sum is Ray's estimate from its buckets: use its quantiles.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

_FAST = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_SLOW = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True)
class Metric:
    """One metric: what Ray is to make of it, and its description with the unit."""

    kind: Literal["Counter", "Gauge", "Histogram"]
    description: str
    tags: tuple[str, ...] = ("study", "engine")
    boundaries: tuple[float, ...] = ()


METRICS = {
    "vlmrt_loss": Metric("Gauge", "Objective of the last estimation or iteration [1]"),
    "vlmrt_mre": Metric("Gauge", "Mean relative error of it, where the truth is known [1]"),
    "vlmrt_paths": Metric("Gauge", "Propagation paths that are held"),
    "vlmrt_estimations": Metric("Counter", "Estimations that are done"),
    "vlmrt_iterations": Metric("Counter", "Iterations of all optimizers"),
    "vlmrt_restarts": Metric("Counter", "Actors that were started again"),
    "vlmrt_evaluation_seconds": Metric(
        "Histogram", "One evaluation of loss and gradient [s]", boundaries=_FAST
    ),
    "vlmrt_trace_seconds": Metric("Histogram", "One tracing of paths [s]", boundaries=_SLOW),
    "vlmrt_vlm_tokens": Metric(
        "Counter", "Tokens sent to and received from a model", ("model", "direction")
    ),
    "vlmrt_vlm_seconds": Metric("Histogram", "One question to a model [s]", ("model",), _SLOW),
}

MAX_VALUES = 50
"""So many values of a tag are told apart by a process; all further ones are "other"."""

_seen: dict[str, set[str]] = {}
_before_ray: deque[tuple[str, float, dict[str, str]]] = deque(maxlen=1000)


def tell_estimation(
    study: str,
    engine: str,
    *,
    loss: float,
    mre: float | None,
    iterations: int,
    seconds: float,
) -> None:
    """An estimation is done.

    :param mre: mean relative error [1]; None where the truth is not known
    :param seconds: time of all its iterations [s]
    """
    tags = {"study": study, "engine": engine}
    _tell("vlmrt_loss", loss, tags)
    if mre is not None:
        _tell("vlmrt_mre", mre, tags)
    _tell("vlmrt_estimations", 1, tags)
    _tell("vlmrt_iterations", iterations, tags)
    if iterations:
        _tell("vlmrt_evaluation_seconds", seconds / iterations, tags)


def tell_evaluation(study: str, engine: str, seconds: float) -> None:
    """A loss and its gradient were evaluated in ``seconds``."""
    _tell("vlmrt_evaluation_seconds", seconds, {"study": study, "engine": engine})


def tell_iteration(study: str, engine: str, loss: float) -> None:
    """An optimizer took a step."""
    tags = {"study": study, "engine": engine}
    _tell("vlmrt_loss", loss, tags)
    _tell("vlmrt_iterations", 1, tags)


def tell_tracing(study: str, engine: str, num_paths: int, seconds: float) -> None:
    """``num_paths`` paths were found in ``seconds``, and are held by this process."""
    tags = {"study": study, "engine": engine}
    _tell("vlmrt_paths", num_paths, tags)
    _tell("vlmrt_trace_seconds", seconds, tags)


def tell_restart(study: str, engine: str) -> None:
    """An actor was replaced by another."""
    _tell("vlmrt_restarts", 1, {"study": study, "engine": engine})


def tell_actor_start(study: str, engine: str) -> None:
    """To be called by an actor's constructor: counts it if Ray has started it again."""
    if not _ray_runs():
        return
    if sys.modules["ray"].get_runtime_context().was_current_actor_reconstructed:
        tell_restart(study, engine)


def tell_question(model: str, input_tokens: int, output_tokens: int, seconds: float) -> None:
    """A model answered in ``seconds``.

    It is asked before Ray starts, so that no worker inherits the key; what is told here is kept
    until there is somebody to tell.
    """
    tags = {"model": model}
    _before_ray.extend(
        [
            ("vlmrt_vlm_seconds", seconds, tags),
            ("vlmrt_vlm_tokens", input_tokens, tags | {"direction": "input"}),
            ("vlmrt_vlm_tokens", output_tokens, tags | {"direction": "output"}),
        ]
    )
    _tell_what_was_before()


def exported_names() -> dict[str, str]:
    """What Prometheus sees of each metric, and its kind.

    >>> exported_names()["ray_vlmrt_restarts_total"]
    'Counter'
    """
    ends: dict[str, Sequence[str]] = {
        "Counter": ("_total",),
        "Gauge": ("",),
        "Histogram": ("_bucket", "_count", "_sum"),
    }
    return {
        f"ray_{name}{end}": metric.kind
        for name, metric in METRICS.items()
        for end in ends[metric.kind]
    }


def _tell(name: str, value: float, tags: dict[str, str]) -> None:
    if not _ray_runs():
        return
    _tell_what_was_before()
    _add(name, value, tags)


def _tell_what_was_before() -> None:
    while _before_ray and _ray_runs():
        _add(*_before_ray.popleft())


def _ray_runs() -> bool:
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def _add(name: str, value: float, tags: dict[str, str]) -> None:
    if not math.isfinite(value):
        return
    metric = _metric(name)
    bounded = {tag: _bounded(tag, value) for tag, value in tags.items()}
    method = {"Counter": "inc", "Gauge": "set", "Histogram": "observe"}[METRICS[name].kind]
    if value > 0 or method != "inc":  # Ray refuses to add nothing to a counter
        getattr(metric, method)(float(value), bounded)


@functools.cache
def _metric(name: str) -> Any:
    from ray.util import metrics

    metric = METRICS[name]
    more = {"boundaries": list(metric.boundaries)} if metric.boundaries else {}
    return getattr(metrics, metric.kind)(name, metric.description, tag_keys=metric.tags, **more)


def _bounded(tag: str, value: str) -> str:
    """A tag's value, short and of harmless letters, one of :data:`MAX_VALUES` at most."""
    short = re.sub(r"[^A-Za-z0-9_.:/-]", "_", value)[:64] or "none"
    seen = _seen.setdefault(tag, set())
    if short not in seen and len(seen) >= MAX_VALUES:
        return "other"
    seen.add(short)
    return short
