"""Messages to and from models."""

import warnings

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    ChatCompletionTokenLogprob,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelFamily,
    RequestUsage,
    SystemMessage,
    TopLogprob,
    UserMessage,
    validate_model_info,
)
from pydantic import TypeAdapter, ValidationError

messages = [
    SystemMessage(content="be kind"),
    UserMessage(content="hello", source="ann"),
    UserMessage(content=["one", "two"], source="ann"),
    AssistantMessage(content="hi", source="bot", thought="hm"),
    AssistantMessage(content=[FunctionCall("1", "{}", "f")], source="bot"),
    FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="r", name="f", call_id="1")]),
]
adapter = TypeAdapter(LLMMessage)
for message in messages:
    print(repr(message))
    print(message.model_dump_json(), adapter.validate_python(message.model_dump()) == message)
try:
    adapter.validate_python({"type": "Nonsense", "content": "x"})
except ValidationError:
    print("ValidationError")

result = CreateResult(finish_reason="stop", content="x", usage=RequestUsage(1, 2), cached=False)
print(repr(result), result.usage == RequestUsage(prompt_tokens=1, completion_tokens=2))
print(repr(ChatCompletionTokenLogprob(token="a", logprob=-1.0, top_logprobs=[TopLogprob(logprob=-0.5)])))
try:
    CreateResult(finish_reason="bored", content="x", usage=RequestUsage(1, 2), cached=False)
except ValidationError:
    print("ValidationError")

info = {"vision": False, "function_calling": True, "json_output": True, "family": "unknown", "structured_output": False}
validate_model_info(info)
for name in info:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            validate_model_info({key: value for key, value in info.items() if key != name})
            print(name, [warning.category.__name__ for warning in told])
        except ValueError:
            print(name, "ValueError")

names = sorted(name for name in vars(ModelFamily) if name.isupper() and name != "ANY")
print({name: getattr(ModelFamily, name) for name in names})
families = [getattr(ModelFamily, name) for name in names] + ["something else"]
for test in ["is_claude", "is_gemini", "is_openai", "is_llama", "is_mistral"]:
    print(test, [family for family in families if getattr(ModelFamily, test)(family)])
for abstract in [ModelFamily, ChatCompletionClient]:
    try:
        abstract()
    except TypeError:
        print("TypeError")
