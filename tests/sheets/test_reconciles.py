"""Whatever happens to an export and its clients, the figures add up, and what is to be told is what is wrong."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hypothesis import settings
from hypothesis.stateful import invariant, rule

from console.exports.figures import peer_state
from console.model import SECOND, Passing, Status
from console.sheets import Sources
from console.sheets.deliveries import of_exports
from console.sheets.report import mismatch
from console.sheets.tell import told
from console.timing.edits import known_bib
from tests.exports.test_delivery import OTHER, Deliveries
from tests.exports.test_edits import Bibs
from tests.sheets.passings import ListReader
from tests.sheets.passings import sources as sources_of


class Reconciled(Deliveries):
    """See Deliveries: passings come and go out, are held, released, skipped and sent in another's stead; connections
    and the engine are lost."""

    @invariant()
    def the_report_adds_up(self) -> None:
        peer = peer_state(self.account, [])
        assert mismatch(peer) == ""
        assert peer.journaled <= sum(one.change != OTHER for one in self.feed.passings)
        assert sum(peer.reasons.values()) == peer.held


TestReconciled = Reconciled.TestCase
TestReconciled.settings = settings(max_examples=40, stateful_step_count=40)


class Memory(ListReader):
    """What the journal's reader answers to what `tell` asks."""

    def changes(self, device: str) -> list[Passing]:
        return [one for one in self.rows if one.status in (Status.CORRECTION, Status.CANCELLED, Status.EDITED)]

    def these(self, seqs: Iterable[int]) -> list[Passing]:
        wanted = set(seqs)
        return [one for one in self.rows if one.seq in wanted]


class ToldWhatIsWrong(Bibs):
    """See Bibs: what the client has got is known, and so is what holds."""

    @invariant()
    def the_report_adds_up(self) -> None:
        assert mismatch(peer_state(self.account, [])) == ""

    @rule()
    def restart(self) -> None:
        if self.pump:
            self.take(10_000_000)
            self.lose()
        self.save()
        self.begin()

    def teardown(self) -> None:
        super().teardown()
        if self.crashed:
            return  # what went out in the last moment before is not known to have gone out
        self.lose()
        rows = self.desk.feed.passings
        plain = sources_of(rows, device="")
        reader: Any = Memory(rows)
        sources = Sources(device="", reader=reader, resolve=plain.resolve, zone=plain.zone, now=self.desk.clock)
        wrong: dict[int, set[int]] = defaultdict(set)
        for one in told(of_exports({"scoring": self.export}), sources):
            wrong[one.place.seq].add(int(one.row.bib or 0))
        for place in self.places():
            assert place.ns is not None
            got = set(self.got.get(place.ns // SECOND % 3600, []))
            known = known_bib(place, self.about(place))
            assert wrong[place.seq] == got - {int(known or 0)}, f"#{place.seq}: got {got}, holds {known}"


TestToldWhatIsWrong = ToldWhatIsWrong.TestCase
TestToldWhatIsWrong.settings = settings(max_examples=100, stateful_step_count=40)
