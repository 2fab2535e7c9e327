"""Command-line options that sweeps share, and what follows from them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vlmrt_dist.ray_session import Placement
from vlmrt_dist.report import STORAGE_HELP

Storage = Annotated[str | None, typer.Option(help=STORAGE_HELP)]
NumActors = Annotated[int, typer.Option(min=0, help="Ray actors; 0: this process.")]
NumGpus = Annotated[
    float | None, typer.Option(help="GPUs of an actor, or a fraction [default: 1 if any].")
]
Spread = Annotated[Placement, typer.Option(help="Over the nodes, or onto few.")]


def actor_options(num_gpus: float | None, placement: Placement) -> dict[str, Any]:
    """Where actors go, as :func:`vlmrt_dist.study.run` and the pool take it."""
    return {"num_gpus": num_gpus, "placement": placement}
