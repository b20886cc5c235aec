"""A GSM docking (HL540-GSM, ITSDOCKING-GSM) on its own serial port: the job of the GPRS Settings program.

Its settings are parameter 030 (thcom.md, sections 2.3 and 4). Passwords can be written and never read. They come from
a file, because the words of a command are kept: in its outcome, in the history of the console, in the shell's. They are
journaled as `*`, and so is the checksum behind them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import ClassVar, Literal

from msgspec import Struct, structs

from console.codecs import thcom
from console.codecs.piece import Piece
from console.codecs.thcom_layouts import number, text
from console.codecs.thcom_records import Parameter, Record, Serial, tag_of
from console.devices.driver import CommandError, DeviceSettings, Driver, Outlet, Reply
from console.devices.thcom_status import told
from console.devices.thcom_talk import Answer, Talk, Wants
from console.devices.thcom_words import explain
from console.model import SECOND, Argument, CommandInfo, Heard, Job, Order, Risk, Scalar, Sheet, find

OPENING = 1.0
"""Seconds after which a docking that was just connected is asked who it is."""

LONGEST = 25
"""Characters of a setting."""


class Setting(Struct, frozen=True):
    """One field of the GPRS Settings program."""

    name: str
    field: str
    """What it is called in parameter 030."""
    help: str


SETTINGS = (
    Setting("AP1-NAME", "1", "access point 1: its name (APN)"),
    Setting("AP1-USER", "2", "access point 1: user"),
    Setting("SERVER1-HOST", "4", "server 1: domain name or IP"),
    Setting("SERVER1-PORT", "5", "server 1: port"),
    Setting("SERVER1-USER", "7", "server 1: user name"),
    Setting("AP2-NAME", "a", "access point 2: its name (APN)"),
    Setting("AP2-USER", "b", "access point 2: user"),
    Setting("SERVER2-HOST", "d", "server 2: domain name or IP"),
    Setting("SERVER2-PORT", "e", "server 2: port"),
    Setting("SERVER2-USER", "f", "server 2: user name"),
    Setting("SIM-BALANCE", "6", "SIM balance code"),
)
"""What can be read. Documented are 1 to 5, 7, 8 and that a to g are the second set; that these follow in the order of
the first, and that 6, which no text explains, is the SIM balance code of the program, is inferred."""

PASSWORDS = (
    Setting("AP1", "3", "access point 1: password"),
    Setting("SERVER1", "8", "server 1: password"),
    Setting("AP2", "c", "access point 2: password"),
    Setting("SERVER2", "g", "server 2: password"),
)

_BY_NAME = {one.name: one for one in (*SETTINGS, *PASSWORDS)}


class DockingSettings(DeviceSettings, frozen=True, kw_only=True):
    """Settings of a docking's serial port; its line is always 8N1."""

    baud: Literal[2400, 9600, 19200, 38400, 57600] = 9600


class Docking(Driver[DockingSettings]):
    """A docking. It is asked, and tells nothing of itself."""

    settings_type = DockingSettings
    shown = "GSM docking"
    commands: ClassVar[tuple[CommandInfo, ...]] = (
        CommandInfo(words="STATUS", help="ask who it is, and how its GSM does", key="s"),
        CommandInfo(words="PRINT SETTINGS", help="read all settings but the passwords", key="p"),
        CommandInfo(
            words="SET",
            arguments=(
                Argument(name="setting", help="which", choices=tuple(one.name for one in SETTINGS)),
                Argument(name="value", help=f"up to {LONGEST} characters", rest=True),
            ),
            help="write a setting, and read it back",
            key="S",
            changes=True,
        ),
        CommandInfo(
            words="SET PASSWORD",
            arguments=(
                Argument(name="of", help="whose", choices=tuple(one.name for one in PASSWORDS)),
                Argument(name="file", help="a file with the password and nothing else", file=True),
            ),
            help="write a password; it cannot be read, and is kept nowhere here",
            key="P",
            changes=True,
        ),
    )

    def __init__(self, settings: DockingSettings, outlet: Outlet, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(settings, outlet, changed)
        self._serial = bool(settings.port)
        self._decoder = thcom.Decoder(self._serial)
        self._talk = Talk(outlet, lambda: self._serial or self._decoder.checksums)
        self._known: dict[str, str] = {}
        """What was read of each setting, and when passwords were written."""

    # --- what comes in ---

    def opened(self) -> None:
        """The link has opened, perhaps to another docking."""
        self._decoder = thcom.Decoder(self._serial)
        self._known.clear()
        self.facts.clear()

    def receive(self, data: bytes, wall: int) -> list[Heard]:
        """Cut and decode a chunk."""
        return [self._heard(piece) for piece in self._decoder.receive(data)]

    def lost(self) -> list[Heard]:
        """The link is gone."""
        heard = [self._heard(piece) for piece in self._decoder.flush()]
        self._talk.lost()
        return heard

    def _heard(self, piece: Piece[Record]) -> Heard:
        record = piece.record
        if record and not piece.flaw:
            match record:
                case Serial():
                    self.facts |= {"type": record.type, "serial": record.serial, "version": record.version}
                case Parameter(number="034", value=value):
                    self.facts["GSM status"] = told("034", value)
            self._talk.hear(record)
        return Heard(raw=piece.raw, label=tag_of(record) if record else piece.flaw.partition(":")[0], flaw=piece.flaw)

    @classmethod
    def explain(cls, raw: bytes) -> dict[str, str]:
        """Field by field; passwords are not shown."""
        return explain(raw)

    def sheet(self, name: str) -> Sheet:
        """`settings`: what is known of them."""
        if name != "settings":
            return super().sheet(name)
        rows: list[tuple[str, ...]]
        rows = [(one.help, self._known.get(one.name, "not read"), one.field) for one in SETTINGS]
        rows += [(one.help, self._known.get(one.name, "cannot be read"), one.field) for one in PASSWORDS]
        return Sheet(
            title=f"Settings of {self.settings.name}",
            columns=("SETTING", "VALUE", "030"),
            rows=rows,
            marks={number: "dim" for number, row in enumerate(rows) if row[1] in ("not read", "cannot be read")},
            note="PRINT SETTINGS reads them, SET writes one, SET PASSWORD takes a password from a file",
        )

    # --- what goes out ---

    async def attend(self) -> None:
        """Ask once who it is; one that does not answer is left in peace."""
        await asyncio.sleep(OPENING)
        with suppress(CommandError, ConnectionError):
            await self._status("")
        await super().attend()

    def risk(self, words: str) -> Risk:
        """What a command may do, its arguments checked."""
        info, values = find(self.commands, words)
        if info.words == "SET":
            _laid(*values)
        return super().risk(words)

    def check_file(self, words: str, text: str) -> None:
        """See Driver."""
        if find(self.commands, words)[0].words == "SET PASSWORD":
            _password(text)

    async def command(self, order: Order) -> Reply:
        """Carry out a command."""
        info, values = find(self.commands, order.words)
        if self.job:
            raise CommandError(f"{self.settings.name} is at {self.job.words!r} ({self.job.text}): wait for its end")
        match info.words:
            case "STATUS":
                return await self._status(order.by)
            case "PRINT SETTINGS":
                return await self._print(order)
            case "SET":
                return await self._set(_BY_NAME[values[0]], _laid(*values), order.by)
        return await self._set_password(_BY_NAME[values[0]], _password(order.text), order.by)

    async def _status(self, by: str) -> Reply:
        said, data = [], dict[str, Scalar]()
        answer = await self._talk.ask("#SN", by=by, wants=Wants("SN", lambda record: isinstance(record, Serial)))
        if isinstance(answer.record, Serial):
            data |= {"type": answer.record.type, "serial": answer.record.serial, "version": answer.record.version}
        said.append(" ".join(map(str, data.values())) or "it does not say who it is")
        wants = Wants("&P", lambda record: isinstance(record, Parameter) and record.number == "034")
        answer = await self._talk.ask("#RP 034", by=by, wants=wants)
        if isinstance(answer.record, Parameter):
            data["GSM status"] = told("034", answer.record.value)
            said.append(f"GSM {data['GSM status']}")
        return Reply(ok=True, text="; ".join(said), data=data)

    async def _print(self, order: Order) -> Reply:
        self.job = Job(words=order.words, by=order.by, since=self.outlet.wall(), total=len(SETTINGS))
        untold = []
        try:
            for count, setting in enumerate(SETTINGS):
                self.job = structs.replace(self.job, done=count, text=setting.help)
                self.changed()
                answer = await self._read(setting, order.by)
                if answer.code == "R":
                    return Reply(
                        ok=False, text=f"{answer.refusal('#RP 030')}: it may be older, and can only be written"
                    )
                if not answer.accepted:
                    untold.append(setting.name)
        finally:
            self.job = None
            self.changed()
        data: dict[str, Scalar] = {one.name: self._known[one.name] for one in SETTINGS if one.name not in untold}
        said = [f"{name} {value or '(empty)'}" for name, value in data.items()]
        said += [f"not told (AK F): {', '.join(untold)}"] if untold else []
        return Reply(ok=True, text="; ".join(said), data=data)

    async def _read(self, setting: Setting, by: str) -> Answer:
        def fits(record: Record) -> bool:
            return isinstance(record, Parameter) and record.number == "030" and record.value[:1] == setting.field

        answer = await self._talk.ask(f"#RP 030 {setting.field}", by=by, wants=Wants("&P 030", fits))
        if isinstance(answer.record, Parameter):
            self._known[setting.name] = answer.record.value[2:]
            self._show()
        return answer

    async def _set(self, setting: Setting, value: str, by: str) -> Reply:
        answer, how = await self._write(setting, value, by)
        if not answer.accepted:
            return Reply(ok=False, text=answer.refusal(f"{setting.name} ({how})"))
        told = await self._read(setting, by) if how == "#WP 030" else Answer("R")
        if not told.accepted:
            return Reply(ok=True, text=f"{setting.name}: accepted (AK C); it cannot be read back")
        now = self._known[setting.name]
        if now != value:
            return Reply(ok=False, text=f"{setting.name}: accepted (AK C), BUT IT READS {now or 'empty'}")
        return Reply(ok=True, text=f"{setting.name} is {now}, read back")

    async def _set_password(self, setting: Setting, password: str, by: str) -> Reply:
        answer, how = await self._write(setting, password, by, secret=password)
        if not answer.accepted:
            return Reply(ok=False, text=answer.refusal(f"password of {setting.name} ({how})"))
        now = datetime.fromtimestamp(self.outlet.wall() // SECOND, self.outlet.zone)
        self._known[setting.name] = f"written {now:%H:%M:%S}, cannot be read"
        return Reply(ok=True, text=f"password of {setting.name}: accepted (AK C); it cannot be read back")

    async def _write(self, setting: Setting, value: str, by: str, secret: str = "") -> tuple[Answer, str]:
        """Write parameter 030, or where the docking knows no parameters, `#GP`, the older form of the same."""
        answer = await self._talk.ask(f"#WP 030 {setting.field} {value}", by=by, secret=secret)
        if answer.code != "R":
            return answer, "#WP 030"
        return await self._talk.ask(f"#GP {setting.field} {value}", by=by, secret=secret), "#GP"

    def _show(self) -> None:
        """The settings as facts: the access points and servers that there are."""
        for what, names in (
            ("access point 1", ("AP1-NAME", "AP1-USER")),
            ("server 1", ("SERVER1-HOST", "SERVER1-PORT", "SERVER1-USER")),
            ("access point 2", ("AP2-NAME", "AP2-USER")),
            ("server 2", ("SERVER2-HOST", "SERVER2-PORT", "SERVER2-USER")),
            ("SIM balance code", ("SIM-BALANCE",)),
        ):
            self.facts.pop(what, None)
            if words := " ".join(filter(None, (self._known.get(name) for name in names))):
                self.facts[what] = words
        self.changed()


def _laid(name: str, value: str) -> str:
    """A value that the setting can have. Raises CommandError."""
    try:
        if name.endswith("-PORT"):
            return str(int(number(5, 1, 65_535)(value)))
        if name.endswith("-HOST") and " " in value:
            raise CommandError(f"SET {name}: a domain name or IP has no blanks")
        return text(LONGEST)(value)
    except ValueError as error:
        raise CommandError(f"SET {name}: it {error}") from None


def _password(contents: str) -> str:
    """What a password file holds. Raises CommandError, and never says what it was."""
    lines = contents.splitlines()
    if len(lines) != 1:
        raise CommandError(f"SET PASSWORD: the file must hold one line, the password (it has {len(lines)})")
    try:
        return text(LONGEST)(lines[0])
    except ValueError as error:
        raise CommandError(f"SET PASSWORD: the password {error}") from None
