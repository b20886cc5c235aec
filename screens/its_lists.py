"""The two lists of the ITS tab, with the GSM Interface's columns: FRAMES and MATERIAL LIST."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from console.control.client import Client
from console.model import SECOND, Direction, Frame, ItsMaterial
from screens import words
from screens.paint import Line, plain
from screens.picture import Picture
from screens.sources import Frames
from screens.tables import Table

SERVER = "its"
"""Under this name the journal has what the server itself says, and what happened to local instances."""

WIDE = 100
"""Columns from which on headings are those of the GSM Interface in full."""

_FRAME = re.compile(rb"\x02(\d{3})\d([0-9A-Z])(\d{4})[0-9A-Z]\d{4}[ -~]*\x04([^\t\r\n]*)\t?([^\r\n]*)[\r\n]*")
_PASSED_ON = re.compile(r"[TA!][N\-*+=CI] |(?:RR|GR|IR|DR|VE) ")
"""Times and results: of these timing software is told (inferred)."""
_EVENT = re.compile(r"(.*?)(?: (\d{1,5}))?")
_LINKED_UP = re.compile(r"(\d{4}) \((?!software\)).*\)")
"""As the journal names the connection of a device that is linked up."""


class Cells(NamedTuple):
    """A row of the GSM Interface's log."""

    number: str
    model: str
    serial: str
    message: str
    port: str
    """Or, with a `>`, the timer that it came for, where that is linked up here."""


def cells(frame: Frame, computer_type: str, ports: dict[str, int]) -> Cells:
    """A frame as the GSM Interface shows it: a checksum right behind the message, but for what the server itself says.
    What is no frame is shown as its bytes, and what happened here as words. `ports`: device -> software port."""
    if not frame.raw:
        found = _EVENT.fullmatch(frame.label)
        text, port = found.groups("") if found else (frame.label, "")
        return Cells("---", "----", "----", text, port)
    match = _FRAME.fullmatch(frame.raw)
    if not match:
        return Cells("---", "----", "----", words.escaped(frame.raw), "")
    number, kind, serial, data, checksum = (part.decode("latin-1") for part in match.groups())
    port = str(ports.get(frame.device, 7000)) if frame.device != SERVER and _PASSED_ON.match(data) else ""
    if linked_up := _LINKED_UP.fullmatch(frame.by):
        port = f">{linked_up[1]}"
    # The guide shows a TM550 as CP545, and the server as PC 0000.
    model = "PC" if kind == computer_type else "CP545"
    return Cells(number, model, serial, data if serial == "0000" else data + checksum, port)


class ItsFrames(Frames):
    """What has come from the server, and what the GSM Interface logs between: of all its sources together."""

    def __init__(self) -> None:
        super().__init__(title="FRAMES")
        self.names: tuple[str, ...] = (SERVER,)
        """The server itself, and the sources there are."""
        self.ports: dict[str, int] = {}
        self.computer_type = "P"

    def left_out(self, picture: Picture) -> str:
        """Nothing but what we say."""
        return ""

    def survey(self, rows: list[Frame], picture: Picture) -> str:
        """Nothing is counted in the title."""
        return ""

    async def _frames(
        self, client: Client, after: int | None, before: int | None, limit: int, flawed: bool
    ) -> list[Frame]:
        return await client.frames(
            after=after,
            before=before,
            limit=limit,
            device=self.device,
            devices=self.names,
            direction=Direction.RX,
            flawed=flawed,
            text=self.text,
        )

    def heading(self, rows: list[Frame], width: int, picture: Picture) -> Line:
        """The GSM Interface's columns."""
        if width < WIDE:
            return [(f"{'ID':<4}{'Date':<11}{'Hour':<9}{'Model':<6}{'Ser.':<5}{'Message':<{width - 40}} Port", "")]
        return [
            (f"{'ID Frame':<9}{'Date':<11}{'Hour':<9}{'Model':<8}{'Serial number':<14}", ""),
            (f"{'Message':<{width - 56}} Port", ""),
        ]

    def line(self, row: Frame, width: int, picture: Picture) -> Line:
        """One row; a mark behind its number, and in red what is wrong with it."""
        one = cells(row, self.computer_type, self.ports)
        when = datetime.fromtimestamp(row.wall // SECOND, UTC).astimezone(picture.zone)
        wide = width >= WIDE
        number, model, serial = (9, 8, 14) if wide else (4, 6, 5)
        room = width - (56 if wide else 40)
        flaw = words.clean(row.flaw)
        ink = "bad" if flaw else "dim" if one.number == "---" else ""
        message = f"{one.message}  ! {flaw}" if flaw and wide else one.message
        return [
            (words.fit(one.number + "!" * bool(flaw), number), ink),
            (f"{when:%d/%m/%Y %H:%M:%S} ", "dim"),
            (words.fit(one.model, model - 1) + " ", ""),
            (words.fit(one.serial, serial - 1) + " ", ""),
            (words.fit(message, room), ink),
            (f"{one.port:>5}", ""),
        ]


class MaterialList(Table):
    """Every device that is configured, or was heard."""

    def __init__(self) -> None:
        super().__init__("material", _addresses, _heading, _row)

    def device(self, address: str, picture: Picture) -> str:
        """The device behind a row; empty: it has no tab."""
        names = {one.address: one.device for one in materials(picture)}
        return names[address] if picture.device(names[address]) else ""

    def lines(self, width: int, height: int, picture: Picture, *, active: bool) -> list[Line]:
        """Title, columns, and the rows around the cursor."""
        all_ = materials(picture)
        out: list[Line] = [[(picture.rule(f"{'>' if active else ' '}{title(picture)}", width), "head")]]
        if height < 3:
            return out[:height]
        out.append([(words.fit(_heading(width), width), "dim")])
        room = height - len(out)
        at = next((number for number, one in enumerate(all_) if one.address == self.current(picture)), 0)
        first = max(0, min(at - room + 1, len(all_) - room)) if active else 0
        for number, one in enumerate(all_[first : first + room], first):
            line = _row(one.address, width, picture)
            out.append([(words.fit(plain(line), width), "cursor")] if active and number == at else line)
        return out if all_ else [*out, [("nothing is named in the settings, and nobody was heard", "dim")]]


def title(picture: Picture) -> str:
    """The list in short."""
    all_ = materials(picture)
    never = sum(one.heard is None and one.role == "source" for one in all_)
    return f"MATERIAL LIST  {len(all_)}" + (f", {never} never heard" if never else "")


def materials(picture: Picture) -> tuple[ItsMaterial, ...]:
    """All there are."""
    return picture.state.its.material if picture.state.its else ()


def _addresses(picture: Picture) -> list[str]:
    return [one.address for one in materials(picture)]


def _heading(width: int) -> str:
    port = f"{'Port':<6}" if width >= WIDE else ""
    left = f"{'Label':<12}{'Model':<9}{'Serial':<7}{'Color':<8}{'Timekeep.':<10}{'Phone':<10}{port}"
    return f"{left}{'Last':<9}{'Frames':>6}{'Age':>7}"


def _row(address: str, width: int, picture: Picture) -> Line:
    one = next(one for one in materials(picture) if one.address == address)
    label = one.label or one.device or ("this PC" if one.role == "software" else "-")
    line: Line = [
        (words.fit(label, 11) + " ", "" if one.named else "warn"),
        (words.fit(one.model or "?", 8) + " ", ""),
        (words.fit(address[1:], 6) + " ", "head"),
        (words.fit(one.colour or "-", 7) + " ", ""),
        (words.fit(one.timekeeping or "-", 9) + " ", ""),
        (words.fit(one.phone or "-", 9) + " ", ""),
    ]
    if width >= WIDE:
        line.append((f"{one.software_port:<6}", ""))
    if one.role != "source":
        told = one.role + (f", {one.echoes} came back" if one.echoes else "")
        return [*line, (words.fit(told, max(22, width - sum(len(text) for text, _ in line))), "dim")]
    if one.heard is None:
        return [*line, (f"{'never heard':<11}", "warn"), (f"{one.frames:>4}", "")]
    line += [
        (words.clock(one.heard, picture.zone) + " ", ""),
        (f"{one.frames:>6}", ""),
        (f"{words.since(one.heard, picture.now):>7}", ""),
    ]
    return line
