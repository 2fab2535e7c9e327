import math
import os
import select
from pathlib import Path

import pytest

from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.scene.itu import material_class
from vlmrt_dist.studies.benchmarks.cost_by_objects import (
    in_own_process,
    measure_fixed,
    measure_replay,
)


def test_a_process_of_its_own_answers_fails_or_is_given_up() -> None:
    assert in_own_process(math.sqrt, 4.0) == 2.0
    assert in_own_process(os.getpid) != os.getpid()
    # Waited for, it would answer with three empty lists.
    assert in_own_process(select.select, [], [], [], 60.0, seconds=1.0) is None
    with pytest.raises(RuntimeError, match="exit code 1"):
        in_own_process(math.sqrt, -1.0)
    with pytest.raises(MaterialError, match="jelly"):  # as in this process
        in_own_process(material_class, "jelly")


@pytest.mark.slow
def test_a_room_costs_what_its_parts_do() -> None:
    radio = RadioConfig(max_depth=2)
    cost = measure_replay(30, radio, 16, 0)
    assert (cost.num_objects, cost.num_setups) == (30, 10)
    assert 0 < cost.estimated <= cost.seen <= 30
    assert cost.mre < 0.01
    assert cost.around > 0.0
    assert cost.search > 0.0
    assert cost.complete_to == 2
    assert cost.value < cost.fit < cost.whole
    assert (cost.num_links, cost.outcome) == (128, "converged")
    assert cost.entries < 128 * 30


@pytest.mark.slow
def test_tables_of_another_day_are_not_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path))
    radio = RadioConfig(max_depth=2)
    seconds = measure_fixed([9, 15], radio, 16, 0)
    assert list(seconds) == [9, 15]
    assert all(0.0 < s < 1.0 for s in seconds.values())
    assert not list(tmp_path.iterdir())  # neither read nor written
