"""Which passings the settings of an export chose before they were changed.

What was left out then was not sent, and what went out then was, whatever the settings choose now. So each choice is
journaled when it begins to hold, with how far every peer had come by then.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from console.exports.export import Desk
from console.model import Act, Passing, Resolved

if TYPE_CHECKING:
    from console.exports.export import Export

ACT = "filter"
"""Body: the `export`; what it `chooses`, by key of its settings; `upto`: peer -> how far it had come before."""


class Filters:
    """The choices of one export, in their order."""

    def __init__(self, export: "Export[Any]", desk: Desk) -> None:
        self._export = export
        self._desk = desk
        self._before: list[tuple[dict[str, int], Export[Any]]] = []
        """How far a choice held, by peer; and an export that judges by it."""

    def load(self, acts: Iterable[Act], upto: Mapping[str, int]) -> None:
        """Take in earlier choices; journal the one that holds now, beyond `upto`, where it is another than the last."""
        name = self._export.settings.name
        told = [act.body for act in acts if act.body.get("export") == name]
        chooses = msgspec.json.encode(self._chooses(), order="deterministic").decode()
        if not told or told[-1]["chooses"] != chooses:
            far = msgspec.json.encode({peer: number for peer, number in upto.items() if number}).decode()
            body = {"export": name, "chooses": chooses, "upto": far}
            self._desk.note(ACT, body, "engine")
            told.append(body)
        for one, following in pairwise(told):
            if judge := self._as_it_was(str(one["chooses"])):
                self._before.append((msgspec.json.decode(str(following["upto"]), type=dict[str, int]), judge))

    def then(self, peer: str, number: int) -> "Export[Any] | None":
        """The export as it was when this number had its turn; None: as it is now."""
        return next((judge for upto, judge in self._before if number <= upto.get(peer, 0)), None)

    def _chooses(self) -> dict[str, Any]:
        settings = self._export.settings
        found = {key: msgspec.to_builtins(getattr(settings, key)) for key in settings.choosing}
        # What passes where is of the settings of devices.
        return found | ({"mapping": self._desk.mapping()} if settings.points else {})

    def _as_it_was(self, chooses: str) -> "Export[Any] | None":
        """An export, never at work, with an earlier choice; None: this version cannot make that choice."""
        chosen = msgspec.json.decode(chooses)
        mapping = chosen.pop("mapping", {})
        settings = self._export.settings
        try:
            types = {field.name: field.type for field in structs.fields(type(settings))}
            earlier = {key: msgspec.convert(value, types[key]) for key, value in chosen.items()}
            then = structs.replace(settings, **earlier)
        except (msgspec.ValidationError, KeyError, ValueError):
            return None
        return type(self._export)(then, _Then(self._desk, mapping), self._export.now)


class _Then:
    """A desk that binds timing points as an earlier mapping does; for the rest, the engine's."""

    def __init__(self, desk: Desk, mapping: dict[str, dict[str, str]]) -> None:
        self._desk = desk
        self._mapping = mapping

    def resolve(self, passing: Passing) -> Resolved:
        known = self._desk.resolve(passing)
        return structs.replace(known, point=self._desk.point_under(self._mapping, passing)) if self._mapping else known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)
