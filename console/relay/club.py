"""What the operator has set up: ids, material, configurations, events; and who may connect by it."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo

from msgspec import Struct

from console.model import SECOND
from console.relay.database import Database
from console.relay.hashing import COST, Hashed, hashed
from console.relay.routing import Plan
from console.timing.bind import find_zone

LONGEST = 25
"""Characters of user and password: what a device's settings hold (thcom.md, section 2.3, parameter 030)."""

SHORT = 10
"""Characters of user and password that THCOM08 gives to UN and PW; some devices may hold no more."""

LINE = 24
"""Characters of a line that a device prints (#PL)."""

_SERIAL = re.compile(r"[0-9]{4}")
_WORD = re.compile(rf"[!-~]{{1,{LONGEST}}}")
_TEXT = re.compile(r"[ -~]{1,40}")


class ClubError(ValueError):
    """It cannot be set up so; says why, and what to do."""


class Material(Struct, frozen=True):
    """A timer or a PC."""

    serial: str
    type: str
    """`timer` or `pc`."""
    model: str
    label: str
    user: str
    """The id that it logs in with."""
    empty: int
    """1: at its next login it is told to empty its buffer (`#GC 2`)."""
    colour: str
    phone: str


class Event(Struct, frozen=True):
    """When a configuration counts."""

    name: str
    first: str
    """First day, as 2024-11-28."""
    last: str
    zone: str
    configuration: str
    active: int
    """1: its configuration counts; of one event at most."""


class Refusal(Struct, frozen=True):
    """Why somebody may not connect."""

    word: str
    """As a device prints it, at most `LINE` characters."""
    reason: str
    """As the operator of the relay reads it."""


class Club:
    """Reads and changes what is set up. Every method may raise sqlite3.Error."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = database.query
        self._change = database.change

    # --- ids ---

    def add_id(self, user: str, password: str, cost: int = COST) -> bool:
        """A new id; False: it was there, and has a new password now."""
        for what, text in (("a user", user), ("a password", password)):
            if not _WORD.fullmatch(text):
                raise ClubError(f"{what} has 1 to {LONGEST} letters, digits and signs of ASCII, without blanks")
        new = not self._query("SELECT 1 FROM ids WHERE user = ?", user)
        kept = hashed(password, cost)
        self._change("INSERT OR REPLACE INTO ids VALUES (?,?,?,?)", user, kept.salt, kept.hash, kept.cost)
        return new

    def remove_id(self, user: str) -> list[str]:
        """The id is no more; returns the serials of the material that cannot connect now."""
        if not self._change("DELETE FROM ids WHERE user = ?", user):
            raise ClubError(f"there is no id {user}")
        return [serial for (serial,) in self._query("SELECT serial FROM materials WHERE user = ?", user)]

    def ids(self) -> list[str]:
        """All users."""
        return [user for (user,) in self._query("SELECT user FROM ids ORDER BY user")]

    def password(self, user: str) -> Hashed | None:
        """The password of an id; None: there is no such id."""
        found = self._query("SELECT salt, hash, cost FROM ids WHERE user = ?", user)
        return Hashed(*found[0]) if found else None

    # --- material ---

    def add_material(
        self, serial: str, kind: str, model: str, label: str, user: str, *, colour: str = "", phone: str = ""
    ) -> bool:
        """A timer or PC; False: it was there, and is changed."""
        if not _SERIAL.fullmatch(serial) or serial == "0000":
            raise ClubError(f"a serial number has four digits and is not 0000 (got {serial!r})")
        for what, text in (("model", model), ("label", label), ("color", colour), ("phone", phone)):
            if text and not _TEXT.fullmatch(text):
                raise ClubError(f"{what}: up to 40 characters of ASCII (got {text!r})")
        if user not in self.ids():
            raise ClubError(f"there is no id {user}: add it with `racedeck relay id add {user}`")
        new = not self._query("SELECT 1 FROM materials WHERE serial = ?", serial)
        self._change(
            "INSERT INTO materials(serial, type, model, label, user, colour, phone) VALUES (?,?,?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET type=excluded.type, model=excluded.model, label=excluded.label,"
            " user=excluded.user, colour=excluded.colour, phone=excluded.phone",
            serial, kind, model, label, user, colour, phone,
        )  # fmt: skip
        return new

    def remove_material(self, serial: str) -> None:
        """It may not connect any more; configurations and the DATA list still name it."""
        if not self._change("DELETE FROM materials WHERE serial = ?", serial):
            raise ClubError(f"{serial} is not in the material list")

    def materials(self) -> dict[str, Material]:
        """All material, by serial."""
        rows = self._query(
            "SELECT serial, type, model, label, user, empty, colour, phone FROM materials ORDER BY serial"
        )
        return {row[0]: Material(*row) for row in rows}

    def empty(self, serial: str, *, wanted: bool) -> None:
        """Have a device told at its next login to empty its buffer, or no more."""
        if not self._change("UPDATE materials SET empty = ? WHERE serial = ?", wanted, serial):
            raise ClubError(f"{serial} is not in the material list")

    # --- configurations and events ---

    def set_configuration(self, name: str, arrows: Iterable[tuple[str, str]]) -> None:
        """These arrows (sender, receiver), and no others."""
        self._name("a configuration", name)
        known, wanted = self.materials(), sorted(set(arrows))
        for serial in sorted({serial for arrow in wanted for serial in arrow}):
            if serial not in known:
                raise ClubError(f"{serial} is not in the material list: `racedeck relay material add {serial} ...`")
        for sender, receiver in wanted:
            if sender == receiver:
                raise ClubError(f"an arrow from {sender} to itself leads nowhere")
        with self._database.transaction():
            self._change("INSERT OR IGNORE INTO configurations VALUES (?)", name)
            self._change("DELETE FROM arrows WHERE configuration = ?", name)
            for arrow in wanted:
                self._change("INSERT INTO arrows VALUES (?,?,?)", name, *arrow)

    def configurations(self) -> dict[str, list[tuple[str, str]]]:
        """All configurations, with their arrows."""
        found: dict[str, list[tuple[str, str]]] = {}
        for (name,) in self._query("SELECT name FROM configurations ORDER BY name"):
            arrows = "SELECT sender, receiver FROM arrows WHERE configuration = ? ORDER BY sender, receiver"
            found[name] = [(sender, receiver) for sender, receiver in self._query(arrows, name)]
        return found

    def set_event(self, name: str, first: str, last: str, zone: str, configuration: str) -> bool:
        """An event from one day to another; False: it was there, and is changed, and active if it was."""
        self._name("an event", name)
        days = [_day(first), _day(last)]
        if days[1] < days[0]:
            raise ClubError(f"the event would end on {last}, before it begins on {first}")
        try:
            find_zone(zone)
        except ValueError as error:
            raise ClubError(str(error)) from None
        self._known_configuration(configuration)
        new = not self._query("SELECT 1 FROM events WHERE name = ?", name)
        self._change(
            "INSERT INTO events VALUES (?,?,?,?,?,0) ON CONFLICT DO UPDATE SET first=excluded.first,"
            " last=excluded.last, zone=excluded.zone, configuration=excluded.configuration",
            name, *(day.isoformat() for day in days), zone, configuration,
        )  # fmt: skip
        return new

    def activate(self, event: str) -> None:
        """This event's configuration counts now, and no other."""
        with self._database.transaction():
            if not self._query("SELECT 1 FROM events WHERE name = ?", event):
                raise ClubError(f"there is no event {event}")
            self._change("UPDATE events SET active = (name = ?)", event)

    def events(self) -> list[Event]:
        """All events."""
        rows = self._query("SELECT name, first, last, zone, configuration, active FROM events ORDER BY first, name")
        return [Event(*row) for row in rows]

    def active(self) -> Event | None:
        """The event whose configuration counts."""
        return next((event for event in self.events() if event.active), None)

    def zone(self) -> tzinfo:
        """In which times are shown: that of the active event."""
        event = self.active()
        return find_zone(event.zone) if event else UTC

    def _known_configuration(self, name: str) -> None:
        if name not in self.configurations():
            raise ClubError(
                f"there is no configuration {name}: `racedeck relay configuration {name} --from .. --to ..`"
            )

    @staticmethod
    def _name(what: str, name: str) -> None:
        if not _TEXT.fullmatch(name):
            raise ClubError(f"{what} has a name of up to 40 characters of ASCII: devices print it (got {name!r})")

    # --- what follows from it ---

    def plan(self) -> Plan:
        """What decides on the ways of frames, now."""
        event = self.active()
        arrows = self.configurations().get(event.configuration, []) if event else []
        users = {serial: material.user for serial, material in self.materials().items()}
        return Plan(users=users, arrows=frozenset(arrows))

    def refusal(self, serial: str, user: str, wall: int) -> Refusal | None:
        """Why `serial` may not be connected as `user` at that time (ns); None: it may. The password was right."""
        material = self.materials().get(serial)
        if not self.password(user):
            return Refusal("ID REMOVED", f"the id {user} was removed")
        if material is None:
            return Refusal(f"{serial} NOT IN MATERIAL", f"{serial} is not in the material list")
        if material.user != user:
            return Refusal(f"{serial} HAS ANOTHER ID", f"{serial} belongs to {material.user}, not to {user}")
        event = self.active()
        if event is None:
            return Refusal("NO EVENT ACTIVATED", "no event is activated: `racedeck relay activate EVENT`")
        today = datetime.fromtimestamp(wall // SECOND, tz=find_zone(event.zone)).date().isoformat()
        if today < event.first:
            return Refusal("EVENT NOT BEGUN", f"the event {event.name} begins on {event.first}, today is {today}")
        if today > event.last:
            return Refusal("EVENT IS OVER", f"the event {event.name} ended on {event.last}, today is {today}")
        if not any(serial in arrow for arrow in self.configurations().get(event.configuration, [])):
            return Refusal("NOT IN CONFIGURATION", f"{serial} has no arrow in the configuration {event.configuration}")
        return None

    def greeting(self, serial: str, user: str) -> list[str]:
        """What an accepted device is told, as the guide's log shows it."""
        event, material = self.active(), self.materials()[serial]
        lines = ["ITS ONLINE TIMING", f"Hello {user}", event.name if event else ""]
        return [f"#GC {2 if material.empty else 1}", *(f"#PL {line[:LINE]}" for line in lines)]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ClubError(f"{text!r} is no date: write it as 2024-11-28") from None
