"""What has to be settled before any test module, or a Ray worker of one, imports the libraries."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from tests import THREADS
from vlmrt_dist.campaign import Campaign, RadioConfig, random_campaign
from vlmrt_dist.engine.llvm import prepare_engine
from vlmrt_dist.errors import EngineUnavailable
from vlmrt_dist.paths import PathTable
from vlmrt_dist.scene import SceneModel, box_room
from vlmrt_dist.store import cache_folder

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Clusters of the tests listen on the loopback only; with tokens Ray would write one into the home.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

# Without an engine the tests that need one say so themselves; the others run all the same.
with contextlib.suppress(EngineUnavailable):
    prepare_engine()


@pytest.fixture(scope="session", autouse=True)
def path_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Path tables of this test session, in one folder for all its processes."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of the run, beside the folder of each process
    with pytest.MonkeyPatch.context() as patch:
        cache = folder / "vlmrt-cache"
        compiled = cache_folder() / "compiled"  # the user's own, or every run would compile anew
        for made in (cache, compiled):
            made.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (cache / "compiled").symlink_to(compiled)
        patch.setenv("VLMRT_CACHE_DIR", str(cache))
        yield


@pytest.fixture(scope="session", autouse=True)
def engine_threads() -> None:
    """Dr.Jit's threads, where several test processes share the cores."""
    if THREADS and "drjit" in sys.modules:
        import drjit

        drjit.set_thread_count(THREADS)


@pytest.fixture(scope="session")
def room() -> SceneModel:
    """The paper's room, K = 9."""
    return box_room()


@pytest.fixture(scope="session")
def campaign(room: SceneModel) -> Campaign:
    """Three setups of eight receivers each, as in the paper."""
    return random_campaign(room, 3, 8, seed=0)


@pytest.fixture(scope="session")
def table(room: SceneModel, campaign: Campaign, path_cache: None) -> PathTable:
    """The paper's path set of :func:`campaign`."""
    from vlmrt_dist.field.tracing import trace

    return trace(room, campaign, RadioConfig.paper())


@pytest.fixture(scope="session")
def well_placed(room: SceneModel, path_cache: None) -> Callable[[RadioConfig], Campaign]:
    """D-optimal positions of three setups of eight receivers, searched once for each radio."""
    from vlmrt_dist.placement import DOptimal, place

    return functools.cache(lambda radio: place(DOptimal(radio=radio), room, 3, 8, seed=0))
