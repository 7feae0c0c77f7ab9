"""Objects as configuration."""

import warnings
from typing import Self

from autogen_core import (
    CacheStore,
    Component,
    ComponentBase,
    ComponentLoader,
    ComponentModel,
    InMemoryStore,
    is_component_class,
    is_component_instance,
)
from pydantic import BaseModel, SecretStr


class GreeterConfig(BaseModel):
    greeting: str
    times: int | None = None
    key: SecretStr | None = None


class Greeter(ComponentBase[GreeterConfig], Component[GreeterConfig]):
    """Greets people.

    Much more is said about it here.
    """

    component_type = "greeter"
    component_config_schema = GreeterConfig
    component_version = 2

    def __init__(self, greeting, key=None):
        self.greeting, self.key = greeting, key

    def _to_config(self) -> GreeterConfig:
        return GreeterConfig(greeting=self.greeting, key=self.key)

    @classmethod
    def _from_config(cls, config: GreeterConfig) -> Self:
        return cls(config.greeting, config.key)

    @classmethod
    def _from_config_past_version(cls, config, version) -> Self:
        return cls(f"{config['words']} from version {version}")


class Labelled(Greeter):
    component_provider_override = "__main__.Labelled"
    component_label = "A label"
    component_description = "A description"
    component_version = 1


class NoPast(Greeter):
    component_version = 3
    _from_config_past_version = Component._from_config_past_version


dumped = Greeter("Hello").dump_component()
print(repr(dumped))
print(repr(Labelled("Hi").dump_component()))
print(Greeter("x", SecretStr("hidden")).dump_component().config["key"])
for data in [dumped, dumped.model_dump(), ComponentModel.model_validate_json(dumped.model_dump_json())]:
    print(Greeter.load_component(data).greeting, type(ComponentLoader.load_component(data)).__name__)
print(ComponentLoader.load_component(dumped, Greeter).greeting)
past = {"provider": "__main__.Greeter", "component_version": 1, "config": {"words": "Hi"}}
print(Greeter.load_component(past).greeting)
print(Greeter.load_component({"provider": "__main__.Greeter", "config": {"greeting": "no version"}}).greeting)


def refused(kind, work):
    try:
        print("taken:", work())
    except kind:
        print(kind.__name__)


refused(NotImplementedError, lambda: NoPast.load_component({**past, "provider": "__main__.NoPast"}))
refused(ValueError, lambda: Greeter.load_component({"provider": "nodots", "config": {}}))
refused(TypeError, lambda: Greeter.load_component({"provider": "json.JSONDecoder", "config": {}}))
refused(TypeError, lambda: InMemoryStore.load_component(dumped))
refused(TypeError, lambda: ComponentLoader.load_component(dumped, CacheStore))
refused(ValueError, lambda: Greeter.load_component({"provider": "__main__.Greeter", "config": {"wrong": 1}}))
refused(ValueError, lambda: Greeter.load_component({"config": {}}))


def inside():
    class Local(Greeter):
        pass

    return Local("x")


refused(TypeError, lambda: inside().dump_component())
print(is_component_class(Greeter), is_component_class(GreeterConfig), is_component_instance(Greeter("x")))

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")

    class Half(Component[GreeterConfig]):
        component_type = "half"
        component_config_schema = GreeterConfig

    class Typeless(ComponentBase[GreeterConfig], Component[GreeterConfig]):
        component_config_schema = GreeterConfig

        def _to_config(self):
            return GreeterConfig(greeting="x")

    print(is_component_class(Half), is_component_class(Typeless))
print(sorted({warning.category.__name__ for warning in told}), len(told))
refused(AttributeError, lambda: Typeless().dump_component())
