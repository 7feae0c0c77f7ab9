import sys
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import wrappers_pb2
from pydantic import BaseModel

from quorate.core import JSON_DATA_CONTENT_TYPE as JSON
from quorate.core import Serializers, UnknownPayload, serializers_of
from quorate.errors import ConfigError


@dataclass
class Flat:
    name: str
    sizes: list[int]
    note: str | None = None


class Inner(BaseModel):
    x: int


class Outer(BaseModel):
    inner: Inner
    either: int | str


@pytest.mark.parametrize(
    "message", [Flat("ü", [1, 2]), Outer(inner=Inner(x=1), either="1"), "text", 7, 1.5, [1], {"a": 1}]
)
def test_message_comes_back_as_it_was(message: Any) -> None:
    known = Serializers()
    known.add(serializers_of(type(message)))
    name = known.type_name(message)

    payload = known.serialize(message, type_name=name, data_content_type=JSON)

    assert known.deserialize(payload, type_name=name, data_content_type=JSON) == message


@dataclass
class HoldsModel:
    inner: Inner


@dataclass
class HoldsDataclass:
    many: list[Flat]


@dataclass
class Either:
    value: int | str


@pytest.mark.parametrize(
    ("cls", "why"),
    [
        (HoldsModel, "holds the pydantic model Inner"),
        (HoldsDataclass, "holds the dataclass Flat"),
        (Either, "may be one of several types"),
    ],
)
def test_dataclass_that_json_cannot_tell_is_refused_with_the_reason(cls: type[Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        serializers_of(cls)


def test_unknown_type_stays_data_imports_nothing_and_is_written_as_it_came() -> None:
    known, before = Serializers(), set(sys.modules)

    found = known.deserialize(b'{"cmd": "ls"}', type_name="this.antigravity", data_content_type=JSON)

    assert found == UnknownPayload("this.antigravity", JSON, b'{"cmd": "ls"}')
    assert set(sys.modules) == before
    assert known.serialize(found, type_name=known.type_name(found), data_content_type=JSON) == b'{"cmd": "ls"}'
    with pytest.raises(ConfigError, match="Register the type first"):
        known.serialize(Flat("a", []), type_name="Flat", data_content_type=JSON)
    assert serializers_of(object) == []


def test_protobuf_message_comes_back_as_it_was() -> None:
    known, message = Serializers(), wrappers_pb2.StringValue(value="x")
    (serializer,) = serializers_of(type(message))
    known.add(serializer)

    payload = known.serialize(
        message, type_name=known.type_name(message), data_content_type=serializer.data_content_type
    )

    assert known.type_name(message) == "google.protobuf.StringValue"
    found = known.deserialize(
        payload, type_name="google.protobuf.StringValue", data_content_type=serializer.data_content_type
    )
    assert found == message
