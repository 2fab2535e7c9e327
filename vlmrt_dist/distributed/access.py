"""Access to a Ray cluster: whether it answers, and whether it asks callers for a token."""

from __future__ import annotations

import os
import socket

from vlmrt_dist.errors import ActorFailure, ConfigurationError

ALLOW_OPEN = "VLMRT_ALLOW_OPEN_CLUSTER"
"""Environment variable that, set to 1, lets sweeps use an open cluster of several machines."""

PROBE_SECONDS = 10.0

OPEN_REMEDY = (
    "anyone who reaches its ports can run code there and read its results. Start it with "
    "cluster/start.sh, which asks for a token"
)


def host_and_port(address: str) -> tuple[str, int] | None:
    """The parts of ``host:port``, ``[host]:port`` or ``ray://host:port``; None for other words.

    >>> host_and_port("ray://[::1]:10001"), host_and_port("auto")
    (('::1', 10001), None)
    """
    host, _, port = address.rpartition("//")[2].rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None


def check_reachable(address: str) -> None:
    """Refuse an address where nothing listens, which Ray itself would try for many minutes.

    :raises ActorFailure: if nothing listens at the address
    """
    place = host_and_port(address)
    if place is None:
        return  # "auto": Ray knows at once whether it has started something here
    try:
        socket.create_connection(place, PROBE_SECONDS).close()
    except OSError as error:
        raise not_joined(address, str(error)) from error


def not_joined(address: str, reason: str) -> ActorFailure:
    """The error of a cluster that cannot be joined."""
    return ActorFailure(
        f"no Ray cluster could be joined at {address!r}: {reason}. Start it, correct "
        "RAY_ADDRESS, or unset it to compute on this machine"
    )


def asks_for_token(address: str) -> bool:
    """Whether the head at ``address`` refuses a caller without a token.

    :param address: ``host:port`` of the head's GCS, the port that ``ray start`` was given
    :raises ActorFailure: if no head answers there
    """
    import grpc
    from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

    place = host_and_port(address)
    target = address if place is None else "{}:{}".format(*place)
    with grpc.insecure_channel(target) as channel:
        service = gcs_service_pb2_grpc.NodeInfoGcsServiceStub(channel)
        try:
            service.CheckAlive(gcs_service_pb2.CheckAliveRequest(), timeout=PROBE_SECONDS)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return True
            raise not_joined(address, str(error.details())) from error
    return False


def is_this_machine(host: str) -> bool:
    """Whether a name or an address is one of this machine's own."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            try:
                probe.bind((address[0], 0, *address[2:]))  # only own addresses can be bound to
            except OSError:
                continue
            return True
    return False


def refuse_open_cluster() -> None:
    """Refuse the cluster that Ray is connected to if it spans machines and needs no token: anyone
    who reaches such a cluster can run code on it.

    A cluster on this machine only passes, as its user may have it closed otherwise.

    :raises ConfigurationError: unless :data:`ALLOW_OPEN` is 1
    """
    if os.environ.get(ALLOW_OPEN) == "1":
        return
    import ray

    nodes = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    elsewhere = sorted(host for host in nodes if not is_this_machine(host))
    address = ray.get_runtime_context().gcs_address
    if elsewhere and not asks_for_token(address):
        raise ConfigurationError(
            f"the Ray cluster at {address}, with a node on {elsewhere[0]}, asks nobody for a "
            f"token: {OPEN_REMEDY}; or, where its network is closed, set {ALLOW_OPEN}=1"
        )
