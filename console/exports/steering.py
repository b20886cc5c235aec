"""What an operator does with a running export: pause it, skip what waits, forget a client, have things sent again.

Each is journaled as an act, so that a restart knows of it: a pause lasts until somebody ends it; what was skipped as it
waited is never called sent; who was forgotten stays so; sending again begins when it is safe in the journal that it was
asked for, is not resumed, and that is said.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from msgspec import Struct, json, structs

from console.exports.delivery import Account
from console.exports.export import Desk
from console.exports.pump import Pump
from console.exports.resend import Again, Sender, Wanted, as_body, as_range, in_words, of_body, wanted
from console.journal.journal import JournalFullError
from console.model import Act, Level, Passing, Scalar, Selection

ACT = "export"
"""The word of these acts; `export` and `do` in the body say which export, and what."""

WRITTEN_WITHIN = 5.0
"""Seconds in which the journal must have taken what was asked for, before anything is sent again."""

REPLY_WITHIN = 5.0
"""Seconds after which whoever asked to have things sent again is told how far it is; it goes on."""


def address_of(peer: str) -> str:
    """The address of a client by what its account is called."""
    return peer.partition("#")[0]


class Paused(Struct, frozen=True):
    """Who has stopped the export, and when (wall ns)."""

    by: str
    since: int


class Leap(Struct, frozen=True):
    """What was skipped as it waited for a peer."""

    peer: str
    first: int
    last: int
    count: int
    """Of those, how many; where it is not counted anywhere else."""


class Steering:
    """One export's operators. `pumps` are those of an account of the export, `kept` saves one."""

    def __init__(
        self,
        name: str,
        desk: Desk,
        now: Callable[[], int],
        pumps: Callable[[Account], list[Pump]],
        kept: Callable[[Account], None],
    ) -> None:
        self.paused: Paused | None = None
        self.go = asyncio.Event()
        """Set, unless it is paused."""
        self.go.set()
        self._name = name
        self._desk = desk
        self._now = now
        self._pumps = pumps
        self._kept = kept
        self._resends: dict[asyncio.Task[None], list[Again]] = {}
        self._beginning = False
        """It is being journaled that things are to be sent again."""
        self.leaps: list[Leap] = []
        """As it was journaled before the restart."""
        self.forgotten: dict[str, str] = {}
        """Client -> who has had it forgotten."""
        self._last = 0
        self._again: list[tuple[str, Wanted]] = []
        """What went out again: to which address (empty: to all, as an older version has it)."""

    def load(self, acts: Iterable[Act]) -> None:
        """Take in what was done before the restart."""
        begun: dict[Scalar, Wanted] = {}
        for act in acts:
            body = act.body
            if body.get("export") != self._name:
                continue
            match body.get("do"):
                case "pause":
                    self.paused = Paused(act.by, act.wall)
                case "resume":
                    self.paused = None
                case "skip":
                    first, last, count = (int(body.get(key) or 0) for key in ("first", "last", "count"))
                    self.leaps.append(Leap(str(body["peer"]), first, last, count))
                case "forget":
                    self.forgotten[str(body["peer"])] = act.by
                case "resend":
                    begun[body["id"]] = of_body(body)
                case "resent":
                    if what := begun.pop(body["id"], None):
                        told = {str(body["peer"]): int(body["last"] or 0)}  # all that an older version told
                        self._remember(what, json.decode(str(body["to"])) if "to" in body else told)
        if self.paused:
            self.go.clear()
        for number, what in begun.items():
            self._note("resent", "engine", id=number, peer="", last=0)
            self._say(
                Level.WARNING, f"sending {as_range(what)} again was cut short by the restart: ask for it once more"
            )

    # --- pause ---

    def pause(self, by: str) -> None:
        """Send nothing, until `resume`; what is being sent again ends here. Raises ValueError where it is paused."""
        if self.paused:
            raise ValueError(f"{self._name} is paused already, by {self.paused.by}")
        self.paused = Paused(by, self._now())
        self.go.clear()
        self._note("pause", by)
        self._end(f"{by} paused the export")
        self._say(Level.WARNING, f"paused: nothing is sent until it is resumed ({by})")
        self._desk.changed()

    def resume(self, by: str) -> None:
        """Go on where it was paused. Raises ValueError where it was not."""
        if not self.paused:
            raise ValueError(f"{self._name} is not paused")
        self.paused = None
        self.go.set()
        self._note("resume", by)
        self._say(Level.NOTE, f"resumed ({by})")
        self._desk.changed()

    # --- skip ---

    def skip(self, accounts: Mapping[Account, Sequence[Passing]], upto: int, by: str) -> int:
        """Never send what waits up to `upto`; how many. With each account what came beyond that. What was written
        further on and is not taken is not sent once more, either."""
        total = 0
        for account, told in accounts.items():
            end = max(account.sent, upto)
            beyond = [one for one in told if one.seq > end and not account.settled(one.seq)]
            if account.waiting <= len(beyond):
                continue
            pumps = self._pumps(account)
            flying = [one.seq for pump in pumps for one in pump.flight.written if not one.released and not one.again]
            leaps = len(account.leaps)
            total += account.leap(end, flying, beyond)
            for first, last in account.leaps[leaps:]:
                self.leapt(Leap(account.address, first, last, 0), by)
            for pump in pumps:
                pump.leap(account.sent)
            self._kept(account)
        return total

    def leapt(self, leap: Leap, by: str) -> None:
        """Journal what was skipped."""
        self._note("skip", by, **structs.asdict(leap))

    # --- forget ---

    def called(self, address: str) -> str:
        """What the account of a client at this address is called: by a number as well, where one was forgotten."""
        names = (f"{address}#{number}" if number > 1 else address for number in count(1))
        return next(name for name in names if name not in self.forgotten)

    async def forget(self, peer: str, by: str) -> None:
        """This account is nobody's from now on; returned when that is safe in the journal. Raises ValueError, in words,
        where it is not: then it holds until the engine ends."""
        self.forgotten[peer] = by
        words = f"{peer} is forgotten until the engine ends", "forget it again after that"
        await self._write_ahead(words, by, do="forget", peer=peer)

    # --- send again ---

    async def resend(self, chosen: Selection, senders: Callable[[], Sequence[Sender]], by: str, peer: str) -> str:
        """Have whatever `senders` then gives send these once more, between what is new; what became of them, in words,
        or how far it is after a while. Raises ValueError where it cannot be."""
        what = await wanted(chosen, self._desk.feed)
        self._ready(senders, peer)
        if self._resends or self._beginning:
            raise ValueError(f"{self._name} is sending something again already: wait for its end, or pause the export")
        self._last = number = max(self._now(), self._last + 1)
        self._beginning = True
        try:
            words = "nothing is sent again", "ask again when it is ok"
            await self._write_ahead(words, by, do="resend", id=number, peer=peer, **as_body(what))
            ready = self._ready(senders, peer)
        except BaseException:
            self._note("resent", by, id=number, peer=peer, last=0, sent=0)
            raise
        finally:
            self._beginning = False
        jobs = [Again(what) for _ in ready]
        for sender, job in zip(ready, jobs, strict=True):
            sender.again = job
            sender.stir.set()
        targets = [sender.target for sender in ready]
        task = asyncio.create_task(
            self._see_through(number, peer, what, jobs, targets, by), name=f"{self._name} resends"
        )
        self._resends[task] = jobs
        task.add_done_callback(self._resends.pop)
        await asyncio.wait([task], timeout=REPLY_WITHIN)
        early = {job.ended for job in jobs if job.ended}
        if not task.done():
            return f"{in_words(jobs)} so far; it goes on, and an incident says when it has ended"
        return in_words(jobs) + "".join(f"; ended early: {why}" for why in sorted(early))

    def _ready(self, senders: Callable[[], Sequence[Sender]], peer: str) -> Sequence[Sender]:
        """Those that are connected. Raises ValueError, in words, where nothing can be sent again now."""
        if self.paused:
            raise ValueError(f"{self._name} is paused: resume it first")
        if not (ready := senders()):
            raise ValueError(f"{peer or 'nobody'} is{' not' if peer else ''} connected: there is nobody to send it to")
        return ready

    async def _write_ahead(self, words: tuple[str, str], by: str, **body: Scalar) -> None:
        """Have it safe in the journal what is done. Before anything is sent again, for one: a kill must not leave lines
        that the journal does not know of. Raises ValueError, in words: how things are then, and what to do."""
        try:
            async with asyncio.timeout(WRITTEN_WITHIN):
                await self._desk.write_ahead(ACT, {"export": self._name, **body}, by)
        except TimeoutError:
            why = f"the disk has not taken for {WRITTEN_WITHIN:.0f} s that it was asked for"
        except (JournalFullError, OSError) as error:
            why = str(error)
        else:
            return
        raise ValueError(f"{words[0]}: {why}; look at the journal's state, and {words[1]}")

    async def _see_through(
        self, number: int, peer: str, what: Wanted, jobs: list[Again], targets: list[str], by: str
    ) -> None:
        for job in jobs:
            await job.over.wait()
        upto, sent = max(job.at for job in jobs), sum(job.counts["sent"] for job in jobs)
        reached: dict[str, int] = {}
        for target, job in zip(targets, jobs, strict=True):
            reached[target] = max(job.at, reached.get(target, 0))
        self._remember(what, reached)
        self._note("resent", by, id=number, peer=peer, last=upto, sent=sent, to=json.encode(reached).decode())
        early = sorted({job.ended for job in jobs if job.ended})
        ended = "".join(f"; ended early at #{upto}: {why}" for why in early)
        level = Level.WARNING if early else Level.NOTE
        self._say(level, f"{as_range(what)}: {in_words(jobs)} to {peer or 'all'}{ended} ({by})")

    def sent_again(self, address: str) -> list[Wanted]:
        """What went out again to this address, as far as it is known."""
        return [what for peer, what in self._again if peer in ("", address)]

    async def close(self) -> None:
        """The engine or the export stops."""
        self._end("the export stopped")
        await asyncio.gather(*self._resends)

    def _end(self, why: str) -> None:
        for jobs in self._resends.values():
            for job in jobs:
                job.end(why)

    def _remember(self, what: Wanted, reached: Mapping[str, int]) -> None:
        """`reached`: how far it went out to each address, which others that come later have not got."""
        self._again += [(target, what.up_to(upto)) for target, upto in reached.items() if upto >= what.first]

    def _note(self, do: str, by: str, **body: Scalar) -> None:
        self._desk.note(ACT, {"export": self._name, "do": do, **body}, by)

    def _say(self, level: Level, text: str) -> None:
        self._desk.trouble(level, self._name, text)
