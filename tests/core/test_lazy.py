import subprocess
import sys

import pytest

from quorate.core.lazy import lazy


def test_module_is_loaded_when_something_of_it_is_first_used() -> None:
    code = (
        "import sys\n"
        "from quorate.core.lazy import lazy\n"
        "wave = lazy('wave')\n"
        "print('wave' in sys.modules, wave.Error.__name__, 'wave' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "Error", "True"]


def test_stand_in_has_what_the_module_has() -> None:
    import json

    assert lazy("json").dumps is json.dumps


def test_name_that_the_module_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = lazy("json").nothing_like_it


def test_module_that_does_not_exist_is_told_at_its_first_use() -> None:
    stand_in = lazy("no_such_module_here")

    with pytest.raises(ModuleNotFoundError, match="no_such_module_here"):
        _ = stand_in.anything
