"""Messages as bytes, by the name of their type; a name that nobody registered stays data."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Union, cast, get_args, get_origin, get_type_hints, runtime_checkable

from quorate.errors import ConfigError

JSON_DATA_CONTENT_TYPE = "application/json"
PROTOBUF_DATA_CONTENT_TYPE = "application/x-protobuf"


@runtime_checkable
class MessageSerializer(Protocol):
    """Writes messages of one type as bytes, and reads them."""

    @property
    def data_content_type(self) -> str:
        """The media type of the bytes."""
        ...

    @property
    def type_name(self) -> str:
        """The name that goes with the bytes."""
        ...

    def serialize(self, message: Any) -> bytes:
        """Return the message as bytes."""
        ...

    def deserialize(self, payload: bytes) -> Any:
        """Return the message that the bytes are."""
        ...


@dataclass(frozen=True)
class UnknownPayload:
    """A message of a type that this program does not know, as it came."""

    type_name: str
    data_content_type: str
    payload: bytes


@dataclass(frozen=True)
class ModelSerializer:
    """Writes a pydantic model as JSON."""

    cls: type[Any]
    data_content_type: str = JSON_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        return self.cls.__name__

    def serialize(self, message: Any) -> bytes:
        return message.model_dump_json().encode()

    def deserialize(self, payload: bytes) -> Any:
        return self.cls.model_validate_json(payload)


@dataclass(frozen=True)
class DataclassSerializer:
    """Writes a flat dataclass as JSON.

    Raises:
        ConfigError: A field holds a dataclass, a pydantic model or one of several types: JSON would not say which.
    """

    cls: type[Any]
    data_content_type: str = JSON_DATA_CONTENT_TYPE

    def __post_init__(self) -> None:
        hints = get_type_hints(self.cls)
        for field in dataclasses.fields(self.cls):
            for part in _parts(hints[field.name]):
                reason = _refused(part)
                if reason:
                    raise ConfigError(
                        f"{self.cls.__name__}.{field.name} {reason}, which cannot be read back from JSON without "
                        f"guessing. Make {self.cls.__name__} a pydantic model, which can."
                    )

    @property
    def type_name(self) -> str:
        return self.cls.__name__

    def serialize(self, message: Any) -> bytes:
        fields = {field.name: getattr(message, field.name) for field in dataclasses.fields(self.cls)}
        return json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()

    def deserialize(self, payload: bytes) -> Any:
        return self.cls(**json.loads(payload))


@dataclass(frozen=True)
class PlainSerializer:
    """Writes text, numbers, lists and dictionaries as JSON."""

    cls: type[Any]
    data_content_type: str = JSON_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        return self.cls.__name__

    def serialize(self, message: Any) -> bytes:
        return json.dumps(message, ensure_ascii=False, allow_nan=False).encode()

    def deserialize(self, payload: bytes) -> Any:
        found = json.loads(payload)
        if type(found) is not self.cls:
            raise ConfigError(f"The payload is {type(found).__name__}, not {self.type_name}.")
        return found


@dataclass(frozen=True)
class ProtobufSerializer:
    """Writes a protobuf message, packed in an `Any`."""

    cls: type[Any]
    data_content_type: str = PROTOBUF_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        return str(cast(Any, self.cls).DESCRIPTOR.full_name)

    def serialize(self, message: Any) -> bytes:
        packed = _packed()
        packed.Pack(message)
        return packed.SerializeToString()

    def deserialize(self, payload: bytes) -> Any:
        packed, message = _packed(), self.cls()
        packed.ParseFromString(payload)
        if not packed.Unpack(message):
            raise ConfigError(f"The payload is {packed.TypeName()}, not {self.type_name}.")
        return message


class Serializers:
    """The types of message that a program can write and read. Only what was registered: a name imports nothing."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], MessageSerializer] = {}

    def add(self, serializer: MessageSerializer | Sequence[MessageSerializer]) -> None:
        """Register one or several; the last one with a name and media type counts."""
        several = [serializer] if isinstance(serializer, MessageSerializer) else serializer
        for one in several:
            self._known[one.type_name, one.data_content_type] = one

    def is_registered(self, type_name: str, data_content_type: str) -> bool:
        """Return whether messages of this name can be read."""
        return (type_name, data_content_type) in self._known

    def type_name(self, message: Any) -> str:
        """Return the name that goes with a message."""
        if isinstance(message, UnknownPayload):
            return message.type_name
        kind: Any = message.__class__
        return str(kind.DESCRIPTOR.full_name if _is_protobuf(kind) else kind.__name__)

    def serialize(self, message: Any, *, type_name: str, data_content_type: str) -> bytes:
        """Return a message as bytes; an unknown payload as it came.

        Raises:
            ConfigError: The type is not registered.
        """
        if isinstance(message, UnknownPayload):
            return message.payload
        known = self._known.get((type_name, data_content_type))
        if known is None:
            raise ConfigError(f"No serialiser for {type_name!r} as {data_content_type}. Register the type first.")
        return known.serialize(message)

    def deserialize(self, payload: bytes, *, type_name: str, data_content_type: str) -> Any:
        """Return the message that the bytes are, or an `UnknownPayload` when the type is not registered."""
        known = self._known.get((type_name, data_content_type))
        if known is None:
            return UnknownPayload(type_name, data_content_type, payload)
        return known.deserialize(payload)


def serializers_of(cls: type[Any]) -> list[MessageSerializer]:
    """Return how messages of a type are written, nothing when that is not known.

    Raises:
        ConfigError: A dataclass that cannot be read back; make it a pydantic model.
    """
    if _is_model(cls):
        return [ModelSerializer(cls)]
    if dataclasses.is_dataclass(cls):
        return [DataclassSerializer(cls)]
    if _is_protobuf(cls):
        return [ProtobufSerializer(cls)]
    if cls in (str, int, float, bool, list, dict):
        return [PlainSerializer(cls)]
    return []


def _is_model(cls: Any) -> bool:
    pydantic = sys.modules.get("pydantic")  # a model can only be there where pydantic is
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def _is_protobuf(cls: type[Any]) -> bool:
    protobuf = sys.modules.get("google.protobuf.message")
    return protobuf is not None and issubclass(cls, protobuf.Message)


def _packed() -> Any:
    return importlib.import_module("google.protobuf.any_pb2").Any()  # there where a message of it is


def _parts(hint: Any) -> Iterator[Any]:
    """Yield an annotation and all inside it."""
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _refused(part: Any) -> str | None:
    origin = get_origin(part)
    if origin is Union or origin is types.UnionType:
        members = [member for member in get_args(part) if member is not type(None)]
        return f"may be one of several types ({part})" if len(members) > 1 else None
    if isinstance(part, type) and dataclasses.is_dataclass(cast(Any, part)):
        return f"holds the dataclass {cast(Any, part).__name__}"
    if _is_model(part):
        return f"holds the pydantic model {part.__name__}"
    return None
