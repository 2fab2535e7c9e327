import os
import signal

import pytest

from vlmrt_dist.signals import STOP_SIGNAL, Stopped


@pytest.fixture(autouse=True)
def handler() -> object:
    before = signal.getsignal(signal.SIGTERM)
    STOP_SIGNAL.install()
    yield
    STOP_SIGNAL.restore()
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_is_raised() -> None:
    with pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_is_held_back_is_done_whole_and_then_raised() -> None:
    done = []

    def work() -> None:
        with STOP_SIGNAL.held_back():
            with STOP_SIGNAL.held_back():
                os.kill(os.getpid(), signal.SIGTERM)
                done.append("inner")
            done.append("outer")

    with pytest.raises(Stopped):
        work()
    assert done == ["inner", "outer"]
    with STOP_SIGNAL.held_back():
        pass  # once only


def test_another_handler_that_is_installed_meanwhile_is_replaced() -> None:
    with STOP_SIGNAL.kept():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as ray.init does with its own
    with pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_failure_meanwhile_does_not_swallow_the_signal() -> None:
    def work() -> None:
        with STOP_SIGNAL.held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            raise OSError("disk full")

    with pytest.raises(Stopped) as caught:
        work()
    assert isinstance(caught.value.__context__, OSError)
