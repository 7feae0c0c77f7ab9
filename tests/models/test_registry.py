import pytest

from quorate import AssistantAgent
from quorate.errors import ConfigError
from quorate.models import registry


@pytest.mark.parametrize("spec", ["embedded", "embedded:/path/to/model.gguf", "openai:gpt-5", "openai:ft:gpt-4o:x"])
def test_name_of_a_known_provider_is_good_without_loading_it(spec: str) -> None:
    AssistantAgent("writer", model_client=spec)

    assert registry.info_of(spec).name == spec


@pytest.mark.parametrize("spec", ["gpt-5", "os:system", "builtins.eval:x", "", "Embedded", "openai"])
def test_name_that_is_none_is_refused_before_anything_runs(spec: str) -> None:
    # a closed registry: nothing is imported by a name from data
    with pytest.raises(ConfigError, match="'openai:gpt-5'"):
        AssistantAgent("writer", model_client=spec)


def test_embedded_model_costs_nothing() -> None:
    assert registry.info_of("embedded").free
    assert not registry.info_of("openai:gpt-5").free
