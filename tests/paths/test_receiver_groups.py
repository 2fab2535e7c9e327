import numpy as np
import pytest

from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import EngineUnavailable
from vlmrt_dist.paths import receiver_groups as solve_size
from vlmrt_dist.paths.receiver_groups import (
    LANES_PER_GROUP,
    MAX_LANES_AT_ONCE,
    check_memory,
    free_memory,
    groups_of,
    solve_bytes,
)


@pytest.mark.parametrize("samples", [1, 5000, 200_000, 1_000_000, 100_000_000])
@pytest.mark.parametrize("depth", [0, 2, 6])
@pytest.mark.parametrize("receivers", [1, 8, 100, 1001])
def test_groups_are_all_receivers_and_none_too_large(
    samples: int, depth: int, receivers: int
) -> None:
    radio = RadioConfig(samples_per_src=samples, max_depth=depth)
    groups = groups_of(radio, receivers)
    assert [n for group in groups for n in range(*group)] == list(range(receivers))
    sizes = np.array([stop - first for first, stop in groups])
    assert np.ptp(sizes) <= 1
    lanes = samples * max(depth, 1)
    if receivers * lanes <= MAX_LANES_AT_ONCE:
        assert len(groups) == 1
    else:
        assert sizes.max() == 1 or sizes.max() * lanes <= LANES_PER_GROUP


def test_what_the_machine_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    radio = RadioConfig(samples_per_src=200_000, max_depth=4)
    monkeypatch.setattr(solve_size, "free_memory", lambda: solve_bytes(radio, 60) - 1)
    check_memory(radio, 59)
    with pytest.raises(EngineUnavailable, match=r"60 receivers takes 2\.2 GB.*lower samples"):
        check_memory(radio, 60)
    check_memory(radio, 1000)  # in smaller groups
    monkeypatch.setattr(solve_size, "free_memory", lambda: None)
    check_memory(RadioConfig(samples_per_src=1_000_000_000), 1)


def test_free_memory_is_the_less_of_machine_and_control_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = {"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    8000 kB\n"}
    monkeypatch.setattr(solve_size, "_text", lambda path: texts.get(path, ""))
    assert free_memory() == 8_192_000
    group = "/sys/fs/cgroup/memory"
    texts |= {f"{group}.max": "max\n", f"{group}.current": "5000000\n"}
    assert free_memory() == 8_192_000
    texts |= {f"{group}.max": "6000000\n", f"{group}.stat": "anon 7\ninactive_file 1000\n"}
    assert free_memory() == 1_001_000
    texts.clear()
    assert free_memory() is None


def test_this_machine_tells() -> None:
    free = free_memory()
    assert free is None or 2**24 < free < 2**50
