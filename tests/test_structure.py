"""Functions stay short and take few parameters; what should be options are values."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES = 60
"""Lines of a function's body without its docstring."""

MOST_PARAMETERS = 10
"""Parameters of a function, without self and cls."""

EXCEPTIONS: dict[str, str] = {}
"""Functions that may exceed a bound, each with the reason."""


def functions(body: list[ast.stmt], name: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods with their dotted names; nested ones belong to the one around them."""
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield f"{name}.{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node.body, f"{name}.{node.name}")


def all_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for folder in ("vlmrt_dist", "sweeps"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield from functions(tree.body, name.removesuffix(".__init__"))


def num_lines(function: ast.FunctionDef) -> int:
    """Lines of the body without the docstring, comments and blank lines included."""
    body = function.body
    documented = ast.get_docstring(function, clean=False) is not None
    last = function.end_lineno or function.lineno
    if not documented:
        return last - body[0].lineno + 1
    return last - (body[0].end_lineno or body[0].lineno)


def num_parameters(function: ast.FunctionDef) -> int:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return sum(a is not None and a.arg not in ("self", "cls") for a in every)


@pytest.fixture(scope="module")
def excessive() -> dict[str, str]:
    """Functions over a bound, with their sizes."""
    found = {}
    for name, function in all_functions():
        lines, parameters = num_lines(function), num_parameters(function)
        if lines > MOST_LINES or parameters > MOST_PARAMETERS:
            found[name] = f"{lines} lines, {parameters} parameters"
    return found


def test_functions_are_short_and_take_few_parameters(excessive: dict[str, str]) -> None:
    assert {n: size for n, size in excessive.items() if n not in EXCEPTIONS} == {}


def test_every_exception_is_still_one_and_has_a_reason(excessive: dict[str, str]) -> None:
    assert [name for name in EXCEPTIONS if name not in excessive] == []
    assert all(EXCEPTIONS.values())


def test_sizes_are_counted_without_docstring_and_self() -> None:
    text = """
class A:
    def f(self, a, /, b, *c, d, **e):
        'One.'
        x = 1

        return x
"""
    [(name, function)] = functions(ast.parse(text).body, "m")
    assert (name, num_lines(function), num_parameters(function)) == ("m.A.f", 3, 5)
