"""Asks a THCOM08 device one command at a time, and tells which answer is whose (thcom.md, section 2.3).

Every `#` command is answered by AK, then by data where it asks for some. Neither carries a number: only the order
says what an answer belongs to. So nothing is sent before the last answer has come, also where nobody waits for it any
more; and after a silence the device is asked who it is, for its SN tells that all older answers are behind us.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from console.codecs import thcom
from console.codecs.thcom_records import Ack, Record, Serial
from console.devices.driver import CommandError, Outlet

ANSWER_WITHIN = 2.0
"""Seconds for a device to answer a command."""

ADVICE = "check that the device is on, and that its cable carries both directions"


class Wants(Struct, frozen=True):
    """The data that a command asks for, after AK C."""

    tag: str
    fits: Callable[[Record], bool]


class Answer(Struct, frozen=True):
    """What a device answered."""

    code: str
    """`C` accepted, `F` rejected, `R` not supported."""
    record: Record | None = None
    """The data, where some was wanted."""

    @property
    def accepted(self) -> bool:
        """AK C."""
        return self.code == "C"

    def refusal(self, label: str, hint: str = "") -> str:
        """Why it was not done, in words. `hint`: what AK F may mean here."""
        if self.code == "R":
            return f"{label}: not supported by this device (AK R)"
        return f"{label}: the device rejects it (AK F){': ' * bool(hint)}{hint}"


class _Question:
    """A command under way."""

    def __init__(self, label: str, wants: Wants | None, *, any_ack: bool = False) -> None:
        self.label = label
        self.wants = wants
        self.any_ack = any_ack
        """An AK may be that of an older command: only the data answers."""
        self.acks = 0
        self.record: Record | None = None
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def hear(self, record: Record) -> None:
        if self.answer.done():
            return
        if isinstance(record, Ack):
            self.acks += 1
            if record.code != "C" and not self.any_ack:
                self.answer.set_result(Answer(record.code))
        elif self.wants and self.wants.fits(record):
            self.record = record
        if (self.acks or self.any_ack) and (self.record or not self.wants) and not self.answer.done():
            self.answer.set_result(Answer("C", self.record))


class Talk:
    """The conversation with one device. `checksum` tells whether frames carry CS16."""

    def __init__(self, outlet: Outlet, checksum: Callable[[], bool]) -> None:
        self._outlet = outlet
        self._checksum = checksum
        self._turn = asyncio.Lock()
        self._question: _Question | None = None
        self._overdue = False
        """An answer did not come in time, and may still come."""

    def frame(self, data: str) -> bytes:
        """`data` as it goes over this link."""
        return thcom.basic(data, self._checksum())

    async def ask(
        self, data: str, *, by: str, wants: Wants | None = None, within: float | None = None, secret: str = ""
    ) -> Answer:
        """Send the command `data`, and wait for its answer; others wait their turn. `secret`, the end of `data`, is
        not journaled, and neither is the checksum that could tell of it.

        Raises CommandError where no answer comes within `within` seconds (ANSWER_WITHIN), or the link is lost before;
        ConnectionError without a link.
        """
        await self._turn.acquire()
        try:
            if self._overdue:
                await self._get_in_step(by)
            question = self._put(data, by, wants, secret=secret)
        except BaseException:
            self._turn.release()
            raise
        # A task of its own: where we are cancelled, the answer is still waited for, before the next command goes out.
        answering = asyncio.create_task(self._answer(question, within or ANSWER_WITHIN))
        answering.add_done_callback(self._answered)
        return await asyncio.shield(answering)

    def hear(self, record: Record) -> None:
        """A good frame has come."""
        if self._question:
            self._question.hear(record)

    def lost(self) -> None:
        """The link is gone, and every answer with it."""
        self._overdue = False
        if self._question and not self._question.answer.done():
            lost = CommandError(f"{self._question.label}: the link was lost before the device answered")
            self._question.answer.set_exception(lost)

    def _put(self, data: str, by: str, wants: Wants | None, *, secret: str = "", any_ack: bool = False) -> _Question:
        label = label_of(data)
        raw = self.frame(data)
        mask = raw[len(data) - len(secret) :].removesuffix(b"\r\n") if secret else b""
        question = self._question = _Question(label, wants, any_ack=any_ack)
        try:
            self._outlet.send(raw, by=by, label=label, mask=mask)
        except BaseException:
            self._question = None
            raise
        return question

    async def _answer(self, question: _Question, within: float) -> Answer:
        try:
            async with asyncio.timeout(within):
                return await question.answer
        except TimeoutError:
            self._overdue = True
            if question.record:
                return Answer("C", question.record)  # the data is there; its AK was lost
            if question.acks and question.wants:
                so_far = f"accepted (AK C), but no {question.wants.tag} came"
            else:
                so_far = "no answer"
            raise CommandError(f"{question.label}: {so_far} within {within:g} s; {ADVICE}") from None
        finally:
            self._question = None

    def _answered(self, answering: asyncio.Task[Answer]) -> None:
        self._turn.release()
        if not answering.cancelled():
            answering.exception()  # who asked may have gone

    async def _get_in_step(self, by: str) -> None:
        """Have older answers behind us. A device that acknowledges, but tells no SN, is taken to be in step by then."""
        question = self._put("#SN", by, Wants("SN", lambda record: isinstance(record, Serial)), any_ack=True)
        try:
            await self._answer(question, ANSWER_WITHIN)
        except CommandError:
            if not question.acks:
                raise
        self._overdue = False


def label_of(data: str) -> str:
    """A command without its arguments: `#SN`, `#SLA`, `#WC 007`, `#WP 030`."""
    words = data.split(" ", 2)
    return " ".join(words[:2]) if words[0] in ("#WC", "#WP", "#RP") else words[0]
