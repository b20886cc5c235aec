"""The keys of an export's settings, as an operator types and reads them: `key=value`, without TOML's quotes."""

import ast
import inspect as source
import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from msgspec import NODEFAULT, inspect

from console.exports import EXPORTS, export_class
from console.exports.export import ExportSettings
from console.model import Option

FIXED = ("name", "type")
"""Given when an export is added, and never changed: what was delivered is accounted under its name."""


def options(kind: str, settings: ExportSettings | None = None) -> list[Option]:
    """What can be set of an export of the type `kind`, with what is set in `settings`: the way to its peers, what only
    this type has, what all have. Raises LookupError."""
    shared = _order(ExportSettings)
    known = dict(sorted(_fields(kind).items(), key=lambda item: shared.get(item[0], _OWN)))
    settings_type = export_class(kind).settings_type
    ways = settings_type.ways
    absent = {*FIXED, *({"listen", "networks"} if "listen" not in ways else ()), *({"connect"} - {*ways})}
    absent |= {*ExportSettings.choosing} - {*settings_type.choosing}
    helps = _helps(settings_type)
    found = []
    for name, field in known.items():
        if name in absent:
            continue
        default = "" if field.required else shown(_default(field))
        value = default if settings is None else shown(getattr(settings, name))
        expects = _expects(field.type)
        told = helps.get(name, "")
        if name in ways and len(ways) > 1:
            told = f"{told.rstrip('.')}; give this or {' or '.join(way for way in ways if way != name)}."
        found.append(Option(name, value, default=default, expects=expects, help=told))
    return found


def typed(kind: str, pairs: Mapping[str, str]) -> dict[str, Any]:
    """What was typed, as the settings file would have it; None: the key is to go. What makes no sense stays text,
    and is refused with the words of `racedeck config check` when the settings are checked."""
    known = _fields(kind) if kind in EXPORTS else {}
    return {key: _value(known[key].type if key in known else None, text.strip()) for key, text in pairs.items()}


def shown(value: object) -> str:
    """A value as it would be typed."""
    match value:
        case bool():
            return str(value).lower()
        case tuple() | list():
            return ",".join(map(str, value))
        case dict():
            return ",".join(f"{key}={one}" for key, some in value.items() for one in _each(some))
        case float():
            return f"{value:g}"
    return ascii(value)[1:-1] if isinstance(value, str) and not value.isprintable() else str(value)


def _each(value: object) -> Sequence[object]:
    return value if isinstance(value, tuple | list) else (value,)


_OWN = 3.5
"""Where the keys of one type stand among those that all have: behind name, type, and both ways to peers."""


def _order(kind: type[ExportSettings]) -> dict[str, float]:
    return {name: float(number) for number, name in enumerate(kind.__struct_encode_fields__)}


def _fields(kind: str) -> dict[str, inspect.Field]:
    try:
        info = inspect.type_info(export_class(kind).settings_type)
    except KeyError:
        raise LookupError(f"no export type {kind!r}; there are {', '.join(EXPORTS)}") from None
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: field for field in info.fields}


def _default(field: inspect.Field) -> object:
    if field.default is not NODEFAULT:
        return field.default
    return field.default_factory() if callable(field.default_factory) else ""


def _value(expected: inspect.Type | None, text: str) -> Any:
    if not text:
        return None
    if text[0] in "[{\"'":  # as in the file
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"value = {text}")["value"]
    match expected:
        case inspect.BoolType():
            return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(text, text)
        case inspect.IntType() | inspect.FloatType():
            with suppress(ValueError):
                return int(text)
            with suppress(ValueError):
                return float(text)
        case inspect.VarTupleType():
            return [part.strip() for part in text.split(",") if part.strip()]
        case inspect.DictType(value_type=held):
            parts = [part.partition("=") for part in text.split(",") if part.strip()]
            if all(key.strip() and sign for key, sign, _ in parts):
                found = [(key.strip(), one.strip()) for key, _, one in parts]
                if isinstance(held, inspect.VarTupleType):
                    return {name: [one for key, one in found if key == name] for name, _ in found}
                return dict(found)
        case inspect.UnionType(types=types):
            for one in types:
                if not isinstance(found := _value(one, text), str):
                    return found
    if "\\" in text:  # `\r\n` at the end of a line that somebody has made up
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f'value = "{text}"')["value"]
    return text


def _expects(expected: inspect.Type) -> str:
    match expected:
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
        case inspect.IntType(ge=low, le=high):
            return "a whole number" + _range(low, high)
        case inspect.FloatType(ge=low, le=high):
            return "a number" + _range(low, high)
        case inspect.VarTupleType():
            return "words, with commas"
        case inspect.DictType(value_type=held):
            more = ", for each VALUE of a NAME" if isinstance(held, inspect.VarTupleType) else ""
            return f"NAME=VALUE, with commas{more}"
        case inspect.UnionType(types=types):
            return " or ".join(_expects(one) for one in types if not isinstance(one, inspect.NoneType))
    return ""


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" of at least {low:g}" if low is not None else f" of at most {high:g}" if high is not None else ""


@cache
def _helps(kind: type[ExportSettings]) -> dict[str, str]:
    """Key -> what its docstring says; those of a derived type go first."""
    helps: dict[str, str] = {}
    for one in kind.__mro__:
        with suppress(OSError, TypeError):  # no source here: then there is no help
            if issubclass(one, ExportSettings):
                helps = _said(textwrap.dedent(source.getsource(one))) | helps
    return helps


def _said(text: str) -> dict[str, str]:
    found = {}
    (defined,) = ast.parse(text).body
    assert isinstance(defined, ast.ClassDef)
    for field, below in zip(defined.body, defined.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            with suppress(AttributeError, TypeError, ValueError):
                found[field.target.id] = " ".join(str(ast.literal_eval(below.value)).replace("`", "").split())
    return found
