"""CTP01, for scoring software: reads as numbered lines, and the server says which it wants (ctp01.md, section 1)."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo

from msgspec import structs

from console.codecs.ctp01 import Conversation, Identity
from console.codecs.ctp01_lines import (
    GUN,
    LARGEST_SEQUENCE,
    LONGEST_TAG,
    NEW_LOCATION,
    Options,
    Read,
    encode,
    in_words,
    location_name,
)
from console.exports.behind import READS, Behind
from console.exports.ctp01_account import NumberedAccount, What
from console.exports.ctp01_intake import Intake
from console.exports.ctp01_log import ANNOUNCEMENT, Line, Logs
from console.exports.ctp01_session import Session
from console.exports.ctp01_settings import Ctp01Settings
from console.exports.delivery import Account, Hold, Unmapped, no_utc
from console.exports.export import Desk
from console.exports.peer import Peer
from console.exports.pump import Pump
from console.exports.reads import NO_BIB, ReadsExport, nobody
from console.journal.journal import JournalFullError
from console.model import Cursor, ExportState, Kind, Passing, Resolved
from console.passwords import Password

AGAIN = 1.0
"""Seconds before a journal that is full is asked again for a connection id."""

NUMBERED_WITHIN = 5.0
"""Seconds in which what is to be skipped must have its numbers."""

NO_POINT = Hold("no timing point: add its channel to `points` of its device, and `racedeck reload`")


class Ctp01(ReadsExport[Ctp01Settings]):
    """Each passing gets a number at its timing point, once and durably, when it can first be said; held ones later, so
    that numbers rise as lines go out. A line is made when it is written, as things are known then, under its number.

    Who passed is the bib, else what the tag table says of the tag, else the tag. What has no timing point is held; a
    gun without one goes out at the first. Guns are numbered like reads, and written where the server asks for them.
    """

    settings_type = Ctp01Settings

    def __init__(self, settings: Ctp01Settings, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self.resumes = settings.resume == "overlap"
        self.gap = settings.gap
        self._logs = Logs(desk, settings.name, "")
        self._intake: Intake | None = None
        self._locations: dict[str, int] = {}
        """Location -> since when we know of it, wall ns; in the order in which the server hears of them."""
        self._points: dict[str, str] = {}
        """Timing point -> its location."""
        self._long_said = False
        self._behind = Behind(self._trouble, now, self._why_behind)

    # --- life ---

    def account(self, cursor: Cursor, tallied: int = 0, unmet: int = 0) -> Account:
        """See NumberedAccount."""
        return NumberedAccount(cursor, tallied=tallied, unmet=unmet)

    async def begin(self) -> None:
        """Find the numbers that were given."""
        await super().begin()
        while True:
            try:
                connection = await self.desk.connection_id(self.settings.name)
                break
            except JournalFullError:
                await asyncio.sleep(AGAIN)
        self._logs = Logs(self.desk, self.settings.name, connection)
        await self._logs.load()
        if not self._account.under(connection):
            # A rebuilt journal numbers anew, lest it gave a number again that a server has: all goes out again.
            self._begin_anew()
        account = self._account
        account.under(connection)
        for location in self._logs.locations:
            log, place = self._logs.at(location), account.at(location)
            place.newest = log.newest
            account.came_before(location, log.upto(account.start))
            if place.tcp.number < log.newest:
                place.since = await self._logs.arrival(location, place.tcp.number + 1)
        self._locate()
        self._intake = Intake(self, self.desk.feed, account, self._logs)

    def _begin_anew(self) -> None:
        """An account of nothing but where it begins."""
        start = self._account.start
        cursor = Cursor(export=self.settings.name, peer=self.settings.connect, start=start, sent=start, tcp=start)
        self._accounts[cursor.peer] = account = self.account(cursor)
        account.since, account.away = self.now(), "not connected since the start"
        self._tallied = 0
        self._cursors.save(account)

    async def reach(self) -> None:
        """Number what comes, and keep up the connection."""
        assert self._intake
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._intake.run())
            tasks.create_task(super().reach())

    @property
    def _account(self) -> NumberedAccount:
        account = self._accounts[self.settings.connect]
        assert isinstance(account, NumberedAccount)
        return account

    def lines(self) -> None:
        """There are new lines."""
        for pump, _ in self._pumps.values():
            pump.stir.set()

    def resume(self, by: str) -> None:
        """Go on where it was paused. Raises ValueError where it was not."""
        super().resume(by)
        self.lines()

    def rebind(self) -> None:
        """Look at held passings again, and for new timing points."""
        super().rebind()
        if self._intake:
            self._locate()

    def skip_waiting(self, by: str, peer: str | None = None) -> int:
        """Never send the lines that wait now; how many passings."""
        del by
        return (
            self._pass_over({one: self._logs.at(one).newest for one in self._logs.locations}) if self._at(peer) else 0
        )

    async def skip_until(self, upto: int, by: str, peer: str | None = None) -> int:
        """Never send what waited when everything up to `upto` was counted, and is not held; how many. Raises ValueError
        where not all of that has its number yet."""
        del by
        if not (self._intake and self._at(peer)):
            return 0
        upto = min(upto, self._tallied)
        try:
            async with asyncio.timeout(NUMBERED_WITHIN):
                await self._intake.passed(upto)
        except TimeoutError:
            raise ValueError(
                f"{self.settings.name} is still giving numbers to what waits, and skips it by them: ask again when it "
                "has; the journal's state says if the disk is slow"
            ) from None
        ends = {location: self._logs.at(location).upto(upto) for location in self._logs.locations}
        count = self._pass_over(ends)
        for location, last in ends.items():
            place = self._account.at(location)
            since = await self._logs.arrival(location, last + 1) if last < place.newest else None
            if place.sent.number == last:
                place.since = since
        return count

    def _pass_over(self, ends: Mapping[str, int]) -> int:
        account = self._account
        count = sum(account.pass_over(self._logs.at(location), last) for location, last in ends.items())
        for session in self._sessions():
            session.leap(account.sent)
        self.kept(account)
        return count

    def _let_go(self, account: Account, seq: int) -> bool:
        """Have a held passing numbered."""
        for one in self._with(account, seq):
            account.release(one)
            if self._intake:
                self._intake.releases.append(one)
                self._intake.stir.set()
        self.kept(account)
        return True

    # --- locations ---

    def _locate(self) -> None:
        """Name the configured timing points, and those that still have lines."""
        for point in self.desk.points(self.settings.devices):
            if not self.settings.points or point in self.settings.points:
                self._location(point)
        for location in self._logs.locations:
            self._appeared(location)

    def _location(self, point: str) -> str:
        """The location of a timing point; empty: its name has nothing that CTP01 could say."""
        if point in self._points:
            return self._points[point]
        name, flaw = location_name(point)
        if flaw:
            self.tell(f"{flaw}; scoring software matches names exactly")
        if name and name in self._points.values():
            self.tell(f"timing point {point!r} and another one both go out as {name!r}: rename one of them")
        self._points[point] = name
        if name:
            self._appeared(name)
        return name

    def _appeared(self, location: str) -> None:
        if location in self._locations:
            return
        self._locations[location] = self.now()
        for session in self._sessions():
            announced = session.conversation.appeared(location)
            session.put(announced)
            if session.conversation.streaming and not announced:
                self.tell(
                    f"{location} is new, and {session.peer.address} wants no word of that: it gets it when it"
                    " says start again; timing points that are in the settings are told from the beginning"
                )

    def _where(self, known: Resolved) -> str:
        if known.point and (location := self._location(known.point)):
            return location
        return next(iter(self._locations), "") if known.passing.kind is Kind.GUN else ""

    # --- lines ---

    def read(self, known: Resolved, bib: str | None, tag: str | None) -> bytes | Hold | Unmapped:
        """The name of the location at which it is to be numbered: the line is made when it is written."""
        if nobody(known.passing, bib, tag):
            return NO_BIB
        if known.utc is None:
            return no_utc(known.passing)
        location = self._where(known)
        if not location:
            return NO_POINT
        newest = self._intake.newest(location) if self._intake else self._logs.at(location).newest
        if newest >= LARGEST_SEQUENCE:
            return Unmapped(f"{location} has had number {LARGEST_SEQUENCE}, the last one that CTP01 has")
        return location.encode()

    def encode(self, line: Line, passing: Passing | None, options: Options) -> tuple[bytes, What]:
        """A line, whole, and what it is; empty: nothing is written of it."""
        if passing is None:
            return b"", What.OTHER if line.passing == ANNOUNCEMENT else What.UNASKED
        known = self.desk.resolve(passing)
        gun = passing.kind is Kind.GUN
        if gun and not options.guns:
            return b"", What.UNASKED
        who = GUN if gun else passing.bib or known.tagged or passing.tag or ""
        if len(who) > LONGEST_TAG and not gun and not self._long_said:
            self._long_said = True
            self.tell(f"tag {who!r} is longer than the {LONGEST_TAG} characters of CTP01, and goes out whole")
        channel = passing.channel or ""
        read = Read(
            sequence=line.number,
            location=line.location,
            tag=who,
            utc=passing.wall if known.utc is None else known.utc,
            lap=self._logs.at(line.location).lap(line.number),
            reader=reader_id(passing.device),
            gator=int(channel) if channel.isascii() and channel.isdigit() and int(channel) < 100 else 0,
        )
        return encode(read, options.layout, options.time, self._zone), What.READ

    def announcement(self, location: str, number: int, options: Options) -> bytes:
        """The line that tells of a new location: when we came to know of it."""
        read = Read(
            sequence=number,
            location=location,
            tag=NEW_LOCATION,
            utc=self._locations[location],
            lap=0,
            reader=reader_id(location),
        )
        return encode(read, options.layout, options.time, self._zone)

    @property
    def _zone(self) -> tzinfo:
        return UTC if self.settings.time == "utc" else self.desk.zone

    # --- the connection ---

    def pump(self, account: Account, peer: Peer) -> Pump:
        """See Session."""
        assert isinstance(account, NumberedAccount)
        settings, event = self.settings, self.desk.event_name
        identity = Identity(
            program=settings.program,
            version=settings.version,
            user=settings.user,
            password=Password(self.desk.password(settings.name)),
            connection=self._logs.connection,
            event=event,
            event_id=settings.event_id,
            description=settings.description or event,
        )
        return Session(self, self.desk.feed, account, peer, self._logs, Conversation(identity, list(self._locations)))

    def conversation(self, peer: Peer) -> Callable[[bytes], None]:
        """What the server says is for the session."""
        return next(session.received for session in self._sessions() if session.peer is peer)

    def lost(self, peer: Peer, reason: str) -> None:
        """The connection is gone; say what is likely where it was not even greeted."""
        session = next((one for one in self._sessions() if one.peer is peer), None)
        if session and not session.conversation.server and not peer.dropped:
            session.unanswered("closes the connection without answering our greeting")
        super().lost(peer, reason)

    def _sessions(self) -> list[Session]:
        return [pump for pump, _ in list(self._pumps.values()) if isinstance(pump, Session)]

    def tell(self, text: str) -> None:
        """Tell the operator, once."""
        self._say(text)

    # --- what the operator sees ---

    def state(self) -> ExportState:
        """The export as the operator sees it, now."""
        state = super().state()
        talk = next((one.conversation for one in self._sessions() if one.conversation.ready), None)
        if not talk:
            return state
        notes = [f"{talk.server}: {in_words(talk.options, self._zone)}", *filter(None, (self._unasked(talk),))]
        peers = tuple(structs.replace(one, note="; ".join(filter(None, (*notes, one.note)))) for one in state.peers)
        return structs.replace(state, peers=peers)

    def _unasked(self, talk: Conversation) -> str:
        """What waits because the server has not asked for it; empty: nothing."""
        waiting = [one for one, place in self._account.places.items() if place.newest > place.sent.number]
        if not talk.options.push:
            return "" if talk.fetches or not waiting else "it is to fetch its reads, and has asked for none yet"
        idle = [one for one in waiting if not talk.streaming.get(one)]
        return f"not started by the server: {', '.join(idle)}" if idle else ""

    def _why_behind(self) -> str:
        """What to check where too much waits for the server."""
        talk = next((one.conversation for one in self._sessions()), None)
        if talk and not talk.ready:
            return "it has not let us in"
        if talk and (unasked := self._unasked(talk)):
            return f"{unasked}; have it ask"
        return READS

    def _word(self) -> tuple[str, str] | None:
        for session in self._sessions():
            if not session.conversation.ready:
                where = session.peer.address
                greeted = session.conversation.server
                so_far = "has greeted, and not let us in yet" if greeted else "has not answered our greeting yet"
                return "silent", session.silent or f"{where} {so_far}"
        return super()._word()

    def _fate(self, account: Account, passing: Passing) -> str:
        found = self._logs.find(passing.seq)
        if found is None:
            fate = super()._fate(account, passing)
            if fate not in ("sent", "tcp"):
                return fate
            return "left out by the settings that it came under" if self._intake else "not known yet"
        if passing.seq <= account.start:
            return "came before this client"
        location, number = found
        assert isinstance(account, NumberedAccount)
        place = account.at(location)
        if account.skips(location, number):
            return "skipped"
        if passing.kind is Kind.GUN and not any(one.conversation.options.guns for one in self._sessions()):
            return "a gun time, which goes out where the server asks for it"
        return "tcp" if number <= place.tcp.number else "sent" if number <= place.sent.number else "waiting"


def reader_id(name: str) -> str:
    """Six hexadecimal digits for a device, always the same (section 1.6: the end of the reader's MAC)."""
    return hashlib.sha256(name.encode()).hexdigest()[:6].upper()
