"""``vlmrt cache``: what is kept between runs, and how to be rid of it."""

from __future__ import annotations

import datetime
import os
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from vlmrt_dist.command_line import described
from vlmrt_dist.console import counted, print_result, say
from vlmrt_dist.engine import KERNELS_VARIABLE
from vlmrt_dist.errors import ConfigurationError

Kind = Literal["paths", "kernels", "compiled", "answers", "all"]


@described
def cache_command(
    *,
    clear: Annotated[tuple[Kind, ...], Parameter(metavar="KIND", negative=())] = (),
    yes: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Show what is kept between runs: path tables, kernels, the compiled search, models' answers.

    The folder is ~/.cache/vlmrt_dist, or VLMRT_CACHE_DIR. The oldest files but for answers are
    removed by themselves from VLMRT_CACHE_MAX_GB (default 20) gigabytes on.

    :param clear: remove the files of a kind; may be repeated. Answers of models cost money to get
        again
    :param yes: do not ask before files are removed
    :param dry_run: with --clear: say what would be removed
    """
    from vlmrt_dist.store import KINDS, cache_files, cache_folder, clear_cache, max_cache_bytes

    limit = max_cache_bytes()
    found = {name: cache_files(name) for name in KINDS}
    if not clear:
        print_result(f"{cache_folder()}, limit {_size(limit)} without answers")
        for name, files in found.items():
            kind, size = KINDS[name], sum(each.size for each in files)
            since = f", since {_day(min(each.used for each in files))}" if files else ""
            folder = cache_folder() / kind.folder
            link = "; a link, left alone" if folder.is_symlink() else ""
            print_result(
                f"{name:9} {len(files):7} files {_size(size):>9}  {kind.text}{since}{link}"
            )
        named = os.environ.get(KERNELS_VARIABLE)
        if named and named != str(cache_folder() / "kernels"):
            print_result(f"kernels are kept in {named} ({KERNELS_VARIABLE}), which has no limit")
        return
    names = KINDS if "all" in clear else dict.fromkeys(clear)
    files = [each for name in names for each in found[name]]
    what = f"{counted(len(files), 'file')}, {_size(sum(each.size for each in files))}"
    if dry_run:
        print_result(f"would remove {what} ({', '.join(names)}) from {cache_folder()}")
    elif not files:
        print_result(f"there is nothing to remove ({', '.join(names)}) in {cache_folder()}")
    elif yes or _agreed(f"remove {what} ({', '.join(names)}) from {cache_folder()}?"):
        print_result(f"removed {counted(clear_cache(files), 'file')}")
    else:
        say("nothing was removed")


def _agreed(question: str) -> bool:
    """:raises ConfigurationError: if there is nobody to ask"""
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError(f"{question} Say so with --yes, or look first with --dry-run")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _size(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.2f} MB"


def _day(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).date().isoformat()
