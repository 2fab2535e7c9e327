"""Connecting to Ray, and the resources that actors reserve."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import secrets
import shutil
import statistics
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from vlmrt_dist.cores import usable_cores
from vlmrt_dist.distributed.access import check_reachable, not_joined, refuse_open_cluster
from vlmrt_dist.errors import ActorFailure, ConfigurationError
from vlmrt_dist.extras import need
from vlmrt_dist.signals import STOP_SIGNAL

_log = logging.getLogger(__name__)

Placement = Literal["SPREAD", "PACK"]

SECRETS = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY")
"""Environment variables that only the driver may see: workers' environments end up in logs."""

CALL_DEADLINE, ITEM_DEADLINE = 300.0, 3600.0
"""Time after which the first evaluation of an objective, and the first item of a pool, are late
unless the options state one [s]."""

LONGEST_TEMPORARY = 39
"""Longest name of the folder for temporary files: the path of Ray's socket below it adds 68
characters, and Unix allows 107."""

SHORTEST_DEADLINE, DEADLINE_FACTOR = 60.0, 10.0
"""A call is late once it takes this long [s] and this many times the median time of earlier calls.
"""


def connect(address: str | None = None, *, dashboard: bool = False) -> bool:
    """Connect to Ray: that of this process, else the cluster that is named, else a private one.

    A private one lives on this machine only and ends with this process. API keys (see
    :data:`SECRETS`) stay out of its workers.

    :param address: a cluster's address, ``"auto"``, or ``"local"`` for a private one; None: that
        of ``RAY_ADDRESS``, which Ray sets inside its jobs, else a private one
    :param dashboard: give a private one a dashboard
    :return: whether Ray was connected here, so that the caller is to call ``ray.shutdown()``
    :raises ActorFailure: if no cluster answers at the address
    :raises ConfigurationError: if Ray is not installed, or spans machines and lets everyone in; see
        :func:`~vlmrt_dist.distributed.access.refuse_open_cluster`
    """
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        return False
    need("ray", "ray", "an actor")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    # Ray prints the loss of every worker on standard output, where a result may be expected; it
    # reads when it is imported which lines to leave out.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    if address == "local":
        _authenticate_private()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with _without_secrets(), STOP_SIGNAL.kept():
        if address == "local":
            _start_private(include_dashboard=dashboard, **quiet)
            return True
        check_reachable(address)
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise not_joined(address, brief(error)) from error
        try:
            refuse_open_cluster()
        except BaseException:
            ray.shutdown()
            raise
    return True


def _start_private(**options: Any) -> None:
    """Start a Ray of this process.

    :raises ActorFailure: if it cannot be started
    """
    import ray

    folder = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")
    if len(os.fsencode(folder.absolute())) > LONGEST_TEMPORARY:
        if not os.access("/tmp", os.W_OK):
            raise ActorFailure(
                f"Ray's sockets need a temporary folder whose name has at most {LONGEST_TEMPORARY} "
                f"characters, unlike {folder}; name one in RAY_TMPDIR"
            )
        folder = Path("/tmp")
        options["_temp_dir"] = str(folder / "ray")
    try:
        ray.init(address="local", num_cpus=usable_cores(), **options)
    except Exception as error:  # Ray raises that class itself
        ray.shutdown()
        raise ActorFailure(
            f"Ray could not be started on this machine: {brief(error)}. It needs room in {folder} "
            f"({_free(folder)} free; another folder: RAY_TMPDIR) and in /dev/shm "
            f"({_free(Path('/dev/shm'))} free)"
        ) from error


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:.0f} MB"
    except OSError:
        return "nothing"


def wait_for_nodes(count: int, limit: float = 300.0) -> None:
    """Return when the cluster of ``RAY_ADDRESS`` has ``count`` nodes.

    :param limit: longest time to wait [s]
    :raises ActorFailure: if it has not by then
    """
    import ray

    end = time.monotonic() + limit
    alive = 0
    while alive < count:
        if time.monotonic() > end:
            raise ActorFailure(
                f"{alive} of {count} nodes have joined the Ray cluster in {limit:g} s; their own "
                "output says why the others have not"
            )
        time.sleep(1.0)
        try:
            connect()
        except ActorFailure:
            continue  # the head is still starting
        alive = sum(node["Alive"] for node in ray.nodes())
    ray.shutdown()


@dataclass(frozen=True)
class ActorOptions:
    """Number, resources, placement and deadlines of a group of Ray actors.

    :param num_actors: actors; never more than setups, or items, are started
    :param num_gpus: GPUs of each, or a fraction; None: one where the cluster has GPUs, else none
        (a pool gives one to as many actors as there are GPUs, and none to those beyond, so that
        nodes without GPUs take part)
    :param num_cpus: cores that Ray reserves for each (> 0)
    :param threads: CPU threads of Dr.Jit in each; None: ``num_cpus``, at least one
    :param placement: "SPREAD" over the nodes or "PACK" onto few
    :param deadline: time after which a call is late [s]: if its actor does nothing either, it is
        restarted. None: :data:`CALL_DEADLINE` for the evaluation of an objective,
        :data:`ITEM_DEADLINE` for an item of a pool, until earlier calls tell it, see
        :data:`DEADLINE_FACTOR`
    :param start_deadline: longest time that starting and tracing may take [s]
    :param attempts: tries of a call, or of an item, whose actor is stuck or lost
    :param study: a name for Ray's dashboard
    :param cache: keep path tables on the actors' disks
    :raises ConfigurationError: if a value is outside what is stated here
    """

    num_actors: int = 1
    num_gpus: float | None = None
    num_cpus: float = 1.0
    threads: int | None = None
    placement: Placement = "SPREAD"
    deadline: float | None = None
    start_deadline: float = 600.0
    attempts: int = 4
    study: str = ""
    cache: bool = True

    def __post_init__(self) -> None:
        for name in ("num_actors", "attempts", "threads"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or value != int(value) or value < 1):
                raise ConfigurationError(f"{name} must be a whole number, 1 or more; got {value}")
        for name in ("num_cpus", "deadline", "start_deadline"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigurationError(f"{name} must be positive and finite; got {value}")
        for name in ("num_gpus", "num_cpus"):
            value = getattr(self, name) or 0.0
            if not (math.isfinite(value) and value >= 0) or (value > 1 and value != int(value)):
                raise ConfigurationError(
                    f"{name} must be a fraction below 1 or a whole number; got {value}"
                )
        if self.placement not in get_args(Placement):
            raise ConfigurationError(f"placement must be SPREAD or PACK; got {self.placement!r}")

    @property
    def threads_per_actor(self) -> int:
        """CPU threads of Dr.Jit in each actor."""
        return self.threads or max(1, int(self.num_cpus))

    def longest(self, earlier: Collection[float], *, usually: float) -> float:
        """Time after which a call is late [s].

        :param earlier: times of earlier calls [s], see :data:`DEADLINE_FACTOR`
        :param usually: the deadline where none is stated and there are no earlier calls [s]
        """
        if not earlier:
            return usually if self.deadline is None else self.deadline
        scaled = max(SHORTEST_DEADLINE, DEADLINE_FACTOR * statistics.median(earlier))
        return scaled if self.deadline is None else min(self.deadline, scaled)


def needs_of(options: ActorOptions) -> dict[str, float]:
    """Resources that one actor reserves, by Ray's names."""
    import ray

    gpus = options.num_gpus
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU", 0.0) >= 1.0 else 0.0
    return {"CPU": float(options.num_cpus), **({"GPU": float(gpus)} if gpus else {})}


def reserve(
    bundles: Sequence[dict[str, float]], placement: Placement, limit: float, patience: float = 5.0
) -> Any:
    """Room for all actors or for none, so that two callers cannot starve each other.

    :param bundles: what each actor needs
    :param limit: longest time to wait [s]
    :param patience: time after which a word about the waiting is logged [s]
    :return: Ray's placement group; remove it when the actors have ended
    :raises ActorFailure: if others hold the resources for longer
    """
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    wanted = resources_text(bundles[0])
    group = placement_group(list(bundles), strategy=placement)
    if group.wait(min(patience, limit)):
        return group
    _log.warning(f"waiting for {len(bundles)} times {wanted}")
    if group.wait(max(0.0, limit - patience)):
        return group
    remove_placement_group(group)
    raise ActorFailure(
        f"{len(bundles)} actors waited {limit:g} s for {wanted} "
        f"each; free are {resources_text(ray.available_resources())}. End what else runs on "
        "the cluster, or lower num_actors, num_gpus or num_cpus"
    )


def check_capacity(count: int, needs: dict[str, float]) -> None:
    """Refuse actors that the cluster has no room for, which Ray would let wait for ever.

    :raises ConfigurationError: if the cluster, were it idle, had no room for ``count`` actors
    """
    import ray

    room = room_for(needs)
    if room < count:
        total = ray.cluster_resources()
        nodes = sum(node["Alive"] for node in ray.nodes())
        raise ConfigurationError(
            f"{count} actors need {resources_text(needs)} each, and there is room for {room}: the "
            f"cluster has {resources_text({n: total.get(n, 0.0) for n in needs})} on {nodes} "
            "nodes. Lower num_actors, num_gpus (a fraction shares a GPU) or num_cpus, or add nodes"
        )


def room_for(needs: dict[str, float]) -> int:
    """Number of actors with these needs that fit on the cluster when it is idle."""
    import ray

    return sum(
        min(_fitting(node["Resources"].get(name, 0.0), need, name) for name, need in needs.items())
        for node in ray.nodes()
        if node["Alive"]
    )


def _fitting(there: float, need: float, name: str) -> int:
    """Number of actors that fit on a node; a fraction of a GPU never spans two of them."""
    if name == "GPU" and need < 1.0:
        return int(there) * int(1.0 / need + 1e-9)
    return int(there / need + 1e-9)


def resources_text(amounts: dict[str, float]) -> str:
    """``1 CPU and 0.5 GPU``, say."""
    return " and ".join(f"{amounts[n]:g} {n}" for n in ("CPU", "GPU") if n in amounts) or "nothing"


def brief(error: Exception) -> str:
    """The last line of an error; Ray puts a page before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__).rstrip(".")[:200]


def _authenticate_private() -> None:
    """Close a private Ray's ports, which are open on every interface, to everyone else.

    Left alone, Ray would write a token into the home folder, and later clusters of this user would
    silently start to ask for it. It reads the mode when it is imported.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    if "ray" not in sys.modules:
        os.environ["RAY_AUTH_MODE"] = "token"
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextlib.contextmanager
def _without_secrets() -> Iterator[None]:
    """The environment without API keys, while Ray takes its copy of it."""
    held = {name: os.environ.pop(name) for name in SECRETS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(held)
