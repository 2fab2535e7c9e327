"""Cache folders for tests that want no path tables in them."""

import os
from pathlib import Path


def fresh_cache(folder: Path) -> Path:
    """A new cache folder whose compiled search is that of the session: compiling takes a minute."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compiled").symlink_to(Path(os.environ["VLMRT_CACHE_DIR"]) / "compiled")
    return folder
