"""Pydantic's models made of fields that are known to be right, at two thirds of what its validator takes."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


class _Blank(BaseModel):
    """A model before it has its class: its fields are set without pydantic's detour."""

    __init__ = object.__init__  # pyright: ignore[reportAssignmentType]: it is made empty
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__


def filled(kind: type[Model], fields: dict[str, Any], given: set[str]) -> Model:
    """Return a model as its validator would make it.

    Args:
        kind: Its class, which adds no slots to those of `BaseModel`.
        fields: All its fields, in their order, each as the validator would leave it.
        given: The names of those that have no default, or were given all the same; nobody else may have this set.
    """
    made: Any = _Blank()
    made.__dict__ = fields
    made.__pydantic_fields_set__ = given
    made.__pydantic_extra__ = made.__pydantic_private__ = None
    made.__class__ = kind
    return made
