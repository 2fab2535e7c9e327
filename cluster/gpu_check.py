#!/usr/bin/env python3
# Checks and times what this package does on one GPU; cluster/gpu_check.md says more.
"""Check and time on one GPU what this package does there; on the CPU with ``--variant llvm``.

Writes gpu_check.md and gpu_check.json. See cluster/gpu_check.md.
"""

import argparse
import os
import sys
from pathlib import Path


def main() -> int:
    """Run all parts; 0 if all passed, 1 if not, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=("cuda", "llvm"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path("gpu_check"), help="name of the files")
    parser.add_argument("--small", action="store_true", help="few paths and repeats, to rehearse")
    options = parser.parse_args()
    os.environ["VLMRT_VARIANT"] = options.variant

    from vlmrt_dist.engine import count_gpus, prepare_engine
    from vlmrt_dist.errors import VlmrtError
    from vlmrt_dist.store import LocalPlace, own_file
    from vlmrt_dist.studies import GpuCheck, check_as_json, check_as_markdown, machine

    if options.variant == "cuda" and not count_gpus():
        print(
            "error: no NVIDIA GPU with CUDA and OptiX answers here, so nothing was checked; run "
            "this where there is one, or rehearse on the CPU with --variant llvm",
            file=sys.stderr,
        )
        return 2
    try:
        files = {
            end: own_file(LocalPlace(options.out.with_suffix(end))) for end in (".json", ".md")
        }
        prepare_engine()
        check = (
            GpuCheck(max_depth=2, vectors=4, repeats=3, points=2) if options.small else GpuCheck()
        )
        where = machine()
        parts = check.run(lambda part: print(f"{part.name}: {part.state}, {part.text}", flush=True))
        for suffix, write in ((".json", check_as_json), (".md", check_as_markdown)):
            files[suffix].write(write(parts, where))
            print(f"written: {files[suffix]}")
    except VlmrtError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return int(any(part.state != "passed" for part in parts))


if __name__ == "__main__":
    sys.exit(main())
