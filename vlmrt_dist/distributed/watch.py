"""Does an actor that is late still work? The processor time of its process tells.

Busy is not dead: on an overloaded machine a call may take a hundred times as long as the calls
before, and must not be done again for it. A process that was stopped, hangs or has lost its node
uses no processor time. It is read from outside the process, by an actor without resources on its
node, since compiled code may keep the process from answering while it works.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PULSE = 20.0
"""Seconds between two readings of the processor time of a process that is late."""

WORKING = 0.02
"""Share of a core that a working process uses at least; an idle actor uses a tenth of it."""

METER_DEADLINE = 30.0
"""Longest time that a node may take to tell a processor time [s]."""

_TICKS = os.sysconf("SC_CLK_TCK")


def announce() -> None:
    """Have an actor tell where its process is; called in its constructor."""
    import ray
    from ray.experimental import internal_kv

    context = ray.get_runtime_context()
    internal_kv._internal_kv_put(
        _place(context.get_actor_id()), f"{context.get_node_id()} {os.getpid()}"
    )


def processor_seconds(pid: int) -> float | None:
    """Processor time that a process and its children have used [s]; None: there is none."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name, in parentheses, may hold spaces.
                fields = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()
                if fields[0] != "Z":
                    used[int(entry.name)] = sum(map(int, fields[11:15])) / _TICKS
                    children.setdefault(int(fields[1]), []).append(int(entry.name))
    if pid not in used:
        return None
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        total += used[one]
        waiting += children.get(one, [])
    return total


class _Meter:
    """Actor that reads processor times on its node."""

    def seconds(self, pid: int) -> float | None:
        """See :func:`processor_seconds`."""
        return processor_seconds(pid)


@dataclass(frozen=True)
class _Reading:
    """:param when: end of the reading, on the driver's clock [s]
    :param seconds: processor time; None: there is no such process; NaN: its node does not answer
    """

    when: float
    seconds: float | None


class Watch:
    """Judges actors of a driver that are late.

    :param restart: longest time that the restart of an actor may take [s]
    """

    def __init__(self, restart: float) -> None:
        self._restart = restart
        self._meters: dict[str, Any] = {}
        self._before: dict[str, _Reading] = {}
        self._absent: dict[str, float] = {}

    def stuck(self, actor: Any, *, starting: bool = False) -> bool:
        """Whether an actor has done nothing since it was asked about at least :data:`PULSE` seconds
        ago; False the first time. A process that is being restarted gets the time for it.

        :param starting: its start has had its time already
        """
        name = actor._actor_id.hex()
        before = self._before.get(name)
        begin = time.monotonic()
        if before is not None and begin - before.when < PULSE:
            return False
        seconds = self._read(name)
        now = _Reading(time.monotonic(), seconds)  # the reading itself may take its time
        self._before[name] = now
        if now.seconds is None:
            since = self._absent.setdefault(name, now.when)
            return starting or now.when - since > self._restart
        self._absent.pop(name, None)
        if before is None or before.seconds is None:
            return False
        used = now.seconds - before.seconds
        if math.isnan(used):
            return True
        # Less than before: it is another process, which has only begun.
        return 0.0 <= used < WORKING * (begin - before.when)

    def forget(self, actor: Any) -> None:
        """An actor has answered, or was started again."""
        self._before.pop(actor._actor_id.hex(), None)
        self._absent.pop(actor._actor_id.hex(), None)

    def close(self) -> None:
        """End the actors that read processor times."""
        import ray

        for meter in self._meters.values():
            with contextlib.suppress(ray.exceptions.RayError):
                ray.kill(meter)
        self._meters.clear()

    def _read(self, name: str) -> float | None:
        import ray
        from ray.experimental import internal_kv

        kept = internal_kv._internal_kv_get(_place(name))
        if not kept:
            return None
        node, pid = kept.decode().split()
        if node == ray.get_runtime_context().get_node_id():
            return processor_seconds(int(pid))
        try:
            answer = self._meter(node).seconds.remote(int(pid))
            seconds: float | None = ray.get(answer, timeout=METER_DEADLINE)
        except ray.exceptions.RayError:
            self._meters.pop(node, None)
            return math.nan
        return seconds

    def _meter(self, node: str) -> Any:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if node not in self._meters:
            there = NodeAffinitySchedulingStrategy(node, soft=False)
            kind = ray.remote(_Meter).options(num_cpus=0, scheduling_strategy=there)
            self._meters[node] = kind.remote()
        return self._meters[node]


def _place(actor_id: str) -> str:
    return f"vlmrt_process_{actor_id}"
