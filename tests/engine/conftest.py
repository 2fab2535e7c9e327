"""The libLLVM of this machine."""

import pytest

from vlmrt_dist.engine import llvm


@pytest.fixture
def library() -> llvm.LlvmLibrary:
    found = llvm.use_llvm()
    if found is None:
        pytest.skip("this machine computes on its GPU and has no LLVM")
    return found
