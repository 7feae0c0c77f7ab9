"""The README and every page in docs/ do what they show.

A page is run like a notebook: its Python fences in order, with the names of the earlier ones, `await` allowed at the
top. The lines `#> ` after a print are its output. `make docs ARGS=--update-examples` writes them.
"""

import ast
import asyncio
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.abc import Loader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from pytest_examples import CodeExample, EvalExample, find_examples

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!\w+:)(?P<path>[^)#\s]*)(?:#[^)]*)?\)")

Runner = Callable[[Path], None]


class AwaitingLoader(Loader):
    """Runs a file whose top level may await, as `python -m asyncio` does."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner

    def mark_rewrite(self, *names: str) -> None:
        """Stand in for pytest's assertion rewriting, which knows no top-level await."""

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        assert module.__spec__.origin is not None
        path = module.__spec__.origin
        source = Path(path).read_text()
        code: CodeType = compile(source, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            self.runner.run(eval(code, module.__dict__))
        else:
            exec(code, module.__dict__)


@pytest.fixture
def run_page(eval_example: EvalExample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Runner]:
    """Run a page in a folder of its own, which has our examples in it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "examples").symlink_to(REPO / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    eval_example.set_config(line_length=120)
    run = eval_example.run_print_update if eval_example.update_examples else eval_example.run_print_check

    with asyncio.Runner() as runner:
        module = sys.modules[EvalExample.__module__]
        monkeypatch.setattr(module, "AssertionRewritingHook", lambda config: AwaitingLoader(runner))

        def page(path: Path) -> None:
            names: dict[str, Any] = {}
            for example in fences(path):
                try:
                    names |= run(example, module_globals=names)
                except Exception:  # pytest-examples cannot show where in a page it was raised
                    pytest.fail(f"{path.name}, line {example.start_line}:\n{traceback.format_exc()}", pytrace=False)

        yield page


def fences(page: Path) -> list[CodeExample]:
    return list(find_examples(page))


@pytest.mark.parametrize("page", [page for page in PAGES if fences(page)], ids=lambda page: str(page.relative_to(REPO)))
def test_page_does_what_it_shows(page: Path, run_page: Runner, request: pytest.FixtureRequest) -> None:
    if "postgres_server" in page.read_text():
        request.getfixturevalue("postgres_server")  # which skips where there is no server
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    paths = [link["path"] for link in LINK.finditer(page.read_text()) if link["path"]]

    dead = [path for path in paths if not (page.parent / path).exists()]

    assert not dead, f"{page.name} links to what is not there: {', '.join(dead)}"


def test_fences_share_names_and_may_await(run_page: Runner, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport asyncio\nlock = asyncio.Lock()\n```\n"
        "```python\nasync with lock:\n    print(lock.locked())\n    #> True\n```\n"
        "```python\nprint(lock.locked())\n#> False\n```\n"
    )

    run_page(page)

    assert len(fences(page)) == 3


@pytest.mark.parametrize(
    "body",
    ["print(1 + 1)\n#> 3\n", "print(1 + 1)\n", "import asyncio\nawait asyncio.sleep(0)\nprint('a')\n#> b\n"],
    ids=["wrong", "missing", "wrong after await"],
)
def test_output_that_is_not_as_shown_fails(run_page: Runner, tmp_path: Path, body: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```python\n{body}```\n")

    with pytest.raises(pytest.fail.Exception, match="Print output changed code"):
        run_page(page)
