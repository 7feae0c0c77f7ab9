"""JSON out of text, and models out of schemas."""

from autogen_core.utils import extract_json_from_str, schema_to_pydantic_model
from pydantic import BaseModel, ValidationError

for text in [
    '{"a": 1}',
    'Here:\n```json\n{"a": 1}\n```\nand\n```\n{"b": [2]}\n```',
    '```JSON\n{"c": 3}\n```',
]:
    print(extract_json_from_str(text))
for text in ["no json", '```python\n{"a": 1}\n```', "```json\n{a: 1}\n```"]:
    try:
        print(extract_json_from_str(text))
    except ValueError:
        print("ValueError")

Order = schema_to_pydantic_model(
    {
        "title": "Order",
        "type": "object",
        "$defs": {
            "Item": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
                "required": ["name"],
            },
            "Tree": {
                "type": "object",
                "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
                "required": ["kids"],
            },
        },
        "properties": {
            "id": {"type": "string", "minLength": 2},
            "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
            "state": {"type": "string", "enum": ["new", "paid"], "default": "new"},
            "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "when": {"type": "string", "format": "date-time"},
            "tree": {"$ref": "#/$defs/Tree"},
            "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
        "required": ["id", "items"],
    },
    "Order",
)
print(issubclass(Order, BaseModel), Order.__name__, sorted(Order.model_fields))
order = Order.model_validate({"id": "o1", "items": [{"name": "pen", "count": 2}], "tree": {"kids": [{"kids": []}]}})
print(order.items[0].name, order.items[0].count, order.state, order.either, order.tree.kids[0].kids, order.address)
print(Order(id="o2", items=[], when="2024-01-02T03:04:05Z").when.year)
for wrong in [
    {"id": "o", "items": []},
    {"items": []},
    {"id": "o1", "items": [{"name": "pen", "count": 0}]},
    {"id": "o1", "items": [], "state": "lost"},
    {"id": "o1", "items": [], "address": {}},
    {"id": "o1", "items": [], "either": [1]},
]:
    try:
        Order.model_validate(wrong)
        print("taken")
    except ValidationError as error:
        print(error.errors()[0]["loc"][0])
for schema in [{"type": "object", "properties": {"x": {"$ref": "#/$defs/Nowhere"}}}]:
    try:
        schema_to_pydantic_model(schema)
        print("taken")
    except Exception as error:
        print("refused", "Nowhere" in str(error))
print(schema_to_pydantic_model({"type": "object", "properties": {"a": {"type": "string"}}}).__name__)
