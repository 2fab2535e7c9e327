"""The process that judges readers."""

from collections.abc import Iterator

import pytest

from tests.fuzz.judge import Judge


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as found:
        yield found
