"""Installing the views, and where they refuse."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.compat import autogen
from quorate.compat.autogen.finder import VIEWS
from quorate.errors import ConfigError


def test_without_install_there_is_no_autogen() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("autogen_core")


def test_every_module_is_found_in_every_way(autogen_core: None) -> None:
    import autogen_core.models
    from autogen_core import tools
    from autogen_core.tools import FunctionTool

    assert autogen_core.models is sys.modules["autogen_core.models"]
    assert tools.FunctionTool is FunctionTool
    for name, home in VIEWS.items():
        assert importlib.import_module(name) is importlib.import_module(home)


def test_private_modules_are_not_there(autogen_core: None) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("autogen_core._types")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("autogen_ext.tools.mcp", "docs/autogen.md has what there is"),
        ("autogen_ext.models.anthropic", "a ChatCompletionClient of your own"),
    ],
)
def test_what_the_view_lacks_is_told_as_that(autogen_core: None, name: str, words: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=words) as caught:
        importlib.import_module(name)

    assert caught.value.name is not None
    assert name.startswith(caught.value.name)
    with pytest.raises(ImportError, match="cannot import name 'anthropic'"):
        exec("from autogen_ext.models import anthropic")  # as a program would


def test_installing_again_does_nothing_and_uninstalling_undoes_it() -> None:
    before = list(sys.meta_path)

    autogen.install()
    autogen.install()
    here = autogen.installed()
    autogen.uninstall()

    assert here
    assert not autogen.installed()
    assert sys.meta_path == before
    assert not [name for name in sys.modules if name.startswith("autogen_core")]


@pytest.mark.parametrize("package", ["autogen_core", "autogen_agentchat", "autogen_ext"])
def test_an_installed_autogen_is_not_shadowed(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=f"pip uninstall {package.replace('_', '-')}"):
        autogen.install()

    assert not autogen.installed()


def test_importing_quorate_loads_nothing_of_it() -> None:
    script = (
        "import sys, quorate.chat.team, quorate.core.runtime\n"
        "print([name for name in sys.modules if 'autogen' in name or 'compat' in name])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.stdout == "[]\n", done.stderr
