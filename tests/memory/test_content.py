"""What is remembered comes back from JSON as it was."""

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from quorate.errors import ConfigError
from quorate.memory.content import MemoryContent, MemoryMimeType, listed
from quorate.memory.lists import MOST, ListMemory
from quorate.models.image import Image

PIXEL = Image(b"\x89PNG\r\n\x1a\n" + bytes(9))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("A text.", MemoryMimeType.TEXT),
        ("# A heading", "text/markdown"),
        ({"data": "no image"}, MemoryMimeType.JSON),
        (b"\x00\xff\xfe", MemoryMimeType.BINARY),
        (PIXEL, MemoryMimeType.IMAGE),
        (PIXEL, "image/png"),
    ],
)
def test_content_comes_back_from_json(content: Any, kind: Any) -> None:
    made = MemoryContent(content=content, mime_type=kind, metadata={"score": 0.5})

    data = json.loads(json.dumps(made.model_dump(mode="json")))

    assert MemoryContent.model_validate(data).content == content
    assert MemoryContent.model_validate(data).model_dump(mode="json") == data


def test_what_is_no_content_is_refused() -> None:
    with pytest.raises((ValidationError, ConfigError)):
        MemoryContent.model_validate({"content": {"data": base64.b64encode(b"no").decode()}, "mime_type": "image/png"})
    with pytest.raises(ValidationError):
        MemoryContent.model_validate({"content": 3, "mime_type": "text/plain"})


def test_models_read_it_as_a_numbered_list() -> None:
    found = [MemoryContent(content=c) for c in ("One.", {"two": 2}, b"3", PIXEL)]

    assert listed(found) == '1. One.\n2. {"two": 2}\n3. [1 bytes]\n4. [image]'


async def test_list_finds_all_in_order_and_forgets() -> None:
    memory = ListMemory("facts", ["One."])
    await memory.add("Two.")

    assert [c.content for c in (await memory.query("?")).results] == ["One.", "Two."]
    await memory.clear()
    await memory.close()
    assert (await memory.query("?")).results == []


async def test_list_is_bounded() -> None:
    memory = ListMemory("facts", ["x"] * MOST)

    with pytest.raises(ConfigError, match="at most 10,000 contents"):
        await memory.add("One more.")
