"""Images."""

import base64
import io
import tempfile
from pathlib import Path

from autogen_core import Image
from autogen_core.models import UserMessage
from autogen_core.tools import ImageResultContent, TextResultContent, ToolResult
from PIL import Image as PIL
from pydantic import BaseModel

red = PIL.new("RGBA", (2, 3), (255, 0, 0, 128))
image = Image(red)
print(image.image.mode, image.image.size, image.image.getpixel((0, 0)))
png = base64.b64decode(image.to_base64())
print(png[:4], PIL.open(io.BytesIO(png)).format, image.data_uri.startswith("data:image/png;base64,"))
print(image.to_openai_format()["type"], image.to_openai_format("low")["image_url"]["detail"])
print(image.to_openai_format()["image_url"]["url"] == image.data_uri)
print(Image.from_pil(red).image.size, Image.from_base64(image.to_base64()).image.getpixel((1, 1)))
print(Image.from_uri(image.data_uri).image.size)
for uri in ["https://example.com/a.png", "data:text/plain;base64,aGk=", "nonsense"]:
    try:
        Image.from_uri(uri)
    except ValueError:
        print("ValueError")
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "red.jpg"
    red.convert("RGB").save(path)
    loaded = Image.from_file(path)
    print(loaded.image.size, loaded.data_uri[:22], base64.b64decode(loaded.to_base64())[:4])
print("<img" in image._repr_html_())


class Holder(BaseModel):
    picture: Image


held = Holder(picture=image)
data = held.model_dump()
print(list(data["picture"]), data["picture"]["data"] == image.to_base64())
print(
    Holder.model_validate(data).picture.image.size,
    Holder.model_validate_json(held.model_dump_json()).picture.image.size,
)
for wrong in [5, {"no": "data"}]:
    try:
        Holder(picture=wrong)
        print("taken")
    except (TypeError, ValueError):
        print("refused")
message = UserMessage(content=["look", image], source="u")
print(message.content[0], message.content[1].image.size, message.model_dump()["content"][1] == data["picture"])
result = ToolResult(name="t", result=[TextResultContent(content="see"), ImageResultContent(content=image)])
print(result.to_text("(picture)").splitlines(), result.to_text().splitlines()[1][:8])
