import base64
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as pil
from pydantic import BaseModel, ValidationError

from quorate.errors import ConfigError, MissingExtra
from quorate.models import image as images
from quorate.models.image import Image


def encoded(format: str, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    pil.new(mode, (3, 2), 1).save(file, format=format)
    return file.getvalue()


PNG = encoded("PNG")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WebP"])
def test_an_image_is_kept_as_it_came(format: str, tmp_path: Path) -> None:
    data = encoded(format)
    (tmp_path / "file").write_bytes(data)

    image = Image.from_file(tmp_path / "file")

    assert image.data == data
    assert image.media_type == f"image/{format.lower()}"
    assert Image.from_uri(image.data_uri) == Image.from_base64(image.to_base64()) == image
    assert hash(Image(data)) == hash(image)
    assert image.image.size == (3, 2)
    assert image.image is image.image


def test_an_image_of_pillow_becomes_png() -> None:
    made = pil.new("RGB", (3, 2), (255, 0, 0))

    image = Image.from_pil(made)

    assert image.media_type == "image/png"
    assert image.image.getpixel((0, 0)) == (255, 0, 0)


def test_a_data_uri_may_have_parameters_and_line_breaks() -> None:
    text = base64.encodebytes(PNG).decode()

    assert Image.from_uri(f"data:image/png;name=a.png;base64,{text}").data == PNG


class Note(BaseModel):
    pictures: list[str | Image]


def test_a_pydantic_model_may_hold_images() -> None:
    note = Note(pictures=["look:", Image(PNG)])

    data = note.model_dump(mode="json")

    assert data == {"pictures": ["look:", {"data": base64.b64encode(PNG).decode()}]}
    assert Note.model_validate(data) == Note.model_validate_json(note.model_dump_json()) == note
    assert Note.model_json_schema()
    for wrong in ({"data": "no base64!"}, {"data": base64.b64encode(b"text").decode()}, {"path": "/etc/passwd"}, 3):
        with pytest.raises(ValidationError):
            Note.model_validate({"pictures": [wrong]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Image("plan.png"), "'plan.png' is no bytes of an image"),
        (lambda: Image(b"%PDF-1.7"), "no PNG, JPEG, GIF or WebP: it begins with b'%PDF-1.7'"),
        (lambda: Image.from_base64("%%%"), "no image in base64"),
        (lambda: Image.from_uri("https://example.com/a.png"), "Fetch it yourself"),
        (lambda: Image.from_uri("data:text/html;base64,AAAA"), "holds no image"),
        (lambda: Image.from_file("nowhere.png"), "nowhere.png: It cannot be read: No such file"),
        (lambda: Image.from_file(__file__), "test_image.py: This is no PNG"),
        (lambda: Image.from_pil(pil.new("CMYK", (1, 1))), r"image.convert\('RGB'\)"),
        (lambda: Image(PNG[:40]).image, "image/png is broken"),
    ],
)
def test_what_is_no_image_says_so(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def test_an_image_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 50)
    (tmp_path / "large.png").write_bytes(PNG + b"\0" * 100)

    with pytest.raises(ConfigError, match="has 51 bytes; at most 50 are taken"):
        Image.from_file(tmp_path / "large.png")


def test_without_pillow_images_still_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "PIL":
                raise ModuleNotFoundError("No module named 'PIL'", name="PIL")

    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])

    image = Image(PNG)

    assert Image.from_uri(image.data_uri) == image
    with pytest.raises(MissingExtra, match=r"pip install 'quorate\[images\]'"):
        image.image  # noqa: B018
