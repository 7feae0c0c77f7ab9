"""Objects as configuration, in AutoGen's form: `provider` names the class, and it is looked up, never imported."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, cast
from weakref import WeakValueDictionary

from pydantic import BaseModel

from quorate.errors import ConfigError

C = TypeVar("C", bound=BaseModel)
C_from = TypeVar("C_from", bound=BaseModel, contravariant=True)
C_to = TypeVar("C_to", bound=BaseModel, covariant=True)
T = TypeVar("T")

ComponentType = Literal["model", "agent", "tool", "termination", "token_provider", "workbench"] | str

_HERE = "quorate.compat.autogen.core"
_CHAT = {
    "agents": ("AssistantAgent", "CodeExecutorAgent", "MessageFilterAgent", "SocietyOfMindAgent", "UserProxyAgent"),
    "base": ("AndTerminationCondition", "OrTerminationCondition"),
    "conditions": (
        "ExternalTermination", "FunctionCallTermination", "HandoffTermination", "MaxMessageTermination",
        "SourceMatchTermination", "StopMessageTermination", "TextMentionTermination", "TextMessageTermination",
        "TimeoutTermination", "TokenUsageTermination",
    ),
    "messages": ("StructuredMessageFactory",),
    "teams": ("GraphFlow", "MagenticOneGroupChat", "RoundRobinGroupChat", "SelectorGroupChat", "Swarm"),
    "tools": ("AgentTool", "TeamTool"),
}  # fmt: skip
_OURS = {
    **{
        f"autogen_agentchat.{home}.{name}": f"quorate.compat.autogen.agentchat.{home}"
        for home, names in _CHAT.items()
        for name in names
    },
    "autogen_ext.code_executors.local.LocalCommandLineCodeExecutor": "quorate.compat.autogen.ext.code_executors.local",
    "autogen_ext.models.openai.OpenAIChatCompletionClient": "quorate.compat.autogen.ext.models.openai",
    "autogen_ext.models.replay.ReplayChatCompletionClient": "quorate.compat.autogen.ext.models.replay",
    "autogen_core.InMemoryStore": _HERE,
    "autogen_core.memory.ListMemory": f"{_HERE}.memory",
    "autogen_core.model_context.BufferedChatCompletionContext": f"{_HERE}.model_context",
    "autogen_core.model_context.HeadAndTailChatCompletionContext": f"{_HERE}.model_context",
    "autogen_core.model_context.TokenLimitedChatCompletionContext": f"{_HERE}.model_context",
    "autogen_core.model_context.UnboundedChatCompletionContext": f"{_HERE}.model_context",
    "autogen_core.tools.FunctionTool": f"{_HERE}.tools",
    "autogen_core.tools.StaticStreamWorkbench": f"{_HERE}.tools",
    "autogen_core.tools.StaticWorkbench": f"{_HERE}.tools",
}
"""The closed table: which of our modules has what AutoGen's configurations name."""
_ALIASES = {
    "OpenAIChatCompletionClient": "autogen_ext.models.openai.OpenAIChatCompletionClient",
    "openai_chat_completion_client": "autogen_ext.models.openai.OpenAIChatCompletionClient",
    "AzureOpenAIChatCompletionClient": "autogen_ext.models.openai.AzureOpenAIChatCompletionClient",
    "azure_openai_chat_completion_client": "autogen_ext.models.openai.AzureOpenAIChatCompletionClient",
    "OllamaChatCompletionClient": "autogen_ext.models.ollama.OllamaChatCompletionClient",
}
_defined: WeakValueDictionary[str, type[Any]] = WeakValueDictionary()
"""Component classes that were defined in this process, by module and name."""


class ComponentModel(BaseModel):
    """An object as configuration.

    Attributes:
        provider: The class, by module and name.
        component_type: What it is, such as `model` or `tool`.
        version: The version of the class that wrote it.
        component_version: The same.
        description: What it is for.
        label: Its name, for people.
        config: What the class makes the object of.
    """

    provider: str
    component_type: ComponentType | None = None
    version: int | None = None
    component_version: int | None = None
    description: str | None = None
    label: str | None = None
    config: dict[str, Any]


class ComponentFromConfig(Generic[C_from]):
    """What can be made of configuration."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _defined[f"{cls.__module__}.{cls.__qualname__}"] = cls

    @classmethod
    def _from_config(cls, config: C_from) -> Self:
        """Return an object made of its configuration."""
        raise NotImplementedError(f"{cls.__name__} has no _from_config, so it cannot be made of configuration.")

    @classmethod
    def _from_config_past_version(cls, config: dict[str, Any], version: int) -> Self:
        """Return an object made of what an earlier version of the class wrote."""
        raise NotImplementedError(f"{cls.__name__} has no _from_config_past_version.")


class ComponentToConfig(Generic[C_to]):
    """What can be written as configuration."""

    component_type: ClassVar[ComponentType]
    component_version: ClassVar[int] = 1
    component_provider_override: ClassVar[str | None] = None
    component_description: ClassVar[str | None] = None
    component_label: ClassVar[str | None] = None

    def _to_config(self) -> C_to:
        """Return the configuration of this object."""
        raise NotImplementedError(f"{type(self).__name__} has no _to_config, so it cannot be written as configuration.")

    def dump_component(self) -> ComponentModel:
        """Return this object as configuration.

        Raises:
            AttributeError: The class has no `component_type`.
            TypeError: The class was defined in a function, so nobody could find it again.
        """
        cls = type(self)
        if not hasattr(cls, "component_type"):
            raise AttributeError(f"{cls.__name__} has no component_type. Set it as a class attribute.")
        config = self._to_config().model_dump(exclude_none=True)
        return ComponentModel(
            provider=_provider(cls),
            component_type=cls.component_type,
            version=cls.component_version,
            component_version=cls.component_version,
            description=cls.component_description or _first_paragraph(cls.__doc__),
            label=cls.component_label or cls.__name__,
            config=config,
        )


class ComponentLoader:
    """What is loaded by `load_component`."""

    @classmethod
    def load_component(cls, model: ComponentModel | Mapping[str, Any], expected: type[Any] | None = None) -> Any:
        """Make an object of configuration.

        Its class must be one of AutoGen's that Quorate has, or have been defined in this process: what a configuration
        names is never imported.

        Args:
            model: The configuration.
            expected: The class the object must be of; by default the one this is called on.

        Raises:
            ConfigError: No such class is known.
            TypeError: It is no component class, or not the expected one.
            NotImplementedError: An earlier version of the class wrote it, and it cannot read that.
        """
        found = model if isinstance(model, ComponentModel) else ComponentModel.model_validate(model)
        made = _made(_class_of(_ALIASES.get(found.provider, found.provider)), found)
        wanted = cls if expected is None else expected
        if not isinstance(made, wanted):
            raise TypeError(f"Expected type does not match: {found.provider} is no {wanted.__name__}.")
        return made


class ComponentSchemaType(Generic[C]):
    """What says what its configuration looks like."""

    component_config_schema: ClassVar[type[Any]]
    required_class_vars: ClassVar[list[str]] = ["component_config_schema", "component_type"]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ == __name__ or inspect.isabstract(cls):
            return
        for name in cls.required_class_vars:
            if not hasattr(cls, name):
                warnings.warn(
                    f"Class variable '{name}' must be defined in {cls.__name__} for it to be a component.", stacklevel=3
                )


class ComponentBase(ComponentToConfig[C_to], ComponentLoader, Generic[C_to]):
    """The base of component interfaces: what can be written and loaded."""


class Component(ComponentFromConfig[C], ComponentSchemaType[C], Generic[C]):
    """The base of concrete components, beside an interface that derives from `ComponentBase`."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not is_component_class(cls):
            warnings.warn(
                f"{cls.__name__} is no whole component: derive it from ComponentBase (or an interface) and Component.",
                stacklevel=2,
            )


def is_component_class(cls: type[Any]) -> bool:
    """Return whether a class can be written as configuration and made of it."""
    return all(
        issubclass(cls, part) for part in (ComponentFromConfig, ComponentToConfig, ComponentSchemaType, ComponentLoader)
    )


def is_component_instance(cls: Any) -> bool:
    """Return whether an object can be written as configuration and made of it."""
    return is_component_class(cast("type[Any]", type(cls)))


def _provider(cls: type[Any]) -> str:
    override = cast("str | None", cls.component_provider_override)
    provider = override or f"{cls.__module__}.{cls.__qualname__}"
    if "<locals>" in provider:
        raise TypeError(f"Cannot dump component with local class {cls.__qualname__}. Define it in a module.")
    if "._" in provider:
        warnings.warn(
            f"{provider} names a private module. Set component_provider_override to a public name.", stacklevel=3
        )
    return provider


def _first_paragraph(doc: str | None) -> str | None:
    if not doc:
        return None
    text = re.split(r"\n\s*\n|\n\s*(?:Args|Parameters|Attributes):", inspect.cleandoc(doc))[0].strip()
    return text or None


def _class_of(provider: str) -> type[Any]:
    """Return the class that a configuration names, among those that are known."""
    module, dot, name = provider.rpartition(".")
    if not dot:
        raise ConfigError("Invalid provider: it names no module.")
    home = _OURS.get(provider)
    found: Any = getattr(importlib.import_module(home), name) if home else _defined.get(provider)
    if found is None:
        found = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if isinstance(found, type) and not is_component_class(cast("type[Any]", found)):
            raise TypeError(f"Invalid component class: {provider} is no component.")
    if not isinstance(found, type):
        raise ConfigError(
            f"No component class {provider!r} is known. A configuration imports nothing: if the class is yours, import "
            "its module before loading; of AutoGen's there are " + ", ".join(sorted(_OURS)) + "."
        )
    return cast("type[Any]", found)


def _made(cls: Any, model: ComponentModel) -> Any:
    if not is_component_class(cls):
        raise TypeError(f"Invalid component class: {model.provider} is no component.")
    for name in ("component_config_schema", "component_type"):
        if not hasattr(cls, name):
            raise AttributeError(f"{name} not defined: set it as a class attribute of {cls.__name__}.")
    version = model.component_version or cls.component_version
    if version < cls.component_version:
        past: Callable[..., Any] = cls._from_config_past_version
        try:
            return past(model.config, version)
        except NotImplementedError as error:
            raise NotImplementedError(
                f"{model.provider} is at version {cls.component_version} and this configuration at {version}: the "
                "class has no _from_config_past_version that would read it."
            ) from error
    return cls._from_config(cls.component_config_schema.model_validate(model.config))
