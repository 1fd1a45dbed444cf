"""The section `method`: those constants of the flow that a case may set, as app/method.py describes them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import Field as DataclassField
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, get_args, get_type_hints

from pydantic import ConfigDict, Field, create_model, model_serializer

from app import method
from app.method import Method, Settable
from app.schema.section import MOST, NO_TRUTH_VALUE, Plain, Section


class Constants(Protocol):
    """A dataclass of constants, some of which may be such dataclasses."""

    __dataclass_fields__: ClassVar[dict[str, DataclassField[object]]]


class ConstantsSpec(Section):
    """Constants of the method; what is not said is what serves all shipped cases."""

    model_config = ConfigDict(use_attribute_docstrings=False)  # a made class has no source to look for

    @model_serializer
    def changed(self) -> dict[str, Plain]:
        """What is other than the default, so that an effective case stays short."""
        told: dict[str, Plain] = {}
        for name, key in type(self).model_fields.items():
            value = getattr(self, name)
            if value != key.default:
                told[name] = value.changed() if isinstance(value, ConstantsSpec) else value
        return told

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled by name, since a class that is made here is found in no module."""
        return _read, (type(self).__name__, self.changed())

    def over[C: Constants](self, constants: C) -> C:
        """The constants with those in place that the case sets to other values than the default ones."""
        return _put(constants, self.changed())


SECTIONS: dict[str, type[ConstantsSpec]] = {}
"""All that are made below, by name."""


def _read(name: str, values: dict[str, Plain]) -> ConstantsSpec:
    return SECTIONS[name].model_validate(values)


def _put[C: Constants](constants: C, values: Mapping[str, Plain]) -> C:
    below = {
        name: _put(getattr(constants, name), value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
    return replace(constants, **below)


def _section(name: str, constants: Constants, *, inverse: bool) -> type[ConstantsSpec] | None:
    """The section of the marked constants and of the parts that have such; None where there are none."""
    own: dict[str, Any] = {}
    hints, said = get_type_hints(type(constants), include_extras=True), SENTENCES[type(constants).__name__]
    for key in (one.name for one in fields(constants)):
        value = getattr(constants, key)
        if is_dataclass(value) and not isinstance(value, type):
            part = _section(f"{name}{key.title()}", value, inverse=inverse)
            if part is not None:
                own[key] = (part, Field(default=part(), description=said.get(key)))
        for mark in get_args(hints[key]):
            if isinstance(mark, Settable) and (inverse or not mark.inverse):
                own[key] = (_number(type(value), mark), Field(default=value, description=said[key]))
    if not own:
        return None
    made = create_model(f"{name}Spec", __base__=ConstantsSpec, __doc__=type(constants).__doc__, **own)
    SECTIONS[made.__name__] = made
    return made


def _number(kind: type, mark: Settable) -> Any:
    """The type of a constant within its range."""
    most = MOST if kind is int and mark.most is None else mark.most
    return Annotated[kind, Field(gt=mark.above, ge=mark.least, lt=mark.below, le=most), NO_TRUTH_VALUE]


def _sentences(dataclass: ast.ClassDef) -> dict[str, str]:
    """The docstring below each field."""
    said = {}
    for field, below in pairwise(dataclass.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                said[name] = inspect.cleandoc(text)
    return said


SENTENCES = {
    node.name: _sentences(node)
    for node in ast.parse(inspect.getsource(method)).body
    if isinstance(node, ast.ClassDef)
}
"""What is said of each field, by the names of dataclass and field."""

if TYPE_CHECKING:
    MethodSpec = ConstantsSpec
    ConvexMethodSpec = ConstantsSpec
else:
    MethodSpec = _section("Method", Method(), inverse=True)
    ConvexMethodSpec = _section("ConvexMethod", Method(), inverse=False)
