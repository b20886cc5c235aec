"""How far a CTP01 server has been served, location by location: pure accounting, no I/O."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct, structs

from console.exports.ctp01_log import Log
from console.exports.delivery import Account, Flight, Written
from console.model import Cursor

TAKEN, READS, UNASKED, SKIPPED = "taken ", "reads ", "unasked ", "skipped "
"""In `Cursor.counts`: before the name of a location, its mark; before a number and that name, what was skipped."""


class What(StrEnum):
    """What a line is to the accounts."""

    READ = "read"
    UNASKED = "unasked"
    """Left out: a gun time that the server did not ask for; what the journal has lost, or we fail to write: it was said
    so."""
    OTHER = "other"
    """The announcement of a location; what is skipped."""


class Mark(Struct, frozen=True):
    """How far a location has come."""

    number: int = 0
    reads: int = 0
    """Up to `number`."""
    unasked: int = 0

    def past(self, number: int, what: What) -> "Mark":
        """Behind the line of this number."""
        return Mark(number, self.reads + (what is What.READ), self.unasked + (what is What.UNASKED))


class Place(Struct):
    """One location."""

    sent: Mark = Mark()
    """Written on this connection, or taken before."""
    tcp: Mark = Mark()
    """Taken by the server's TCP, or known to the server: it has asked for what follows."""
    newest: int = 0
    """The newest line."""
    since: int | None = None
    """Arrival of the oldest line that waits, wall ns; where that is not known, of the one before it."""
    skipped: list[tuple[int, int]] = []
    """Ranges that were skipped as they waited."""


class Flown(Written, frozen=True, kw_only=True):
    """A line on its way. `again`: it had been written before on this connection, or taken on another."""

    location: str
    number: int
    what: What


class NumberedAccount(Account):
    """The account of one server, over all its connections and restarts.

    Passings get their numbers in journal order, and `Account.sent` and `tcp` tell how far that has come. Then they are
    lines, whose numbers tell at each location how far the server has come: that is what `counts` tells of.
    """

    def __init__(self, cursor: Cursor, *, tallied: int, unmet: int = 0) -> None:
        marks = (TAKEN, READS, UNASKED, SKIPPED)
        own = {name: count for name, count in cursor.counts.items() if not name.startswith(marks)}
        super().__init__(structs.replace(cursor, counts=own), tallied=tallied, unmet=unmet)
        self.places: dict[str, Place] = {}
        for name, count in cursor.counts.items():
            if name.startswith(TAKEN):
                location = name.removeprefix(TAKEN)
                figures = (cursor.counts.get(figure + location, 0) for figure in (READS, UNASKED))
                place = self.at(location)
                place.sent = place.tcp = Mark(count, *figures)
            elif name.startswith(SKIPPED):
                first, _, location = name.removeprefix(SKIPPED).partition(" ")
                self.at(location).skipped.append((int(first), count))

    def at(self, location: str) -> Place:
        """How far a location has come."""
        if location not in self.places:
            self.places[location] = Place()
        return self.places[location]

    def cursor(self) -> Cursor:
        """What a restart must know."""
        base = super().cursor()
        counts = dict(base.counts)
        for location, place in self.places.items():
            mark = place.tcp
            figures = ((TAKEN, mark.number), (READS, mark.reads), (UNASKED, mark.unasked))
            counts |= {f"{figure}{location}": count for figure, count in figures if count}
            counts |= {f"{SKIPPED}{first} {location}": last for first, last in place.skipped}
        return structs.replace(base, counts=counts)

    def under(self, connection: str) -> bool:
        """Whether it is the account of the lines numbered under this connection id. One that is new takes it on."""
        known, this = self.counts["connection"], int(connection[-12:], 16)
        if not self.counts["numbered"]:
            known = self.counts["connection"] = this
        return known == this

    # --- figures ---

    @property
    def _unasked(self) -> int:
        return sum(place.sent.unasked for place in self.places.values())

    @property
    def journaled(self) -> int:
        """Passings of the event meant for this server."""
        return self.counts["journaled"] + self.unmet - self._unasked

    @property
    def lines_waiting(self) -> int:
        """Of those waiting, the ones with a number."""
        return self.counts["numbered"] - self.counts["leapt"] - self.counts["sent"] - self._unasked

    @property
    def oldest(self) -> int | None:
        """Arrival of the oldest waiting passing; None: none waits."""
        since = [place.since for place in self.places.values() if place.since is not None]
        if self.waiting <= 0:
            return None
        return min(since) if since else super().oldest

    def recount(self, waiting: int) -> None:
        """So many of those that were met have no number yet, by the settings as they are now."""
        counts = self.counts
        settled = counts["numbered"] + counts["unmapped"] + counts["skipped"] - counts["leapt"]
        counts["journaled"] = settled + len(self.held) + waiting

    # --- passings become lines ---

    def numbered(self, seq: int) -> None:
        """A passing has its number, durably."""
        self.counts["numbered"] += 1
        if seq in self.released:
            del self.released[seq]
        else:
            self.sent = self.tcp = max(self.tcp, seq)

    def came_before(self, location: str, number: int) -> None:
        """Lines up to this one were numbered for another server, before there was this one: where it asks for them, it
        gets them, and its account does not tell of them."""
        place = self.at(location)
        if number > place.tcp.number:
            place.sent = place.tcp = Mark(number)

    def came(self, location: str, number: int, wall: int) -> None:
        """A line waits."""
        place = self.at(location)
        place.newest = max(place.newest, number)
        if place.since is None and number > place.sent.number:
            place.since = wall

    # --- lines go out ---

    def wrote(self, written: Written) -> None:
        """A line was written, or is left out."""
        assert isinstance(written, Flown)
        place = self.at(written.location)
        if written.again or written.number <= place.sent.number:
            return
        place.sent = place.sent.past(written.number, written.what)
        place.since = written.wall if written.number < place.newest else None
        self.counts["sent"] += written.what is What.READ

    def took(self, written: Written) -> None:
        """It was taken by the server's TCP."""
        assert isinstance(written, Flown)
        place = self.at(written.location)
        if written.again:
            self.counts["resent"] += written.what is What.READ
        elif written.number > place.tcp.number:
            place.tcp = place.tcp.past(written.number, written.what)
            self.counts["tcp"] += written.what is What.READ

    def known(self, location: str, number: int, what: What) -> None:
        """The server has this line: it asks for what follows."""
        place = self.at(location)
        if number > place.tcp.number:
            place.tcp = place.tcp.past(number, what)
            self.counts["tcp"] += what is What.READ
        if number > place.sent.number:
            place.sent = place.sent.past(number, what)
            place.since = place.since if number < place.newest else None
            self.counts["sent"] += what is What.READ

    def lost(self, flight: Flight, others: Sequence[Flight], *, repeats: bool) -> int:
        """The connection is gone: what it had not taken waits again. Returns how many that are."""
        del others, repeats  # there is one connection at a time, and what was released is a line like any other
        missing = self.counts["sent"] - self.counts["tcp"]
        for written in reversed(flight.written):
            assert isinstance(written, Flown)
            if not written.again:
                self.at(written.location).since = written.wall
        for place in self.places.values():
            place.sent = place.tcp
        self.counts["sent"] = self.counts["tcp"]
        return missing

    # --- what the operator skips ---

    def pass_over(self, log: Log, upto: int) -> int:
        """The lines of a location that wait, up to this one, have had their turn; how many passings they tell of."""
        place = self.at(log.location)
        first = place.sent.number + 1
        if upto < first:
            return 0
        before = [one for one in place.skipped if one[0] <= upto and one[1] >= first]
        count = log.passings(first, upto)
        count -= sum(log.passings(max(first, begun), min(upto, last)) for begun, last in before)
        place.skipped = [one for one in place.skipped if one not in before]
        before.append((first, upto))
        place.skipped.append((min(one[0] for one in before), max(one[1] for one in before)))
        mark = structs.replace(place.sent, number=upto)
        place.tcp = mark if place.tcp == place.sent else place.tcp
        place.sent = mark
        place.since = place.since if upto < place.newest else None
        self.counts["skipped"] += count
        self.counts["leapt"] += count
        return count

    def skips(self, location: str, number: int) -> bool:
        """Whether this line was skipped as it waited."""
        return any(first <= number <= last for first, last in self.at(location).skipped)

    def left_out(self, location: str, number: int) -> bool:
        """Whether it is not to be written in its turn; the server gets it where it asks for what it has had."""
        return number > self.at(location).sent.number and self.skips(location, number)
