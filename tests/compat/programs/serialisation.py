"""Messages as bytes."""

from dataclasses import dataclass

from autogen_core import (
    JSON_DATA_CONTENT_TYPE,
    PROTOBUF_DATA_CONTENT_TYPE,
    UnknownPayload,
    try_get_known_serializers_for_type,
)
from pydantic import BaseModel


class Model(BaseModel):
    number: int
    inner: list["Model"] = []


@dataclass
class Flat:
    text: str
    numbers: list[int]
    maybe: int | None = None


@dataclass
class HoldsDataclass:
    flat: Flat


@dataclass
class HoldsModels:
    models: list[Model]


@dataclass
class HoldsUnion:
    either: int | str


print(JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE)
for message in [Model(number=1, inner=[Model(number=2)])]:
    (serializer,) = try_get_known_serializers_for_type(type(message))
    data = serializer.serialize(message)
    print(serializer.type_name, serializer.data_content_type, data, serializer.deserialize(data) == message)
for kind in [str, int, dict, object]:
    print(kind.__name__, try_get_known_serializers_for_type(kind))
for kind in [HoldsDataclass, HoldsModels, HoldsUnion]:
    try:
        print("taken", try_get_known_serializers_for_type(kind))
    except ValueError:
        print("ValueError", kind.__name__)
print(UnknownPayload("a", "b", b"c"))
