"""Reading JSON, and schemas, under AutoGen's names."""

from quorate.compat.autogen.reading import extract_json_from_str, schema_to_pydantic_model

__all__ = ["extract_json_from_str", "schema_to_pydantic_model"]
