"""``vlmrt compact``: the rows of studies in few large files."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from vlmrt_dist.command_line import described
from vlmrt_dist.console import print_result
from vlmrt_dist.errors import StorageError


@described
def compact_command(
    results: str = "results",
    /,
    *,
    study: Annotated[tuple[str, ...], Parameter(metavar="NAME")] = (),
) -> None:
    """Merge the files of studies into few large ones, while others may read and write them.

    Studies do this by themselves from some sixty files on.

    :param results: folder or URL that sweeps wrote to (--storage)
    :param study: only this one; may be repeated
    """
    from vlmrt_dist.store import Ledger

    ledger = Ledger(results)
    there = ledger.studies()
    for name in study:
        if name not in there:
            raise StorageError(
                f"there is no study {name!r} in {results}; there is {', '.join(there) or 'none'}"
            )
    if not there:
        raise StorageError(f"there are no rows in {results}; name the folder that sweeps wrote to")
    for name in study or there:
        found = ledger.compact(name)
        before, after = (
            sum(getattr(c, end) for c in found.values()) for end in ("before", "after")
        )
        print_result(f"{name}: {len(ledger.keys(name))} rows, {before} files -> {after}")
