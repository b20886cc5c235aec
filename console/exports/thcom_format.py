"""Passings as what a THCOM08 timer tells: times and results as they came, impulses of other devices, corrections.

For whoever gives a late impulse to whoever is on course: what is not fresh is held for the operator.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar, TypeVar

from msgspec import field

from console.exports.delivery import Account, Dropped, Hold, Unmapped, Verdict, no_utc
from console.exports.export import ExportSettings
from console.exports.judging import JudgingExport
from console.exports.thcom_lines import impulse_data, printed_bib, result_data, state_of, time_data
from console.model import SECOND, Kind, Origin, Passing, Status

IMPULSES = frozenset((Kind.PLACE, Kind.SELECT, Kind.PUNCH, Kind.PASSING))
"""Kinds that become impulses of a device that has an entry in `channels`."""

CHANNEL = re.compile(r"[1-9][0-9]?|M[1-9]")


class ImpulseSettings(ExportSettings, frozen=True, kw_only=True):
    """Settings of an export that tells what a timer would."""

    choosing: ClassVar = (*ExportSettings.choosing, "channels")

    channels: dict[str, str] = field(default_factory=dict)
    """Device -> channel (`1`..`99`, `M1`..`M9`) on which its places, selects, punches and chip reads are impulses."""
    stale_after: float = 10.0
    """Seconds after which an impulse that was not sent is held for the operator."""

    def named(self) -> Iterable[tuple[str, str]]:
        """See ExportSettings."""
        yield from super().named()
        yield from (("channels", device) for device in self.channels)

    def check_channels(self) -> None:
        """Raise ValueError for a channel that THCOM08 does not have."""
        for device, channel in self.channels.items():
            if not CHANNEL.fullmatch(channel):
                raise ValueError(f"channels: {device} = {channel!r}: expected a channel from 1 to 99, or M1 to M9")


S = TypeVar("S", bound=ImpulseSettings)


class ThcomFormat(JudgingExport[S]):
    """Judges and renders. Corrections, cancellations and bibs given by hand are said of what somebody got."""

    kinds: ClassVar = frozenset((Kind.IMPULSE, Kind.RESULT, *IMPULSES))
    restates: ClassVar = True

    @abstractmethod
    def line(self, data: str) -> bytes:
        """The data of a line as it is handed to a connection."""

    def unwanted(self, passing: Passing) -> str:
        """By kind; a second half of a place that was an impulse already; what THCOM08 has no word for."""
        if passing.kind not in self._wanted:
            return f"kind {passing.kind} not chosen"
        if passing.kind in IMPULSES and passing.device not in self.settings.channels:
            return "no channel for this device in `channels`"
        if passing.status is Status.JOINED and not (passing.bib and Kind.PLACE not in self._wanted):
            return "the other half of this place says it all"
        if passing.change == "cancelled" and passing.of is None:
            return "cancels a time that never came"
        if passing.status is Status.EDITED and passing.kind is Kind.RESULT:
            return "a bib given to a result: only times can be given another"
        return ""

    def say(self, account: Account, passing: Passing, *, forced: bool) -> Verdict:
        """A correction goes the way of the impulse that it speaks of, however old it is; it gives nobody a time."""
        if passing.status not in (Status.CORRECTION, Status.CANCELLED, Status.EDITED) or passing.of is None:
            return self.render(passing, forced=forced)
        impulse = self._edits.base(passing)
        if account.said(impulse):
            told = passing.origin is Origin.LIVE or passing.status is Status.EDITED
            return self.render(passing, forced=forced or told)
        if impulse in account.skipped:
            return Dropped(f"#{impulse}, of which it speaks, was skipped")
        if impulse in account.held or impulse in account.released:
            return Hold(f"goes with #{impulse}, of which it speaks", after=impulse)
        if account.settled(impulse):
            return Unmapped(f"#{impulse}, of which it speaks, could not be said")
        # It came before this client, which a timer would tell of its correction, too.
        return self.render(passing, forced=forced or passing.status is Status.EDITED)

    def render(self, passing: Passing, *, forced: bool = False) -> bytes | Hold | Unmapped:
        """One line."""
        try:
            data = self.data(passing)
        except (ValueError, KeyError) as error:
            return Unmapped(f"THCOM08 cannot say it: {error}")
        if data is None:
            return no_utc(passing)
        if not forced and (reason := self._late(passing)):
            return Hold(reason, releasable=True)
        return self.line(data)

    def _late(self, passing: Passing) -> str:
        """Why software must not get this unasked: it would take it for what happens now. Empty: it may."""
        if passing.kind is Kind.RESULT and passing.bib:
            return ""
        if passing.origin is Origin.RECOVERED:
            return "late: recovered afterwards"
        if passing.origin is not Origin.LIVE:
            return f"late: from a {passing.origin}"
        if passing.change and passing.status is Status.LIVE:
            return "late: corrects a time that never came"
        if self.now() - passing.wall > self.settings.stale_after * SECOND:
            return f"stale: older than {self.settings.stale_after:g} s"
        return ""

    def data(self, passing: Passing, source: str = "T") -> str | None:
        """The data of a line; None: the time of day is not known yet. Raises ValueError or KeyError where there is no
        such line. What was recalled (A*) or came from another device's run (!*) goes out as a time."""
        match passing.kind:
            case Kind.IMPULSE:
                return time_data(passing, source, state_of(passing), printed_bib(passing))
            case Kind.RESULT:
                return result_data(passing)
        known, channel = self.desk.resolve(passing), self.settings.channels[passing.device]
        return impulse_data(known, self._edits.base(passing), channel, self.desk.zone, source)
