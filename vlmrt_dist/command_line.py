"""Functions as commands: options from signatures and dataclasses, errors as one sentence each.

Results go to standard output; progress, warnings and errors to standard error. Exit codes: 2 for an
error that the user can mend, 130 after Ctrl-C, 141 where nobody reads the results any more, 143
after SIGTERM; anything else keeps its traceback.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Annotated, Any, NoReturn, TypeVar, cast, get_args, get_origin, get_type_hints

import docstring_parser
from cyclopts import App, CycloptsError, Group, Parameter, Token, UnknownCommandError, convert

from vlmrt_dist.console import is_interrupt, say, say_interrupted, show_warning
from vlmrt_dist.errors import VlmrtError
from vlmrt_dist.signals import INTERRUPTED, Stopped
from vlmrt_dist.streams import close_streams, open_streams

EXIT_USER, EXIT_INTERRUPTED, EXIT_PIPE, EXIT_STOPPED = 2, INTERRUPTED, 141, 143

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class CommandExit(Exception):
    """Ends a command early.

    :param code: exit code of the process
    """

    def __init__(self, code: int = 0) -> None:
        super().__init__(code)
        self.code = code


def shown_default(value: object) -> str:
    """A default as a user would type it."""
    if isinstance(value, (tuple, list)):
        return " ".join(map(shown_default, value))
    return f"{value:g}".replace("e+0", "e") if isinstance(value, float) else str(value)


DEFAULTS = Parameter(negative=(), allow_repeating=True)
"""A flag has no opposite unless it names one. Of an option that is repeated the last counts, unless
it takes several values."""


def new_app(name: str, description: str, **more: Any) -> App:
    """An application whose commands raise instead of printing errors and exiting.

    :param more: further arguments of :class:`cyclopts.App`
    """
    return App(
        name=name,
        help=description,
        default_parameter=DEFAULTS,
        help_format="plaintext",
        help_flags=["--help", "-h"],
        **{"version_flags": [], **more},
        exit_on_error=False,
        print_error=False,
        help_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_none",
    )


def run_app(app: App, arguments: Sequence[str] | None = None, interrupted: str = "") -> int:
    """Run a command, with errors told in a sentence.

    :param arguments: command line without the program's name; None: that of the process
    :param interrupted: what an interrupted user should know
    :return: exit code
    """
    if arguments is None:
        open_streams()
    code = _run(app, sys.argv[1:] if arguments is None else list(arguments), interrupted)
    if arguments is None and not close_streams() and code == 0:
        return EXIT_USER
    return code


def _run(app: App, arguments: list[str], interrupted: str) -> int:
    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        try:
            app(arguments)
        except CommandExit as end:
            return end.code
        except VlmrtError as error:
            say(f"error: {_named(error)}")
            return EXIT_USER
        except CycloptsError as error:
            say(f"error: {_sentence(error)}")
            return EXIT_USER
        except BrokenPipeError:  # the reader has had enough, as in `vlmrt ... | head`
            return EXIT_PIPE
        except BaseException as error:
            if _began_with(error, Stopped):
                return EXIT_STOPPED
            if not is_interrupt(error):
                raise
            say_interrupted("; ".join(filter(None, ("interrupted", interrupted))))
            return EXIT_INTERRUPTED
    return 0


def _began_with(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None


def _named(error: VlmrtError) -> str:
    """Its message with its class, under which the documentation tells cause and remedy."""
    return f"{error} [{type(error).__name__}]"


def _sentence(error: CycloptsError) -> str:
    """The error of a command line, or of a value that was made of it, in one sentence."""
    if isinstance(error.__cause__, VlmrtError):
        return _named(error.__cause__)
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        return _unknown_command(error.unused_tokens[0], list(error.app or ()))
    error.verbose = False
    text = str(error).strip().removesuffix(".")
    text = re.sub(r'^(Command "[^"]*" parameter|Parameter) ', "option ", text)
    text = re.sub(r"(?<=into )\S+$", lambda match: _kinds(match[0]), text)
    return text if "?" in text else f"{text}; see --help"


def _kinds(annotation: str) -> str:
    """Values that a type allows, in words: "float|Literal[fit]|None" is "a number or fit"."""
    words = {"float": "a number", "int": "a whole number"}
    kinds = [kind for kind in annotation.split("|") if kind != "None"]
    return " or ".join(words.get(kind, re.sub(r"^Literal\[(.*)\]$", r"\1", kind)) for kind in kinds)


def _unknown_command(given: str, names: Sequence[str]) -> str:
    """Said here, because the library's own message imports the modules of all commands."""
    commands = [name for name in names if not name.startswith("-")]
    near = difflib.get_close_matches(given, commands, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"Unknown command {given!r}.{hint} The commands are {', '.join(commands)}"


class Options:
    """Base of dataclasses whose fields are options of a command.

    A value's own checks run when it is made, and their messages name options instead of fields.
    """

    def __post_init__(self) -> None:
        check = getattr(super(), "__post_init__", None)
        if check is not None:
            with naming_options(type(self)):
                check()


@contextmanager
def naming_options(kind: type) -> Iterator[None]:
    """Let errors that are raised within name options of ``kind`` instead of its fields."""
    try:
        yield
    except VlmrtError as error:
        renamed = copy.copy(error)
        renamed.message = named_options(str(error), option_names(kind))
        raise renamed from None


def named_options(text: str, names: Mapping[str, str]) -> str:
    """A message with fields replaced by options: its first word, and words with an underscore."""

    def option(match: re.Match[str]) -> str:
        word = match[0]
        asked = match.start() == 0 or "_" in word
        return names[word] if asked and word in names else word

    return re.sub(r"(?<![\w-])[a-z]\w*", option, text)


def option_names(kind: type) -> dict[str, str]:
    """The option of each field of a class that :func:`option_group` has seen."""
    names = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        given = [option for each in _parameters(hint) for option in each.name or ()]
        names[name] = given[0] if given else "--" + name.replace("_", "-")
    return names


def option_group(title: str) -> Callable[[type[T]], type[T]]:
    """Let a dataclass be flattened into the options of a command, under a heading of its help.

    A field is described by the ``:param`` lines of the class, or of the class it derives from; its
    option is called as it is, unless its annotation has a :class:`cyclopts.Parameter` that says
    otherwise. Headings appear in the order in which classes are made.
    """
    group = Group.create_ordered(title)

    def flattened(kind: type[T]) -> type[T]:
        hints = get_type_hints(kind, include_extras=True)
        described: dict[str, str] = {}
        for base in reversed(kind.__mro__):
            described |= parameter_help(base.__doc__)
        for each in fields(cast(Any, kind)):
            default = each.default if each.default is not MISSING else None
            hints[each.name] = described_hint(
                hints[each.name], described.get(each.name, ""), default
            )
        # Resolved: names in annotations of a base in another module are unknown in this one.
        kind.__annotations__ = hints
        kind.__init__.__annotations__ = {**hints, "return": None}
        return Parameter(name="*", group=group)(kind)

    return flattened


def described(function: F) -> F:
    """Describe the options of a function by the ``:param`` lines of its docstring."""
    hints = get_type_hints(function, include_extras=True)
    texts = parameter_help(function.__doc__)
    for name, each in inspect.signature(function).parameters.items():
        if name in texts:
            default = None if each.default is each.empty else each.default
            hints[name] = described_hint(hints[name], texts[name], default)
    function.__annotations__ = hints
    return function


def described_hint(hint: Any, text: str, default: object) -> Any:
    """An annotation with the help of an option; empty defaults are not shown.

    :param text: what the option means, with its unit
    """
    empty = default is None or default is False or default == ()
    inner, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    more = Parameter(
        help=text,
        show_default=False if empty else shown_default,
        converter=_whole_numbers if _holds(inner, int) else None,
    )
    return Annotated[(inner, more, *extras)]


def _holds(hint: Any, kind: type) -> bool:
    """Whether a type is ``kind``, or a union or a tuple with it."""
    return hint is kind or any(_holds(each, kind) for each in get_args(hint))


def _whole_numbers(hint: Any, tokens: Sequence[Token]) -> Any:
    """Convert words to whole numbers; the library itself rounds 2.5 to 2.

    :raises ValueError: if one is none
    """
    for token in tokens:
        if not re.fullmatch(r"[+-]?[0-9]+", token.value):
            raise ValueError(f"{token.value!r} is no whole number")
    return convert(hint, tokens)


def parameter_help(docstring: str | None) -> dict[str, str]:
    """The ``:param`` lines of a docstring, by name, in one line each."""
    found = docstring_parser.parse(docstring or "").params
    return {
        each.arg_name: " ".join((each.description or "").replace("``", "").split())
        for each in found
    }


def _parameters(hint: Any) -> list[Parameter]:
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return [each for each in extras if isinstance(each, Parameter)]


def leave(code: int = 0) -> NoReturn:
    """End a command early with an exit code."""
    raise CommandExit(code)
