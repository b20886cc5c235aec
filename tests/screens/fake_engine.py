"""A stand-in for the engine, behind the real control socket: a race that every run repeats to the byte.

Frame and passing number N are computed from N, so an event of a million frames costs nothing. To play with a console:
`python -m tests.screens.fake_engine SOCKET --rate 10`.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from console.control import messages as m
from console.control.server import Server
from console.model import (
    SECOND,
    Argument,
    Basis,
    ClockState,
    CommandInfo,
    DeviceState,
    Direction,
    EngineState,
    ExportState,
    Frame,
    Gun,
    Incident,
    JournalState,
    Kind,
    Level,
    LinkState,
    Option,
    Origin,
    Outcome,
    Passing,
    PeerState,
    Phase,
    Resolved,
    Sheet,
    Status,
)

GUN = 1_781_335_800 * SECOND
"""13 June 2026, 09:30:00 in Paris."""

STEP = 1_025_000_000
"""ns between two frames."""

NAMES = ("BAUER Eva", "ÁLVAREZ Inés", "BERG Tom", "DUPONT Marc", "NOVÁK Petra", "李 安", "O'NEILL-VAN DEN BERGHE Max")

Row = TypeVar("Row", Frame, Resolved, Incident)


def frame_of(seq: int) -> Frame:
    """Frame `seq` of the race: of ten, five from the chute, two from a control, two from the start, one question."""
    wall, slot = GUN + seq * STEP, seq % 10
    clock = f"{wall // SECOND - GUN // SECOND:05d}"
    device, direction, label, flaw, by = "chute", Direction.RX, "PRIMARY", "", ""
    raw = f"17 11 {seq % 999:03d} {seq:04d} {clock}.{seq % 100:02d}\r\n".encode()
    if slot in (1, 3):
        label, raw = "SELECT", raw[:-2] + f" {seq % 1500:05d}\r\n".encode()
    elif slot in (5, 6):
        device, label, raw = "ctl-31", "card", f"04A1B2C3{seq % 65536:04X},31,{wall // SECOND}\r\n".encode()
    elif slot in (7, 8):
        device, label, raw = "start", "TN", f"TN {seq % 9999:4d} 1 {clock}.12345 06B4\t\r".encode()
    elif slot == 9:
        device, direction, label, raw, by = "ctl-31", Direction.TX, "GET TIME", b"GET TIME\r\n", "anna"
    if seq % 97 == 0:
        flaw, raw = "cut short", raw[:9]
    return Frame(
        seq=seq, device=device, direction=direction, wall=wall, mono=seq * STEP, raw=raw, label=label, flaw=flaw, by=by
    )


def nameless(seq: int) -> bool:
    """Whether passing `seq` is a place without a bib."""
    row = passing_of(seq)
    return row.passing.kind is Kind.PLACE and row.bib is None


def passing_of(seq: int) -> Resolved:
    """Passing `seq`: nine of ten frames are passings."""
    frame = (seq - 1) // 9 * 10 + (seq - 1) % 9
    slot, wall = frame % 10, GUN + frame * STEP
    kind, basis, device, tag, bib, point, digits = Kind.PLACE, Basis.RACE, "chute", None, None, "Finish", 2
    status, of = Status.LIVE, None
    if slot in (1, 3):
        kind, bib = Kind.SELECT, f"{frame % 1500:04d}"
        if frame % 50 == 1:
            status, of = Status.REPEAT, seq - 2
        elif frame % 50 == 13:
            status, of = Status.CORRECTION, seq - 3
    elif slot in (0, 2):
        bib = f"{frame % 1500:04d}"
    elif slot in (5, 6):
        kind, basis, device, tag = Kind.PUNCH, Basis.EPOCH, "ctl-31", f"04A1B2C3{frame % 65536:04X}80"
        point, digits = "Ctl 31", 0
    elif slot in (7, 8):
        kind, basis, device, point, digits = Kind.IMPULSE, Basis.DAY, "start", "Start", 3
    elif frame % 20 == 14:
        bib = f"{frame % 1500:04d}"
    ns = wall - GUN
    text = f"{ns // 3600 // SECOND:02}:{ns // 60 // SECOND % 60:02}:{ns // SECOND % 60:02}"
    if basis is Basis.DAY:
        day = ns + (9 * 3600 + 1800) * SECOND
        text = f"{day // 3600 // SECOND:02}:{day // 60 // SECOND % 60:02}:{day // SECOND % 60:02}"
    fraction = f".{ns % SECOND:09d}"[: digits + 1] if digits else ""
    passing = Passing(
        seq=seq,
        frame=frame or 1,
        index=0,
        device=device,
        kind=kind,
        wall=wall,
        time=text + fraction,
        ns=ns,
        basis=basis,
        day=None,
        tag=tag,
        bib=bib,
        channel="1" if kind is Kind.IMPULSE else None,
        event="001" if device == "chute" else None,
        generation=1,
        phase=Phase.RACE,
        read_type=2,
        origin=Origin.LIVE,
        status=status,
        of=of,
        extra={"place": frame // 2} if device == "chute" else {},
    )
    name = NAMES[frame % len(NAMES)] if frame % 9 else ""
    return Resolved(passing=passing, utc=wall, point=point, bib=bib, name=name if bib else None)


COMMANDS = (
    CommandInfo(words="PING", key="p", help="is it awake?"),
    CommandInfo(words="GET TIME", key="t", help="what its clock says"),
    CommandInfo(words="GET VERSION", key="v", help="its firmware"),
    CommandInfo(words="GET BACKUP", key="k", help="read what it keeps", long=True),
    CommandInfo(words="BLEEP", key="e", help="make it beep", answered=False),
    CommandInfo(words="SET TIME", key="T", help="its clock from this one", changes=True, sets_clock=True),
    CommandInfo(
        words="SET MODE",
        key="M",
        arguments=(
            Argument(name="mode", help="what it does with a card", choices=("CONTROL", "CLEAR", "READOUT")),
            Argument(name="POS", optional=True, only_after=("CONTROL",)),
        ),
        help="what it does with a card",
        changes=True,
    ),
    CommandInfo(
        words="WRITE INFO",
        key="I",
        arguments=(Argument(name="bib"), Argument(name="name", default="-", help="at most 30 characters", rest=True)),
        help="write a card",
    ),
    CommandInfo(words="START LIST", key="L", arguments=(Argument(name="file", file=True),), help="send a list"),
    CommandInfo(words="HELP", help="what it knows"),
    CommandInfo(words="STOP", help="stop what takes long"),
)

OPTIONS = (
    Option("listen", "127.0.0.1:10200", help="host:port to listen on."),
    Option("connect", "", help="host:port to connect to, instead."),
    Option("newcomers", "live", default="live", expects="one of live, all", help="What a new client gets."),
    Option("batch_interval", "1.5", default="0", expects="a number from 0 to 60", help="Seconds between two messages."),
)

CLEARS = "CLEAR erases every card that touches this station."

CHATTER = ("PING", "PONG", "wake", "prompt", "blank")


class FakeEngine:
    """The `Office` behind the socket. What it is told is in `calls`; tests change what it shows and call `push`."""

    def __init__(self, frames: int = 4212) -> None:
        self.calls: list[tuple[str, m.Call]] = []
        self.odd: dict[int, Frame] = {}
        """Frames that are not as `frame_of` says."""
        self.odd_passings: dict[int, Resolved] = {}
        self.asked = 0
        """How many pages of rows were asked for."""
        self.slow: asyncio.Event | None = None
        """Pages of frames are answered when this is set."""
        self.stopped = asyncio.Event()
        self.frames = frames
        self.quiet = 0
        self.consoles: Callable[[], int] = lambda: 0
        self.alarms: list[Incident] = [
            incident(3, 4073, Level.ALARM, "start", "DOWN: no answer from 192.168.1.50:7000; is the cable in?")
        ]
        self.incidents = [
            incident(1, 0, Level.NOTE, "engine", "started"),
            incident(2, 2000, Level.WARNING, "chute", "place 2098-2099 missing before SELECT 2100"),
            *self.alarms,
        ]
        self.outcomes: dict[str, Outcome] = {}
        """Device -> what came of its last command."""
        self.sheets: dict[tuple[str, str], Sheet] = {}
        self.talks: dict[tuple[str, str], m.Conversation] = {}
        """(export, peer) -> the last lines."""
        self.refuse_bibs = ""
        """Why no bib is saved."""
        self._bibs: list[int] = []
        self.changes: dict[str, object] = {}
        """Fields of EngineState that tests put over it."""

    @property
    def now(self) -> int:
        """2 s after the newest frame, and as much later as nothing has come since."""
        return GUN + self.frames * STEP + 2 * SECOND + self.quiet

    @property
    def passings(self) -> int:
        """The highest passing number."""
        return max(0, (self.frames - 1) * 9 // 10)

    def state(self) -> EngineState:
        """The whole picture, now."""
        state = EngineState(
            version="0.1.0",
            event="spring-10k",
            timezone="Europe/Paris",
            phase=Phase.RACE,
            now=self.now,
            started=GUN - 3600 * SECOND,
            pid=1,
            clock=ClockState(source="NTP", synced=True, offset=120_000),
            guns=(Gun(device="chute", generation=1, ns=0, wall=GUN, source="START line"),),
            devices=self._devices(),
            exports=self._exports(),
            journal=JournalState(
                state="ok",
                frames=self.frames,
                passings=self.passings,
                incidents=len(self.incidents),
                commit=400_000,
            ),
            incidents=tuple(self.incidents[-50:]),
            alarms=tuple(self.alarms),
            consoles=self.consoles(),
            held=2,
        )
        state = msgspec.structs.replace(state, **self.changes)
        devices = tuple(
            msgspec.structs.replace(device, outcome=self.outcomes.get(device.name, device.outcome))
            for device in state.devices
        )
        return msgspec.structs.replace(state, devices=devices)

    def device(self, name: str, **fields: object) -> None:
        """From now on `name` is different."""
        self.changes["devices"] = tuple(
            msgspec.structs.replace(device, **fields) if device.name == name else device
            for device in self.state().devices
        )

    def _devices(self) -> tuple[DeviceState, ...]:
        now, start = self.now - self.quiet, GUN - 1800 * SECOND
        return (
            DeviceState(
                name="chute",
                type="timemachine",
                where="/dev/serial/by-id/usb-FTDI_A1",
                state=LinkState.UP,
                since=start,
                heard=now - 3 * SECOND,
                frames=self.frames // 2,
                passings=self.frames // 2 - 9,
                repeats=8,
                flaws=1,
                nameless=2,
                holes=("2098-2099",),
                facts={"line": "9600 7E2", "gun": "09:30:00.00 from the START line", "event": "001", "XOFF": "30 s"},
                commands=COMMANDS[:1],
            ),
            DeviceState(
                name="start",
                type="thcom",
                where="192.168.1.50:7000",
                state=LinkState.DOWN,
                since=now - 131 * SECOND,
                reason="no answer from 192.168.1.50:7000; is the cable in?",
                retry_at=now + 4 * SECOND,
                heard=now - 131 * SECOND,
                frames=812,
                passings=812,
                drift=-4_000_000,
            ),
            DeviceState(
                name="ctl-31",
                type="otimcon",
                where="/dev/ttyUSB1",
                state=LinkState.UP,
                since=start,
                heard=now - 8 * SECOND,
                frames=1300,
                passings=1293,
                drift=800_000_000,
                facts={"version": "0.22", "control": "31", "mode": "CONTROL", "backup": "37 cards"},
                commands=COMMANDS,
            ),
            DeviceState(name="ctl-45", type="otimcon", where="/dev/ttyUSB2", state=LinkState.OPEN, since=start),
        )

    def _exports(self) -> tuple[ExportState, ...]:
        now, sent = self.now - self.quiet, self.passings
        peer = PeerState(
            address="192.168.1.20",
            connected=True,
            since=GUN,
            journaled=sent + 19,
            sent=sent,
            tcp=sent - 2,
            waiting=14,
            oldest=now - 42 * SECOND,
            held=2,
            reasons={"no bib": 2},
            unmapped=3,
            note="2 held: no bib",
        )
        return (
            ExportState(
                name="raceday",
                type="tsv1",
                where="127.0.0.1:10200",
                state="slow",
                reason="192.168.1.20 reads slowly",
                journaled=sent + 19,
                sent=sent,
                tcp=sent - 2,
                waiting=14,
                oldest=now - 42 * SECOND,
                held=2,
                held_newest={seq: "no bib yet" for seq in range(max(1, sent - 50), sent + 1) if nameless(seq)},
                unmapped=3,
                peers=(peer,),
            ),
            ExportState(
                name="software",
                type="thcom-server",
                where="127.0.0.1:7000",
                state="up",
                journaled=812,
                sent=812,
                tcp=812,
                peers=(PeerState(address="127.0.0.1", connected=True, since=GUN, journaled=812, sent=812, tcp=812),),
            ),
            ExportState(name="its", type="ctp01", where="127.0.0.1:61611", state="no client"),
        )

    # --- rows ---

    def frame(self, seq: int) -> Frame:
        """Frame `seq`."""
        return self.odd.get(seq) or frame_of(seq)

    def passing(self, seq: int) -> Resolved:
        """Passing `seq`."""
        return self.odd_passings.get(seq) or passing_of(seq)

    def left(self, console: int) -> None:
        pass

    async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
        """Do what `call` says."""
        self.calls.append((who, call))
        match call:
            case m.GetState():
                return m.State(state=self.state())
            case m.GetFrames():
                if self.slow:
                    await self.slow.wait()
                return m.Frames(rows=self._page(call, self.frames, self.frame, lambda frame: _wanted(frame, call)))
            case m.GetPassings():
                return m.Passings(
                    rows=self._page(
                        call,
                        self.passings,
                        self.passing,
                        lambda row: (
                            call.device in ("", row.passing.device)
                            and (not call.origins or row.passing.origin in call.origins)
                            and (not call.kinds or row.passing.kind in call.kinds)
                            and (not call.statuses or row.passing.status in call.statuses)
                            and call.text.lower() in f"{row.bib} {row.name} {row.passing.tag} {row.point}".lower()
                        ),
                    )
                )
            case m.GetIncidents():
                return m.Incidents(
                    rows=self._page(call, len(self.incidents), lambda seq: self.incidents[seq - 1], lambda row: True)
                )
            case m.GetDetail(frame=seq):
                return self._detail(seq)
            case m.Command():
                return self._command(call, who)
            case m.Acknowledge(upto=upto):
                before = len(self.alarms)
                self.alarms = [alarm for alarm in self.alarms if alarm.seq > upto]
                return m.Done(text=f"{before - len(self.alarms)} acknowledged")
            case m.SetPhase(phase=phase):
                self.changes["phase"] = phase
                return m.Done(text=f"phase {phase}")
            case m.Stop(event=event):
                if event != "spring-10k":
                    return m.Failed(reason=f"this engine serves spring-10k, not {event}; it was not stopped")
                self.stopped.set()
                return m.Done(text="the engine stops")
            case m.GetSheet(device=device, name=name):
                if (device, name) in self.sheets:
                    return m.Table(sheet=self.sheets[device, name])
                return m.Failed(reason=f"{device} keeps no sheet {name!r}")
            case m.SetBib(passing=seq, bib=bib):
                return self._set_bib(seq, bib, who)
            case m.Undo():
                if not self._bibs:
                    return m.Failed(reason="there is nothing to take back")
                del self.odd_passings[seq := self._bibs.pop()]
                return m.Done(text=f"#{seq} is as it was")
            case m.Steer() | m.EditExport() | m.RemoveExport() | m.RenumberExport():
                return self._steer(call)
            case m.Resend(export=export):
                return m.Done(text=f"{export}: 212 sent again, 3 held")
            case m.GetPeer(export=export, peer=peer):
                return self.talks.get((export, peer)) or m.Conversation(sent=(), received=())
            case m.GetOptions(export=export, kind=kind):
                rows = OPTIONS if export or kind == "tsv1" else OPTIONS[1:2]
                return m.Options(kind=kind or "tsv1", kinds=["ctp01", "thcom-server", "tsv1"], rows=list(rows))
            case m.AddExport(name=name, values=values):
                if "10200" in values.get("listen", ""):
                    return m.Failed(reason='listen address "127.0.0.1:10200" is given 2 times')
                return m.Done(text=f"export {name} added: {values}")
            case m.SaveIts(values=values, yes=yes):
                if values.get("server") == "refuse.me":
                    return m.Failed(reason="racedeck.toml: [its]: server: no")
                if "its" in self.changes and self.changes.get("phase", Phase.RACE) is Phase.RACE and not yes:
                    return m.Asks(question="A race is running, and it is linked.", name="its", typed=False)
                return m.Done(text=f"ITS configuration saved: {', '.join(values)}")
            case m.ConnectIts():
                return m.Done(text="connecting; the panel says how far it is")
            case m.SetGun() | m.Held() | m.Reload() | m.TakeOver():
                return m.Done(text=f"{type(call).__name__} done", ok=None)

    def _command(self, call: m.Command, who: str) -> m.Result:
        device, words = call.device, call.words
        if not device.startswith("ctl-"):
            return m.Failed(reason=f"{device} is down; plug it in first")
        racing = self.changes.get("phase", Phase.RACE) is Phase.RACE
        clears = CLEARS if words == "SET MODE CLEAR" else ""
        typed = racing and words.startswith("SET ")
        if (typed or clears) and call.yes != device:
            question = " ".join(filter(None, [clears, "A race is running." if typed else ""]))
            return m.Asks(question=f"{words}: {question}", name=device, typed=typed)
        ok, text = (None, "sent; listen") if words == "BLEEP" else (True, f"{words} -> PONG in 31 ms")
        if "X" in words.split():
            return m.Failed(reason=f"{words}: the station says ERROR")
        self.outcomes[device] = Outcome(words=words, by=who, wall=self.now, ok=ok, text=text)
        return m.Done(text=text, ok=ok)

    def _steer(self, call: m.Steer | m.EditExport | m.RemoveExport | m.RenumberExport) -> m.Result:
        name = call.export if isinstance(call, m.Steer) else call.name
        match call:
            case m.Steer(action="skip") if call.yes != name:
                return m.Asks(question="14 passings wait and will never be sent. Skip them?", name=name, typed=False)
            case m.Steer(action="forget", peer=peer) if call.yes != name:
                return m.Asks(question=f"Forget {peer}? It is a newcomer then.", name=name, typed=False)
            case m.RemoveExport() if call.yes != name:
                return m.Asks(
                    question=f"A race is running, and 1 client is connected to {name}.", name=name, typed=True
                )
            case m.RenumberExport() if call.yes != name:
                return m.Asks(question=f"Number the lines of {name} from 1 again?", name=name, typed=True)
            case m.Steer(action="pause" | "resume" as action):
                paused = {"state": "paused", "reason": "by anna", "paused_at": self.now} if action == "pause" else {}
                self.changes["exports"] = tuple(
                    msgspec.structs.replace(one, **paused) if one.name == name else one for one in self._exports()
                )
                return m.Done(text=f"{name}: {action}d")
        return m.Done(text=f"{name}: {type(call).__name__} done")

    def _set_bib(self, seq: int, bib: str, who: str) -> m.Result:
        if self.refuse_bibs:
            return m.Failed(reason=self.refuse_bibs)
        row = self.passing(seq)
        self.odd_passings[seq] = msgspec.structs.replace(row, bib=bib, edited=who)
        self._bibs.append(seq)
        return m.Done(text=f"#{seq} {row.bib or '----'} -> {bib}; goes out in 10 s")

    def _page(
        self,
        call: m.GetFrames | m.GetPassings | m.GetIncidents,
        newest: int,
        row: Callable[[int], Row],
        wanted: Callable[[Row], bool],
    ) -> list[Row]:
        self.asked += 1
        forward = call.after is not None
        numbers = (
            range(max(0, call.after) + 1, newest + 1)
            if call.after is not None
            else range(min(newest, (call.before or newest + 1) - 1), 0, -1)
        )
        rows = list(_first(call.limit, (r for r in map(row, numbers) if wanted(r))))
        return rows if forward else rows[::-1]

    def _detail(self, seq: int) -> m.Result:
        if not 0 < seq <= self.frames:
            return m.Failed(reason=f"no frame {seq} in the journal")
        passings = [self.passing(n) for n in range(1, self.passings + 1) if self.passing(n).passing.frame == seq]
        return m.Detail(
            frame=self.frame(seq),
            fields={"code": "17 primary", "chute": "11", "lane place": "213", "place": "4212"},
            passings=passings,
            deliveries=[
                m.Delivery(passing=row.passing.seq, export="raceday", peer="192.168.1.20", word="tcp")
                for row in passings
            ],
        )


def _first(limit: int, rows: Iterator[Row]) -> Iterator[Row]:
    for _, row in zip(range(limit), rows, strict=False):
        yield row


def _wanted(frame: Frame, call: m.GetFrames) -> bool:
    return (
        call.device in ("", frame.device)
        and (not call.devices or frame.device in call.devices)
        and call.direction in (None, frame.direction)
        and (not call.flawed or bool(frame.flaw))
        and (not call.quiet or frame.label not in CHATTER or bool(frame.flaw))
        and call.text.encode().lower() in frame.raw.lower() + frame.label.encode().lower()
    )


def incident(seq: int, frame: int, level: Level, source: str, text: str) -> Incident:
    """An incident at frame `frame`."""
    return Incident(seq=seq, wall=GUN + frame * STEP, level=level, source=source, text=text, frame=frame or None)


async def serve(socket: Path, rate: float, frames: int) -> None:
    """Serve a race that goes on at `rate` frames/s."""
    engine = FakeEngine(frames)
    server = Server(socket, engine)
    engine.consoles = lambda: len(server.clients)
    await server.open()
    pushing = asyncio.create_task(server.run())
    loop = asyncio.get_running_loop()
    started = loop.time()
    while not engine.stopped.is_set():
        await asyncio.sleep(0.01)
        now = frames + int((loop.time() - started) * rate)
        engine.quiet = int((loop.time() - started) * SECOND)
        if now != engine.frames:
            engine.frames = now
            server.changed()
    pushing.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", type=Path)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--frames", type=int, default=4212)
    options = parser.parse_args()
    asyncio.run(serve(options.socket, options.rate, options.frames))
