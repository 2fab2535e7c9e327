"""Commands made of functions and dataclasses: options, help, errors and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from cyclopts import Parameter

from vlmrt_dist.command_line import (
    Options,
    described,
    leave,
    named_options,
    new_app,
    option_group,
    run_app,
)
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.signals import Stopped


@dataclass(frozen=True)
class Lamp:
    """A value of the library.

    :param power: electric power [W]
    :param wave_length: of its light [m]
    """

    power: float = 60.0
    wave_length: float = 5e-7
    lit: bool = True

    def __post_init__(self) -> None:
        if self.power < 0.0:
            raise ConfigurationError(f"power must not be negative; got {self.power}")
        if self.wave_length <= 0.0:
            raise ConfigurationError("wave_length must be positive, whatever the power")


@option_group("Light")
@dataclass(frozen=True)
class LampOptions(Options, Lamp):
    """The same as options.

    :param lit: whether it shines
    """

    power: Annotated[float, Parameter(name="--lamp-power")] = 60.0
    lit: Annotated[bool, Parameter(negative="--dark")] = True


SEEN: list[tuple[LampOptions, tuple[str, ...]]] = []


@described
def shine(*, lamp: LampOptions = LampOptions(), on: tuple[str, ...] = (), times: int = 1) -> None:
    """Shine.

    :param on: what it shines on
    :param times: how often
    """
    SEEN.append((lamp, on))


def run(*arguments: str) -> int:
    app = new_app("lamp", "A lamp.")
    app.default(shine)
    return run_app(app, arguments)


def test_a_value_is_made_of_options() -> None:
    assert run("--lamp-power", "40", "--dark", "--on", "a", "--on", "b") == 0
    assert SEEN.pop() == (LampOptions(40.0, 5e-7, False), ("a", "b"))


def test_of_a_repeated_option_the_last_counts() -> None:
    assert run("--lamp-power", "40", "--lamp-power", "30") == 0
    assert SEEN.pop()[0].power == 30.0


def test_help_has_headings_units_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    printed = capsys.readouterr().out
    for text in ("Light", "electric power [W] [default: 60]", "of its light [m] [default: 5e-07]",
                 "--lit --dark", "what it shines on"):  # fmt: skip
        assert text in printed, text
    assert "()" not in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--lamp-power", "-1"],
            "--lamp-power must not be negative; got -1.0 [ConfigurationError]",
        ),
        (
            ["--wave-length", "0"],
            "--wave-length must be positive, whatever the power [ConfigurationError]",
        ),
        (["--wave-lenght", "1"], "Unknown option: --wave-lenght. Did you mean --wave-length?"),
        (["--lamp-power", "x"], '--lamp-power: unable to convert "x" into a number; see --help'),
        (
            ["--times", "0.5"],
            "Invalid value for --times: '0.5' is no whole number; see --help",
        ),
        (["--lamp-power"], "option --lamp-power requires an argument; see --help"),
    ],
)
def test_what_is_refused_names_the_option(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.endswith(f"{sentence}\n")


def test_a_choice_or_a_number_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    def command(clutter: float | Literal["fit"] | None = None) -> None:
        raise AssertionError(clutter)

    app = new_app("x", "x")
    app.default(command)
    assert run_app(app, ["--clutter", "much"]) == 2
    assert '"much" into a number or fit; see --help' in capsys.readouterr().err


def test_only_fields_become_options() -> None:
    names = {"width": "--prior-width", "noise_db": "--noise-db"}
    told = named_options("width must be larger than the width of noise_db and x_noise_db", names)
    assert told == "--prior-width must be larger than the width of --noise-db and x_noise_db"


def raise_this(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: leave(1), 1, ""),
        (raise_this(ConfigurationError("no")), 2, "error: no [ConfigurationError]\n"),
        (raise_this(Stopped()), 143, ""),
        (raise_this(KeyboardInterrupt()), 130, "interrupted; go on\n"),
    ],
)
def test_exit_codes(
    command: Callable[[], None], code: int, said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("signal.signal", lambda *_: None)
    app = new_app("x", "x")
    app.default(command)
    assert run_app(app, [], interrupted="go on") == code
    assert capsys.readouterr().err == said
