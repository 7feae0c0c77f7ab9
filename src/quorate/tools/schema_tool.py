"""Tools whose arguments are described by a JSON schema instead of a signature: those of servers and workbenches."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, cast

from quorate.errors import ConfigError, ToolError
from quorate.models.client import ToolSpec
from quorate.runs import shapes
from quorate.runs.steps import Effect
from quorate.tools.threads import Late
from quorate.tools.tool import DEFAULT_TIMEOUT_S, Tool

Make = Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]
"""Makes a call with arguments that fit the schema."""


class SchemaTool(Tool[..., Any]):
    """A tool with a JSON schema.

    Args:
        name: What the model calls it.
        description: What the model reads; the name where there is none.
        parameters: The JSON schema of its arguments, an object, as JSON text.
        call: Makes a call, given the arguments.
        effect: As for `Tool`; nothing but what declares it can say, so `unsafe` by default.
        timeout_s: After this long a call is cut.

    Raises:
        ConfigError: The schema is none.
    """

    def __init__(
        self,
        name: str,
        description: str,
        parameters: str,
        call: Make,
        *,
        effect: Effect = "unsafe",
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        async def made() -> Any:
            return await call({})

        super().__init__(made, name=name, description=description.strip() or name, effect=effect, timeout_s=timeout_s)
        self._call, self._schema = call, parameters

    @cached_property
    def arguments(self) -> Any:
        """What the arguments must look like, built when first needed."""
        return SchemaArguments(self.name, self._schema)

    @cached_property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, self.description, self._schema)

    def run(self, values: dict[str, Any], key: str, late: Late | None = None) -> Coroutine[Any, Any, Any]:
        return self._call(values)


class SchemaArguments:
    """What arguments must look like, by a JSON schema.

    Attributes:
        json_schema: For the model, as JSON text.
        keyed: No parameter is handed the operation key.
    """

    keyed: tuple[str, ...] = ()

    def __init__(self, name: str, schema: str) -> None:
        self._name, self.json_schema = name, schema
        found: Any = json.loads(schema)
        if not isinstance(found, dict):
            raise ConfigError(f"Tool {name}: its schema must be that of an object, not {schema[:80]}.")
        self._schema = cast("dict[str, Any]", found)

    def read(self, text: str) -> tuple[dict[str, Any], str]:
        """Return the values and their canonical JSON.

        Raises:
            ToolError: The text is no JSON object or does not fit.
        """
        try:
            found = json.loads(text or "{}")
            if not isinstance(found, dict):
                raise ToolError(f"The arguments of {self._name} must be a JSON object. Schema: {self.json_schema}")
            shapes.check(self._schema, found)
        except (ValueError, RecursionError) as error:
            if isinstance(error, ToolError):
                raise
            raise ToolError(f"The arguments of {self._name} do not fit: {error} Schema: {self.json_schema}") from error
        values = cast("dict[str, Any]", found)
        return values, json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


__all__ = ["SchemaTool"]
