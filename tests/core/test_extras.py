import sys
from pathlib import Path

import pytest

from quorate.core.extras import require
from quorate.errors import ConfigError, MissingExtra


def test_a_package_that_is_there_is_imported():
    assert require("json.decoder", extra="any").__name__ == "json.decoder"


def test_a_missing_package_names_the_command_that_installs_it():
    with pytest.raises(MissingExtra, match=r"pip install 'quorate\[openai\]'") as caught:
        require("no_such_package.inner", extra="openai")

    assert caught.value.name == "no_such_package"
    assert isinstance(caught.value, ConfigError)
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    ("text", "error"),
    [("import something_that_it_misses", ModuleNotFoundError), ("raise RuntimeError('broken')", RuntimeError)],
)
def test_a_broken_package_shows_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: type[Exception]
):
    (tmp_path / "broken_package.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(error) as caught:
        require("broken_package", extra="openai")

    assert not isinstance(caught.value, MissingExtra)
    sys.modules.pop("broken_package", None)
