"""Answers that are data: messages whose content is a pydantic model, and what holds an agent's model to one."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from string import Formatter
from typing import Any, ClassVar, Generic, TypeVar, cast
from weakref import WeakValueDictionary

from pydantic import BaseModel, ConfigDict, ValidationError, computed_field, create_model, model_validator
from pydantic.errors import PydanticUserError

from quorate.chat.messages import CLASS, BaseChatMessage, BaseMessage
from quorate.core.classes import OURS, Known, identity, plain
from quorate.errors import ConfigError, ModelError
from quorate.models import json_schema
from quorate.models.blocks import Origin, Said
from quorate.models.client import Answer
from quorate.models.extract import extract_json
from quorate.models.json_schema import schema_to_pydantic_model
from quorate.runs.entries import ERASED

T = TypeVar("T", bound=BaseModel)
Content = type[BaseModel] | Mapping[str, Any]
"""What an answer must be: a pydantic model, or the JSON schema of an object."""

MOST_PROBLEMS = 5

_contents: Known[type[BaseModel]] = Known("content", WeakValueDictionary[str, type[BaseModel]])
_outputs: Known[type[BaseModel]] = Known("content", WeakValueDictionary[str, type[BaseModel]])
"""Contents by their schema, too: of a class that has changed, each as it was."""


class StructuredMessage(BaseChatMessage, Generic[T]):
    """Data: `content` is an object of a pydantic model.

    `format_string` says how people read it: `"{city}: {degrees} degrees"` is filled in from the fields.
    """

    content: T
    format_string: str | None = None

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        made = cls.__pydantic_generic_metadata__
        if made["origin"] is not StructuredMessage:
            super().__pydantic_init_subclass__(**kwargs)
        elif isinstance(made["args"][0], type):
            content = cast("type[BaseModel]", made["args"][0])
            where = _identity(content)
            if not issubclass(content, AnyContent):
                _contents.add(content, where, content.__name__)
            cls.known_as = f"StructuredMessage[{where}]" if where else ""

    @computed_field
    @property
    def type(self) -> str:
        """The name of its class, such as `StructuredMessage[Weather]`."""
        return type(self).__name__

    @model_validator(mode="before")
    @classmethod
    def _without_type(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in cast("dict[str, Any]", data).items() if name != "type"}

    def to_text(self) -> str:
        """Return the content as its format says, or as JSON."""
        if self.format_string is None:
            return self.content.model_dump_json()
        return self.format_string.format(**self.content.model_dump())

    def to_block(self, origin: Origin, ref: str) -> Said:
        """Return the message as other agents' models read it: as JSON."""
        return Said(self.content.model_dump_json(), self.source, origin, ref)


class AnyContent(BaseModel):
    """What stands for a content whose class this process does not know, such as in `quorate show`."""

    model_config = ConfigDict(extra="allow")
    known_as: ClassVar[str] = ""


@lru_cache(maxsize=256)
def _open(name: str, where: str = "") -> type[StructuredMessage[Any]]:
    """Return the class of messages whose content is known by its name only, and by where its class is defined."""
    made = create_model(name, __base__=AnyContent)
    made.known_as = where
    return StructuredMessage[made]


def _identity(content: type[BaseModel]) -> str:
    """Return what a journal says of a content's class; one that was made of a JSON schema is told by that."""
    if issubclass(content, AnyContent):
        return content.known_as
    if content.__module__ == json_schema.__name__:
        return f":{content.__name__}#{_digest(json.dumps(content.model_json_schema()))}"
    return f"quorate:{content.__name__}" if content.__module__.startswith(OURS) else identity(content)


def _digest(schema: str) -> str:
    return f"{zlib.crc32(schema.encode(errors='surrogatepass')):08x}"


class Output:
    """What an agent's answers must be.

    Args:
        agent: Whose they are.
        content: A pydantic model, or the JSON schema of an object.
        format: How people read them; see `StructuredMessage`.

    Attributes:
        schema: The JSON schema, as the model is told it.
        key: Tells the class from others in the journal.

    Raises:
        ConfigError: The content is neither, or the format names what it does not have.
    """

    def __init__(self, agent: str, content: Content, format: str | None = None) -> None:
        self.content = _model(agent, content)
        try:
            schema = dict(content) if isinstance(content, Mapping) else self.content.model_json_schema()
        except PydanticUserError as error:
            raise ConfigError(f"{agent}: output_content_type={content!r} has no JSON schema: {error}.") from error
        self.schema = json.dumps(_closed(schema), ensure_ascii=False, separators=(",", ":"))
        where = f":{self.content.__name__}" if isinstance(content, Mapping) else _identity(self.content)
        self.key = f"{where.partition('#')[0]}#{_digest(self.schema)}"
        if format is not None:
            check_format(f"{agent}: output_content_type_format", format, self.content.model_fields)
        self.more = (self.key,) if format is None else (self.key, format)
        if not isinstance(content, Mapping):
            _contents.add(self.content, where, self.content.__name__)
        _outputs.add(self.content, self.key, f"{self.content.__name__}#{_digest(self.schema)}")

    def problem(self, answer: Answer) -> str | None:
        """Return what is wrong with an answer, as its model is told it; None if nothing is."""
        try:
            read(self.content, answer.reply.text)
        except ModelError as error:
            if answer.finish == "length":
                return f"It was cut off at the most tokens that a reply may have. {error}"
            return str(error)
        return None


@lru_cache(maxsize=256)
def output_of(content: type[BaseModel]) -> Output:
    """Return what an answer must be that a turn policy wants; made once. Its `shown` says how people read it."""
    return Output("The turn policy", content, getattr(content, "shown", None))


def _model(agent: str, content: Any) -> type[BaseModel]:
    if isinstance(content, type) and issubclass(content, BaseModel):
        return content
    if isinstance(content, Mapping):
        schema: Mapping[str, Any] = content  # pyright: ignore[reportUnknownVariableType]: JSON
        try:
            return schema_to_pydantic_model(schema, str(schema.get("title", "Answer")))
        except ConfigError as error:
            raise ConfigError(f"{agent}: the schema of its answers cannot be used. {error}") from error
    raise ConfigError(
        f"{agent}: output_content_type={content!r} is neither a pydantic model nor the JSON schema of an object."
    )


def _closed(schema: Any) -> Any:
    """Return a schema whose objects take no more than they declare, as providers want it that hold models to it."""
    if isinstance(schema, list):
        return [_closed(part) for part in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    parts = {name: _closed(part) for name, part in cast("dict[str, Any]", schema).items()}
    if parts.get("type") == "object" and isinstance(parts.get("properties"), dict):
        parts.setdefault("additionalProperties", False)
    return parts


def check_format(what: str, text: str, names: Any) -> None:
    """Make sure that a format only fills in fields that there are, and looks into nothing else.

    Raises:
        ConfigError: It names another field, or an attribute of one.
    """
    try:
        fields = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
        specs = [spec for _, _, spec, _ in Formatter().parse(text) if spec]
    except ValueError as error:
        raise ConfigError(f"{what}={text!r} is no format: {error}.") from error
    if any("{" in spec for spec in specs):
        raise ConfigError(f"{what}={text!r}: a field inside a field is not taken.")
    for field in fields:
        if field.partition("[")[0] not in names or "." in field:
            known = ", ".join(f"{{{name}}}" for name in names)
            raise ConfigError(f"{what}={text!r} asks for {{{field}}}. There are: {known}.")


def read(content: type[T], text: str) -> T:
    """Return the data that a model wrote: alone, in a fence, or between words.

    Raises:
        ModelError: There is none, or it does not fit; says what to mend.
    """
    try:
        return content.model_validate_json(text)
    except ValidationError as error:
        found = extract_json(text)
        if len(found) != 1:
            raise ModelError(f"It has {len(found)} JSON values where one is asked for.") from error
    try:
        return content.model_validate_json(json.dumps(found[0]))
    except ValidationError as error:
        raise ModelError(problems(error)) from error


def problems(error: ValidationError) -> str:
    """Return what pydantic found wrong, in one line."""
    found = [
        f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}"
        for e in error.errors(include_url=False, include_input=False)
    ]
    more = f"; and {len(found) - MOST_PROBLEMS} more" if len(found) > MOST_PROBLEMS else ""
    return f"{'; '.join(found[:MOST_PROBLEMS])}{more}."


def message(key: str, text: str, format: str | None = None, **fields: Any) -> StructuredMessage[Any]:
    """Return the message of an answer that was found right when it was written.

    A class that is not known here, or has changed since, is stood in for by one that takes what is there.

    Raises:
        ConfigError: It may be one of several of that name.
    """
    name, where = plain(key).partition("#")[0], key.partition("#")[0] if ":" in key else ""
    content = None
    if text != ERASED:
        content = _outputs.find(plain(key), key if where else "") or _contents.find(name, where)
    if content is not None:
        try:
            return StructuredMessage[content](content=read(content, text), format_string=format, **fields)
        except ModelError:
            pass
    made = _open(name, where)
    inside = cast("type[AnyContent]", made.model_fields["content"].annotation)
    try:
        return made(content=read(inside, text), format_string=format, **fields)
    except ModelError:  # it was erased: there are only words
        return made(content=inside(), format_string=text.replace("{", "{{").replace("}", "}}"), **fields)


def load(data: dict[str, Any]) -> BaseMessage:
    """Return the structured message that plain data says.

    Raises:
        ConfigError: Its content may be of one of several classes of that name.
    """
    name, where = _inside(data["type"]), _inside(data.get(CLASS, ""))
    data = {name: value for name, value in data.items() if name != CLASS}
    content = _contents.find(name, where)
    if content is not None:
        try:
            return StructuredMessage[content].model_validate(data)
        except ValidationError:
            pass
    return _open(name or "Content", where).model_validate(data)


def _inside(name: str) -> str:
    return name.partition("[")[2].removesuffix("]")


REPAIR = "Your answer does not fit: {problem} Answer again, with nothing but JSON that follows this schema: {schema}"


def told(problem: str, output: Output) -> Said:
    """Return what a model is told whose answer does not fit."""
    return Said(REPAIR.format(problem=problem, schema=output.schema), "System", "agent")


def misfit(agent: str, model: str, problem: str) -> ModelError:
    """Return the error of an answer that does not fit after it was asked for again."""
    return ModelError(
        f"{model} answered {agent} twice with what is no answer of its output_content_type: {problem} Use a model that "
        "can be held to a schema, or a simpler type; the run goes on from before this turn with give_up_turn=True."
    )


__all__ = [
    "AnyContent",
    "Content",
    "Output",
    "StructuredMessage",
    "check_format",
    "load",
    "message",
    "output_of",
    "read",
]
