"""Where a CTP01 session stands, whatever a server says in whatever order: checked against a model of the rules."""

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from console.codecs.ctp01 import Conversation, Identity
from console.exports.ctp01_account import NumberedAccount
from console.exports.ctp01_log import Logs
from console.exports.ctp01_session import Session
from console.exports.delivery import Flight
from console.exports.peer import Peer
from console.model import Cursor
from tests.exports.ctp01_rig import make
from tests.exports.desk import MemoryDesk

PLACES = {"1": "Start", "2": "Finish"}
"""Channel -> location."""


class Wire:
    """In the place of a peer: takes everything at once."""

    def __init__(self) -> None:
        self.address = "127.0.0.1:1"
        self.said = b""
        self.dropped = ""

    @property
    def written(self) -> int:
        return len(self.said)

    async def room(self, size: int) -> None:
        del size
        await asyncio.sleep(0)

    def write(self, data: bytes, shown: bytes | None = None) -> None:
        del shown
        self.said += data

    def drop(self, reason: str) -> None:
        self.dropped = reason

    def reads(self) -> list[tuple[str, int]]:
        """Locations and numbers since this was asked last."""
        lines, self.said = self.said.decode().split("\r\n"), b""
        return [(line.split("~")[2], int(line.split("~")[1])) for line in lines if line.startswith("CT01_33")]


LOCATION = st.sampled_from(sorted(PLACES.values()))
PUSHED = st.one_of(
    st.just("start"),
    st.just("stop"),
    st.just("ping"),
    LOCATION.map("start~{}".format),
    LOCATION.map("stop~{}".format),
    st.tuples(LOCATION, st.integers(0, 5)).map(lambda one: f"start~{one[0]}~{one[1]}"),
    st.sampled_from(sorted(PLACES)),
)
PULLED = st.one_of(
    st.integers(0, 5).map("getdata~{}".format),
    st.tuples(st.integers(0, 5), LOCATION).map(lambda one: f"getdata~{one[0]}~{one[1]}"),
    st.tuples(st.integers(0, 5), LOCATION, st.integers(0, 5)).map(lambda one: f"getdata~{one[0]}~{one[1]}~{one[2]}"),
    st.sampled_from(sorted(PLACES)),
)


class Model:
    """The rules of the sheet, sections 1.5 and 1.8, in a few lines."""

    def __init__(self) -> None:
        self.newest = dict.fromkeys(sorted(PLACES.values()), 0)
        self.flows: dict[str, int] = {}
        self.pulled = dict.fromkeys(self.newest, 1)

    def _from(self, text: str, newest: int) -> int:
        return max(1, min(int(text), newest + 1))

    def push(self, words: list[str]) -> dict[str, list[int]]:
        if words[0] == "start":
            for place in words[1:2] or list(self.newest):
                if words[2:]:
                    self.flows[place] = self._from(words[2], self.newest[place])
                else:
                    self.flows.setdefault(place, 1)
        if words[0] == "stop":
            for place in words[1:2] or list(self.newest):
                self.flows.pop(place, None)
        got = {place: list(range(first, self.newest[place] + 1)) for place, first in self.flows.items()}
        self.flows |= {place: self.newest[place] + 1 for place in self.flows}
        return {place: numbers for place, numbers in got.items() if numbers}

    def pull(self, words: list[str]) -> tuple[int, dict[str, int]]:
        """How many lines, and from which numbers on."""
        if words[3:]:
            self.pulled[words[2]] = self._from(words[3], self.newest[words[2]])
        places = words[2:3] or list(self.newest)
        left = sum(self.newest[place] + 1 - self.pulled[place] for place in places)
        return min(int(words[1]), left), {place: self.pulled[place] for place in places}


class Rig:
    """A session between a log in memory and a wire."""

    def __init__(self, push: bool) -> None:
        self.desk = MemoryDesk()
        self.export = make(self.desk, 1)
        self.logs = self.export._logs = Logs(self.desk, "scoring", "id")
        account = NumberedAccount(Cursor(export="scoring", peer="p", start=0, sent=0, tcp=0), tallied=0)
        self.wire = Wire()
        conversation = Conversation(Identity(connection="id"), sorted(PLACES.values()))
        self.session = Session(self.export, self.desk.feed, account, cast(Peer, self.wire), self.logs, conversation)
        self.push = push
        self.idle = asyncio.Event()

    async def begin(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self.session.run(0.0))
        await self.say("server~1~1", f"stream-mode={'push' if self.push else 'pull'}")
        return task

    async def say(self, *lines: str) -> None:
        self.session.received("".join(f"{line}\r\n" for line in lines).encode())
        await self.settle()

    async def passing(self, channel: str) -> None:
        (one,) = self.desk.add(channel=channel)
        await self.logs.number(PLACES[channel], [one.seq])
        self.session.stir.set()
        await self.settle()

    async def settle(self) -> None:
        """Nothing waits for time: some turns of the loop are enough."""
        before = -1
        while before != len(self.wire.said) or self.session.stir.is_set():
            before = len(self.wire.said)
            for _ in range(12):
                await asyncio.sleep(0)


def run(steps: list[str], *, push: bool) -> None:
    async def go() -> None:
        rig, model = Rig(push), Model()
        task = await rig.begin()
        rig.wire.reads()
        for step in steps:
            words = step.split("~")
            if step in PLACES:
                model.newest[PLACES[step]] += 1
                await rig.passing(step)
            else:
                await rig.say(step)
            got = rig.wire.reads()
            if push:
                assert _by_place(got) == model.push(words), (step, steps)
            elif words[0] == "getdata":
                count, first = model.pull(words)
                assert len(got) == count, (step, steps)
                for place, numbers in _by_place(got).items():
                    assert numbers == list(range(first[place], first[place] + len(numbers))), (step, steps)
                    model.pulled[place] = numbers[-1] + 1
            else:
                assert not got
        assert not rig.wire.dropped
        account: Any = rig.session.account
        assert account.counts["sent"] >= account.counts["tcp"]
        account.lost(Flight(0), [], repeats=True)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


def _by_place(reads: list[tuple[str, int]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, number in reads:
        found.setdefault(place, []).append(number)
    return found


@settings(max_examples=60)
@given(st.lists(PUSHED, max_size=25))
def test_pushed(steps: list[str]) -> None:
    run(steps, push=True)


@settings(max_examples=60)
@given(st.lists(PULLED, max_size=25))
def test_pulled(steps: list[str]) -> None:
    run(steps, push=False)
