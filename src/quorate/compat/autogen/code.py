"""What a piece of code needs to run elsewhere: packages and imports."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from textwrap import dedent
from typing import Any, Generic, ParamSpec, TypeVar

from quorate.errors import ConfigError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Alias:
    """`import name as alias`, or a name that is imported from a module as another."""

    name: str
    alias: str


@dataclass(frozen=True)
class ImportFromModule:
    """`from module import …`."""

    module: str
    imports: tuple[str | Alias, ...]

    def __init__(self, module: str, imports: tuple[str | Alias, ...] | list[str | Alias]) -> None:
        object.__setattr__(self, "module", module)
        object.__setattr__(self, "imports", tuple(imports))


Import = str | ImportFromModule | Alias


@dataclass(frozen=True)
class FunctionWithRequirementsStr:
    """The source of one function, with what it needs.

    Raises:
        ConfigError: It cannot be parsed, or is not exactly one function.
        NotImplementedError: It is called: only an executor runs it.
    """

    func: str
    python_packages: Sequence[str] = ()
    global_imports: Sequence[Import] = ()
    name: str = field(default="", init=False)

    def __init__(
        self,
        func: str,
        python_packages: Sequence[str] = [],  # the documented default; nobody changes it
        global_imports: Sequence[Import] = [],
    ) -> None:
        try:
            body = ast.parse(dedent(func)).body
        except SyntaxError as error:
            raise ConfigError(f"Could not compile function: {error}") from error
        functions = [part for part in body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
        if len(functions) != 1:
            raise ConfigError("The string must contain exactly one function")
        values = {
            "func": func,
            "python_packages": python_packages,
            "global_imports": global_imports,
            "name": functions[0].name,
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"{self.name} is source code: give it to an executor.")


class FunctionWithRequirements(Generic[T, P]):
    """A function with what it needs; it stays callable.

    Args:
        func: The function.
        python_packages: Packages to install.
        global_imports: What its module imports.
    """

    def __init__(
        self,
        func: Callable[P, T],
        python_packages: Sequence[str] = (),
        global_imports: Sequence[Import] = (),
    ) -> None:
        self.func = func
        self.python_packages, self.global_imports = python_packages, global_imports
        update_wrapper(self, func)

    @classmethod
    def from_callable(
        cls,
        func: Callable[P, T],
        python_packages: Sequence[str] = [],
        global_imports: Sequence[Import] = [],
    ) -> FunctionWithRequirements[T, P]:
        """Return a function with what it needs."""
        return cls(func, python_packages, global_imports)

    @staticmethod
    def from_str(
        func: str,
        python_packages: Sequence[str] = [],
        global_imports: Sequence[Import] = [],
    ) -> FunctionWithRequirementsStr:
        """Return the source of a function with what it needs."""
        return FunctionWithRequirementsStr(func, python_packages, global_imports)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.func(*args, **kwargs)


def with_requirements(
    python_packages: Sequence[str] = [],
    global_imports: Sequence[Import] = [],
) -> Callable[[Callable[P, T]], FunctionWithRequirements[T, P]]:
    """Say what a function needs to run elsewhere."""

    def decorate(func: Callable[P, T]) -> FunctionWithRequirements[T, P]:
        return FunctionWithRequirements(func, python_packages, global_imports)

    return decorate


Function = FunctionWithRequirements[Any, ...] | FunctionWithRequirementsStr | Callable[..., Any]


def module_of(functions: Sequence[Function]) -> str:
    """Return the source of a module with functions, and what they import."""
    imports: dict[str, None] = {}
    for function in functions:
        for one in getattr(function, "global_imports", ()):
            imports[_imported(one)] = None
    return "\n\n".join(["\n".join(imports), *(source_of(function) for function in functions)]) + "\n"


def packages_of(functions: Sequence[Function]) -> list[str]:
    """Return the packages that functions need, each once."""
    return sorted({name for function in functions for name in getattr(function, "python_packages", ())})


def source_of(function: Function) -> str:
    """Return the source of one function, without decorators."""
    if isinstance(function, FunctionWithRequirementsStr):
        return dedent(function.func)
    source = dedent(inspect.getsource(function.func if isinstance(function, FunctionWithRequirements) else function))
    return source[source.index("def ") - (6 if "async def " in source[: source.index("def ") + 4] else 0) :]


def stub_of(function: Function) -> str:
    """Return how a function is called and what it says of itself, for a model to read."""
    found = ast.parse(source_of(function)).body[0]
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)  # nothing else is taken
    kept = found.body[:1] if ast.get_docstring(found) else []
    found.body = [*kept, ast.Expr(ast.Constant(...))]
    return ast.unparse(found)


def _imported(one: Import) -> str:
    if isinstance(one, str):
        return f"import {one}"
    if isinstance(one, Alias):
        return f"import {one.name} as {one.alias}"
    names = [name if isinstance(name, str) else f"{name.name} as {name.alias}" for name in one.imports]
    return f"from {one.module} import {', '.join(names)}"
