"""Threads that Dr.Jit computes with."""

from __future__ import annotations

from vlmrt_dist.cores import shared_cores


def limit_threads() -> None:
    """Let Dr.Jit, which is imported here at the latest, take no more threads than this process has
    cores where it shares its machine. Threads of small kernels wait for each other longer than they
    compute, and use a core to wait."""
    if (threads := shared_cores()) is not None:
        import drjit

        drjit.set_thread_count(threads)
