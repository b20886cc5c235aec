"""A stand-in for an engine with one TIME MACHINE at the finish, in whatever state a test wants it."""

from collections.abc import Iterable
from typing import Any

from msgspec import structs

from console.codecs import timemachine as codec
from console.control import messages as m
from console.model import (
    SECOND,
    Basis,
    CommandInfo,
    DeviceState,
    Direction,
    EngineState,
    Flow,
    Frame,
    JournalState,
    Kind,
    LinkState,
    Origin,
    Passing,
    Phase,
    Resolved,
    Retold,
    Status,
)
from tests.screens.fake_engine import GUN, FakeEngine

HOUR = 3600 * SECOND

COMMANDS = (
    CommandInfo(words="PAUSE", key="p", help="XOFF: the timer keeps its lines", answered=False),
    CommandInfo(words="RESUME", key="r", help="XON: the timer goes on", answered=False),
)


def ns_of(time: str) -> int:
    """`01:11:41.66` in ns."""
    hours, minutes, seconds = time.split(":")
    whole, hundredths = seconds.split(".")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * SECOND + int(hundredths) * SECOND // 100


class TimerEngine(FakeEngine):
    """Rows are what the test puts in; the state is `timer`, which tests change with `set`."""

    def __init__(self) -> None:
        super().__init__(0)
        self.rows: list[Resolved] = []
        self.wire: list[Frame] = []
        self.clock = GUN + HOUR + 12 * 60 * SECOND + 17 * SECOND
        self.timer = DeviceState(
            name="chute",
            type="timemachine",
            where="/dev/serial/by-id/usb-FTDI_A1",
            state=LinkState.UP,
            since=GUN,
            heard=self.clock - 3 * SECOND,
            facts={
                "line": "9600 7E2",
                "state": "FLOWING",
                "clock": "race clock, START XC 00:00:00.00",
                "event": "001",
                "XOFF timeout": "30 s",
                "lines": "CTS high CD low RTS high DTR high",
            },
            commands=COMMANDS,
            flow=Flow(),
        )

    # --- what a test does ---

    def set(self, **changes: Any) -> None:
        """Change the timer; `facts` are put over those there are."""
        if "facts" in changes:
            changes["facts"] = {**self.timer.facts, **changes["facts"]}
        self.timer = structs.replace(self.timer, **changes)

    def place(self, place: int, time: str, bib: str = "", *, known: str = "", **changes: Any) -> Resolved:
        """A finisher: `bib` is what the line brought, `known` what became known later."""
        event, chute = changes.pop("event", "001"), changes.pop("chute", 11)
        outside = {key: changes.pop(key) for key in ("name", "edited", "halves", "out") if key in changes}
        own: dict[str, Any] = {"extra": {"chute": chute, "place_in_lane": place, "place": place}}
        row = Resolved(
            passing=self._passing(Kind.SELECT if bib else Kind.PLACE, time, event, str(chute), bib, own | changes),
            utc=GUN + ns_of(time),
            point="Finish",
            bib=known or bib or None,
            **outside,
        )
        self.rows.append(row)
        return row

    def lap(self, lane: int, lap: int, time: str, split: str, **changes: Any) -> Resolved:
        """A lap."""
        own: dict[str, Any] = {"extra": {"lane": lane, "lap": lap, "split": split}}
        passing = self._passing(Kind.LAP, time, "001", str(lane), "", own | changes)
        self.rows.append(Resolved(passing=passing, utc=None, point=None, bib=None))
        return self.rows[-1]

    def _passing(self, kind: Kind, time: str, event: str, channel: str, bib: str, own: dict[str, Any]) -> Passing:
        keys: dict[str, Any] = {
            "seq": len(self.rows) + 1,
            "frame": len(self.rows) + 1,
            "index": 0,
            "device": "chute",
            "kind": kind,
            "wall": GUN + ns_of(time),
            "time": time,
            "ns": ns_of(time),
            "basis": Basis.RACE,
            "day": None,
            "tag": None,
            "bib": bib or None,
            "channel": channel,
            "event": event,
            "generation": 1,
            "phase": Phase.RACE,
            "read_type": 2,
            "origin": Origin.LIVE,
            "status": Status.LIVE,
            "of": None,
        }
        return Passing(**(keys | own))

    def crosses(self, wall: int, raw: bytes, label: str, *, ours: bool = False, by: str = "", flaw: str = "") -> None:
        """Bytes on the wire, or (none) a control line."""
        self.wire.append(
            Frame(
                seq=len(self.wire) + 1,
                device="chute",
                direction=Direction.TX if ours else Direction.RX,
                wall=wall,
                mono=wall,
                raw=raw,
                label=label,
                by=by,
                flaw=flaw,
            )
        )

    # --- what the console sees ---

    @property
    def now(self) -> int:
        return self.clock

    def state(self) -> EngineState:
        """The whole picture: one timer."""
        journal = JournalState(
            state="ok", frames=len(self.wire), passings=len(self.rows), incidents=len(self.incidents), commit=400_000
        )
        changes: dict[str, Any] = {"devices": (self.timer,), "exports": (), "journal": journal, "held": 0}
        return structs.replace(super().state(), alarms=(), incidents=(), **changes)

    async def answer(self, call: m.Call, who: str, console: int) -> m.Result:
        """Pages of rows, filtered as the engine does."""
        match call:
            case m.GetPassings():
                self.calls.append((who, call))
                rows = [row for row in self.rows if _fits(row, call)]
                return m.Passings(rows=_page(rows, [row.passing.seq for row in rows], call))
            case m.Command(words="PAUSE"):
                self.set(flow=Flow(paused_at=self.clock, by=who, ends_at=self.clock + 60 * SECOND))
                return m.Done(text="chute: PAUSE: XOFF sent", ok=None)
            case m.Command(words="RESUME"):
                self.set(flow=Flow(note="first line 0.05 s after XON"))
                return m.Done(text="chute: RESUME: XON sent", ok=None)
            case m.GetFrames():
                return m.Frames(rows=_page(self.wire, [row.seq for row in self.wire], call))
        return await super().answer(call, who, console)


def _fits(row: Resolved, call: m.GetPassings) -> bool:
    one = row.passing
    said = "\n".join(map(str, (one.bib, one.time, one.channel, one.event, *one.extra.values())))
    return (
        call.device in ("", one.device)
        and (not call.kinds or one.kind in call.kinds)
        and (not call.statuses or one.status in call.statuses)
        and (not call.origins or one.origin in call.origins)
        and call.text.lower() in said.lower()
    )


def _page(rows: list[Any], numbers: list[int], call: m.GetPassings | m.GetFrames) -> list[Any]:
    numbered = list(zip(numbers, rows, strict=True))
    if call.after is not None:
        return [row for number, row in numbered if number > call.after][: call.limit]
    return [row for number, row in numbered if number < (call.before or 2**62)][-call.limit :]


def race_day() -> TimerEngine:
    """Ten finishers around a hole, two of them without a bib, and a pause that has ended."""
    engine = TimerEngine()
    primary, both = (Kind.PLACE,), (Kind.PLACE, Kind.SELECT)
    engine.place(405, "01:11:41.66", "0655", out="tcp")
    engine.place(406, "01:11:44.09", "0120", out="tcp")
    engine.place(407, "01:11:47.83", "1178", out="sent")
    engine.place(408, "01:11:52.31", "1178", known="1187", edited="anna", out="HELD")
    engine.place(409, "01:11:55.02", halves=primary, out="HELD")
    engine.place(411, "01:11:55.48", known="0933", halves=both, out="sent")
    engine.place(412, "01:11:58.07", "0412", out="sent")
    engine.place(413, "01:11:58.90", halves=primary, out="HELD")
    engine.place(414, "01:12:14.12", "0771", out="waiting")
    line = codec.encode(codec.Place(False, 11, 413, 413, "01:11:58.90", ns_of("01:11:58.90")))
    engine.crosses(GUN + ns_of("01:11:58.95"), line, "PRIMARY")
    engine.crosses(GUN + ns_of("01:12:02.00"), codec.XOFF, "XOFF, 30 s at most", ours=True, by="anna")
    engine.crosses(GUN + ns_of("01:12:05.31"), codec.XON, "XON, held 3.3 s", ours=True, by="anna")
    line = codec.encode(codec.Place(True, 11, 414, 414, "01:12:14.12", ns_of("01:12:14.12"), "771"))
    engine.crosses(GUN + ns_of("01:12:14.17"), line, "SELECT")
    engine.set(
        holes=("0410",),
        nameless=2,
        refill="a retransmit of event 1 takes about 40 s, live lines wait meanwhile: after the rush",
        flow=Flow(lines=1, heard=engine.clock - 3 * SECOND, note="first line 8.90 s after XON"),
    )
    return engine


def rows_told(engine: TimerEngine, rows: Iterable[Resolved]) -> None:
    """A retransmit that brought `rows`, which are the newest."""
    told = list(rows)
    new = sum(row.passing.status in (Status.LIVE, Status.JOINED) for row in told)
    repeats = sum(row.passing.status is Status.REPEAT for row in told)
    engine.set(
        retold=Retold(
            since=engine.clock - 60 * SECOND,
            first=told[0].passing.seq,
            last=told[-1].passing.seq,
            event="001",
            lines=len(told),
            new=new,
            repeats=repeats,
            differ=len(told) - new - repeats,
            ended=True,
        )
    )
