"""Metrics of a running study, exported to Prometheus by Ray; without Ray they are dropped.

Ray puts ``ray_`` before the names and ``_total`` after a counter's. A gauge is the last value that
was told. A histogram's sum is Ray's estimate from its buckets: use its quantiles.
"""

from __future__ import annotations

import math
import re
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

_FAST = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_SLOW = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True)
class Metric:
    """One metric: its kind, its description with the unit, its tags and histogram boundaries."""

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

MAX_HELD = 1000
"""Most values that are held until Ray runs; further ones replace the oldest."""


class StudyMetrics:
    """The metrics of one process; :data:`STUDY_METRICS` is that of this one."""

    def __init__(self) -> None:
        self._held: deque[tuple[str, float, dict[str, str]]] = deque(maxlen=MAX_HELD)
        self._values: dict[str, set[str]] = {}
        self._exported: dict[str, Any] = {}

    def reset(self) -> None:
        """Forget the values of tags, the values that wait for Ray, and Ray's own objects."""
        self._held.clear()
        self._values.clear()
        self._exported.clear()

    def tell_estimation(
        self,
        study: str,
        engine: str,
        *,
        loss: float,
        mre: float | None,
        iterations: int,
        seconds: float,
    ) -> None:
        """Count an estimation that is done.

        :param mre: mean relative error [1]; None where the truth is not known
        :param seconds: time of all its iterations [s]
        """
        tags = {"study": study, "engine": engine}
        self._tell("vlmrt_loss", loss, tags)
        if mre is not None:
            self._tell("vlmrt_mre", mre, tags)
        self._tell("vlmrt_estimations", 1, tags)
        self._tell("vlmrt_iterations", iterations, tags)
        if iterations:
            self._tell("vlmrt_evaluation_seconds", seconds / iterations, tags)

    def tell_evaluation(self, study: str, engine: str, seconds: float) -> None:
        """Note that a loss and its gradient were evaluated in ``seconds``."""
        self._tell("vlmrt_evaluation_seconds", seconds, {"study": study, "engine": engine})

    def tell_iteration(self, study: str, engine: str, loss: float) -> None:
        """Count a step of an optimizer."""
        tags = {"study": study, "engine": engine}
        self._tell("vlmrt_loss", loss, tags)
        self._tell("vlmrt_iterations", 1, tags)

    def tell_tracing(self, study: str, engine: str, num_paths: int, seconds: float) -> None:
        """Note that ``num_paths`` paths were found in ``seconds`` and are held by this process."""
        tags = {"study": study, "engine": engine}
        self._tell("vlmrt_paths", num_paths, tags)
        self._tell("vlmrt_trace_seconds", seconds, tags)

    def tell_restart(self, study: str, engine: str) -> None:
        """Count an actor that was replaced by another."""
        self._tell("vlmrt_restarts", 1, {"study": study, "engine": engine})

    def tell_actor_start(self, study: str, engine: str) -> None:
        """Count the actor that runs this if Ray has restarted it; for an actor's constructor."""
        if not _ray_runs():
            return
        if sys.modules["ray"].get_runtime_context().was_current_actor_reconstructed:
            self.tell_restart(study, engine)

    def tell_question(
        self, model: str, input_tokens: int, output_tokens: int, seconds: float
    ) -> None:
        """Count a question that a model answered in ``seconds``.

        Models are asked before Ray starts, so that no worker inherits the key; these values are
        held until Ray runs.
        """
        tags = {"model": model}
        self._held.extend(
            [
                ("vlmrt_vlm_seconds", seconds, tags),
                ("vlmrt_vlm_tokens", input_tokens, tags | {"direction": "input"}),
                ("vlmrt_vlm_tokens", output_tokens, tags | {"direction": "output"}),
            ]
        )
        self._tell_held()

    def bounded(self, tag: str, value: str) -> str:
        """A tag's value, short and of harmless letters, one of :data:`MAX_VALUES` at most."""
        short = re.sub(r"[^A-Za-z0-9_.:/-]", "_", value)[:64] or "none"
        seen = self._values.setdefault(tag, set())
        if short not in seen and len(seen) >= MAX_VALUES:
            return "other"
        seen.add(short)
        return short

    def _tell(self, name: str, value: float, tags: dict[str, str]) -> None:
        if _ray_runs():
            self._tell_held()
            self._export(name, value, tags)

    def _tell_held(self) -> None:
        while self._held and _ray_runs():
            self._export(*self._held.popleft())

    def _export(self, name: str, value: float, tags: dict[str, str]) -> None:
        if not math.isfinite(value):
            return
        if name not in self._exported:
            self._exported[name] = _ray_metric(name)
        bounded = {tag: self.bounded(tag, value) for tag, value in tags.items()}
        method = {"Counter": "inc", "Gauge": "set", "Histogram": "observe"}[METRICS[name].kind]
        if value > 0 or method != "inc":  # Ray refuses to add nothing to a counter
            getattr(self._exported[name], method)(float(value), bounded)


STUDY_METRICS = StudyMetrics()
"""The metrics of this process."""


def _ray_runs() -> bool:
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def _ray_metric(name: str) -> Any:
    from ray.util import metrics

    metric = METRICS[name]
    more = {"boundaries": list(metric.boundaries)} if metric.boundaries else {}
    return getattr(metrics, metric.kind)(name, metric.description, tag_keys=metric.tags, **more)
