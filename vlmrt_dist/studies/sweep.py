"""Command-line options shared by sweeps, and their evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from vlmrt_dist.console import point_bar, show
from vlmrt_dist.distributed import ActorOptions, Placement
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.store import Ledger, Row
from vlmrt_dist.studies.runs import Point, run

STORAGE_HELP = (
    "Folder, or URL of object storage (s3://bucket/folder), for what is written "
    "[default: results; in a Ray job ~/vlmrt_results of its node]."
)

Storage = Annotated[str | None, typer.Option(help=STORAGE_HELP)]
NumActors = Annotated[int, typer.Option(min=0, help="Ray actors; 0: this process.")]
NumGpus = Annotated[
    float | None, typer.Option(help="GPUs of an actor, or a fraction [default: 1 if any].")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List what would be computed.")]
Spread = Annotated[Placement, typer.Option(help="Over the nodes, or onto few.")]


def whole_numbers(text: str, option: str, least: int = 1) -> list[int]:
    """The different numbers of a list as in ``9,30,100``, in growing order.

    :raises ConfigurationError: if one is no whole number, or less than ``least``
    """
    found = set()
    for word in text.split(","):
        if not word.strip().isdecimal() or int(word) < least:
            raise ConfigurationError(
                f"{option} takes whole numbers of {least} or more, as in 9,30,100; got {word!r}"
            )
        found.add(int(word))
    return sorted(found)


def actor_options(
    num_actors: int, num_gpus: float | None, placement: Placement
) -> ActorOptions | None:
    """The actors that options of a command ask for; None: none, this process computes."""
    if num_actors == 0:
        return None
    return ActorOptions(num_actors=num_actors, num_gpus=num_gpus, placement=placement)


def evaluated(
    points: Sequence[Point],
    ledger: Ledger,
    workers: ActorOptions | None,
    dry_run: bool = False,
) -> list[Row]:
    """The rows of a sweep's points, with a bar over those that the ledger lacks.

    :param workers: see :func:`actor_options`
    :param dry_run: say what would be computed instead, and end
    """
    if dry_run:
        show(*outlook(points, ledger))
        raise typer.Exit
    with point_bar(points[0].study.removesuffix("_quick")) as progress:
        return run(points, ledger, workers=workers, progress=progress)


def outlook(points: Sequence[Point], ledger: Ledger) -> list[str]:
    """A line a point: its methods and seeds, and how many of its rows are missing."""
    lines, lacking, total = [], 0, 0
    for point in points:
        keys = list(point.row_keys)
        missing = len(keys) - len(ledger.read(point.study, keys))
        lines.append(
            f"{point}: {', '.join(point.optimizers)} × {len(point.seeds)} seeds, "
            + (f"{missing} of {len(keys)} rows missing" if missing else "complete")
        )
        lacking, total = lacking + missing, total + len(keys)
    return [*lines, f"{len(points)} points, {lacking} of {total} rows would be computed"]
