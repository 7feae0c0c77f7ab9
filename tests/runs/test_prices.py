import subprocess
import sys

import pytest

from quorate.models import ModelInfo
from quorate.runs.prices import FREE, price_of, window_of


def test_model_on_the_users_own_machine_costs_nothing() -> None:
    price = price_of(ModelInfo(name="embedded:whatever", free=True))

    assert price == FREE
    assert price.usd(10**6, 10**6) == 0.0


def test_known_model_costs_more_for_replies_than_for_prompts_and_less_for_what_is_cached() -> None:
    price = price_of(ModelInfo(name="openai:gpt-4o-mini"))

    prompt, reply, cached = price.usd(1000, 0), price.usd(0, 1000), price.usd(1000, 0, 1000)

    assert price.known
    assert prompt == pytest.approx(0.00015)
    assert reply == pytest.approx(0.0006)
    assert cached is not None
    assert 0 < cached < prompt


@pytest.mark.parametrize("name", ["openai:no-such-model-9", "nobody:gpt-4o-mini", "scripted", ""])
def test_model_that_the_tables_do_not_have_has_no_price(name: str) -> None:
    price = price_of(ModelInfo(name=name))

    assert not price.known
    assert price.usd(1000, 1000) is None


@pytest.mark.parametrize(
    ("info", "window"),
    [
        (ModelInfo(name="openai:gpt-4o-2024-08-06"), 128_000),
        (ModelInfo(name="anthropic:claude-sonnet-4-5"), 200_000),
        (ModelInfo(name="openai:gpt-4o", context_window=9000), 9000),
        (ModelInfo(name="openai:gpt-4o", free=True), None),
        (ModelInfo(name="openai:gpt-4o", context_window=9000, free=True), 9000),
        (ModelInfo(name="openai:whisper-1"), None),
        (ModelInfo(name="openai:no-such-model-9"), None),
        (ModelInfo(name="nobody:gpt-4o"), None),
        (ModelInfo(name="scripted"), None),
    ],
)
def test_what_fits_into_a_model_is_what_its_client_says_else_what_the_tables_have(
    info: ModelInfo, window: int | None
) -> None:
    assert window_of(info) == window


def test_price_tables_are_not_loaded_for_models_that_are_free() -> None:
    code = (
        "import sys\n"
        "from quorate.models import ModelInfo\n"
        "from quorate.runs.prices import price_of, window_of\n"
        "price_of(ModelInfo(name='embedded', free=True)).usd(1, 1)\n"
        "window_of(ModelInfo(name='embedded', free=True)), window_of(ModelInfo(name='openai:x', context_window=1))\n"
        "print('genai_prices' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
