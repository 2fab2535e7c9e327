"""The engine inside a Ray actor: its device and its number of threads."""

from __future__ import annotations

import os

from vlmrt_dist.cores import share_cores
from vlmrt_dist.engine import VARIANT_VARIABLE, prepare_engine


def prepare_actor_engine(*, threads: int, gpu: bool) -> str:
    """Prepare Dr.Jit in an actor, before anything else imports it; repeated calls change nothing.

    :param threads: CPU threads; Dr.Jit would take every core in every process
    :param gpu: whether Ray gave this actor a GPU or a part of one. Without one it computes on the
        CPU, since Ray leaves every GPU of the node visible to it
    :return: the Mitsuba variant to set
    :raises EngineUnavailable: neither a GPU nor a usable libLLVM
    """
    if not gpu:
        os.environ[VARIANT_VARIABLE] = "llvm"
    variant = prepare_engine()
    import drjit

    drjit.set_thread_count(threads)
    share_cores(threads)
    return variant
