"""The console's end of the control socket; also what every `racedeck` command that talks to an engine uses."""

import asyncio
import getpass
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from console.control import messages as m
from console.control.messages import Call, Conversation, Delivery, Detail, Done, Options, packed
from console.model import (
    CommandError,
    Direction,
    EngineState,
    Frame,
    Incident,
    Kind,
    Origin,
    Phase,
    Resolved,
    Selection,
    Sheet,
    Status,
    find,
)

__all__ = [
    "AskedError",
    "Client",
    "Conversation",
    "Delivery",
    "Detail",
    "Done",
    "EngineGoneError",
    "Options",
    "RefusedError",
]

ANSWER_WITHIN = 15.0
"""Seconds a call may take; a command may take as long as its device does, for the engine watches over that."""

LARGEST_FILE = 1_000_000
"""Bytes of a file that a command names, at most: a list of 10,000 names is half of it."""

R = TypeVar("R", bound=m.Result)


class EngineGoneError(ConnectionError):
    """No engine answers at the socket, or it has gone away."""


class RefusedError(Exception):
    """The engine will not do it; says why and what to do."""


class AskedError(RefusedError):
    """The engine will not do it before the operator has agreed: say it again with `yes=name`."""

    def __init__(self, asks: m.Asks) -> None:
        super().__init__(asks.question)
        self.name = asks.name
        self.typed = asks.typed
        """The operator must type the name; else a plain yes will do."""


class Client:
    """An attached console. `state` is the newest picture of the engine; `on_state` is called when it changes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[m.Result]] = {}
        self._unpacker = m.Unpacker()
        self._listener: asyncio.Task[None] | None = None
        self.state: EngineState
        self.on_state: Callable[[EngineState], None] | None = None
        self.gone = asyncio.Event()
        """Set when the engine has gone away."""

    @classmethod
    async def connect(cls, path: Path, *, observe: bool = False, stays: bool = False, who: str = "") -> "Client":
        """Attach to the engine at socket `path`; `stays`: as a console.

        Raises EngineGoneError where none answers, RefusedError where it speaks another version or will not have us.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(str(path))
        except OSError as error:
            raise EngineGoneError(f"no engine answers at {path}: {error.strerror or error}") from None
        client = cls(reader, writer)
        writer.write(packed(m.Hello(protocol=m.PROTOCOL, who=who or _who(), observe=observe, stays=stays)))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                first = await client._first()
        except OSError:  # no answer in time; or an engine that was killed with us at its door
            client.close()
            raise EngineGoneError(f"the engine at {path} does not answer") from None
        except ValueError:
            client.close()
            raise RefusedError(f"what answers at {path} cannot be understood: is it another version's?") from None
        if isinstance(first, m.Refused):
            client.close()
            raise RefusedError(first.reason)
        client.state = first.state
        client._listener = asyncio.create_task(client._listen())
        return client

    def close(self) -> None:
        """Detach. The engine runs on."""
        if self._listener:
            self._listener.cancel()
        self._lose()
        self._writer.close()

    # --- questions ---

    async def frames(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 200,
        device: str = "",
        devices: tuple[str, ...] = (),
        direction: Direction | None = None,
        flawed: bool = False,
        text: str = "",
        quiet: bool = False,
    ) -> list[Frame]:
        """A page of frames, oldest first: beyond `after`, just before `before`, or the newest; see GetFrames."""
        call = m.GetFrames(
            after=after,
            before=before,
            limit=limit,
            device=device,
            devices=devices,
            direction=direction,
            flawed=flawed,
            text=text,
            quiet=quiet,
        )
        return (await self._ask(call, m.Frames)).rows

    async def passings(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 200,
        device: str = "",
        kinds: tuple[Kind, ...] = (),
        statuses: tuple[Status, ...] = (),
        origins: tuple[Origin, ...] = (),
        text: str = "",
        outs: bool = False,
    ) -> list[Resolved]:
        """A page of passings, oldest first, bound as they are known now; see GetPassings."""
        call = m.GetPassings(
            after=after,
            before=before,
            limit=limit,
            device=device,
            kinds=kinds,
            statuses=statuses,
            origins=origins,
            text=text,
            outs=outs,
        )
        return (await self._ask(call, m.Passings)).rows

    async def incidents(
        self, *, after: int | None = None, before: int | None = None, limit: int = 200
    ) -> list[Incident]:
        """A page of incidents, oldest first."""
        return (await self._ask(m.GetIncidents(after=after, before=before, limit=limit), m.Incidents)).rows

    async def detail(self, frame: int) -> Detail:
        """One frame: what it means, and where it went."""
        return await self._ask(m.GetDetail(frame=frame), m.Detail)

    async def sheet(self, device: str, name: str) -> Sheet:
        """A table about a device, or (`device` empty) about the event."""
        return (await self._ask(m.GetSheet(device=device, name=name), m.Table)).sheet

    async def options(self, export: str = "", *, kind: str = "") -> Options:
        """What can be set of `export`, or of one to come of the type `kind`; of neither: which types there are."""
        return await self._ask(m.GetOptions(export=export, kind=kind), m.Options)

    async def refresh(self) -> EngineState:
        """The engine's state as it is now, not as it was pushed last."""
        self.state = (await self._ask(m.GetState(), m.State)).state
        return self.state

    # --- changes; each raises RefusedError with the reason where it was not done ---

    async def command(self, device: str, words: str, *, yes: str = "") -> Done:
        """Send a command to a device, in the words of its manual; waits as long as the device takes for it. A file that
        the words name is read here, where the operator is.

        Raises AskedError where the operator must agree first; then say it again with `yes`.
        """
        text = await asyncio.to_thread(self._contents, device, words)
        call = m.Command(device=device, words=words, yes=yes, text=text)
        return await self._ask(call, m.Done, within=None)

    def _contents(self, device: str, words: str) -> str:
        """What is in the file that a command names; empty where it names none. Raises RefusedError."""
        commands = next((one.commands for one in self.state.devices if one.name == device), ())
        try:
            info, values = find(commands, words)
        except CommandError:
            return ""  # the engine says so, in better words
        if not (info.arguments and info.arguments[-1].file and len(values) == len(info.arguments)):
            return ""
        path = Path(values[-1]).expanduser()
        try:
            if path.stat().st_size > LARGEST_FILE:
                raise RefusedError(f"{path}: larger than {LARGEST_FILE:,} bytes: is it the right file?")
            return path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise RefusedError(f"{path}: {error.strerror or error}") from None
        except UnicodeDecodeError as error:
            raise RefusedError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None

    async def set_bib(self, passing: int, bib: str) -> Done:
        """Say whose passing it was; an empty `bib`: nobody's that we know."""
        return await self._ask(m.SetBib(passing=passing, bib=bib), m.Done)

    async def undo(self) -> Done:
        """Take back the newest bib that this operator gave."""
        return await self._ask(m.Undo(), m.Done)

    async def take_over(self, device: str, passings: tuple[int, ...] = (), *, test: bool = False) -> Done:
        """Have offered passings of a device count; none given: all that never came, or (`test`) that TEST has heard."""
        return await self._ask(m.TakeOver(device=device, passings=passings, test=test), m.Done)

    async def phase(self, phase: Phase) -> Done:
        """Set the phase of the event."""
        return await self._ask(m.SetPhase(phase=phase), m.Done)

    async def gun(self, wall: int, device: str = "") -> Done:
        """Say when the race clock of `device` (empty: of all) showed zero; ns since the epoch."""
        return await self._ask(m.SetGun(wall=wall, device=device), m.Done)

    async def acknowledge(self, upto: int) -> Done:
        """Acknowledge every alarm up to incident `upto`."""
        return await self._ask(m.Acknowledge(upto=upto), m.Done)

    async def held(self, export: str, action: str, passings: tuple[int, ...] = (), peer: str | None = None) -> Done:
        """`release` or `skip` held passings of an export."""
        return await self._ask(m.Held(export=export, action=action, passings=passings, peer=peer), m.Done)

    async def add_export(self, name: str, values: dict[str, str]) -> Done:
        """One more export; `values` as typed, without quotes."""
        return await self._ask(m.AddExport(name=name, values=values), m.Done)

    async def edit_export(self, name: str, values: dict[str, str], *, yes: str = "") -> Done:
        """Other settings for an export; an empty value: the default. Raises AskedError, as `command` does."""
        return await self._ask(m.EditExport(name=name, values=values, yes=yes), m.Done)

    async def remove_export(self, name: str, *, yes: str = "") -> Done:
        """One export less. Raises AskedError."""
        return await self._ask(m.RemoveExport(name=name, yes=yes), m.Done)

    async def renumber_export(self, name: str, *, yes: str = "") -> Done:
        """Number the lines of an export from 1 again. Raises AskedError."""
        return await self._ask(m.RenumberExport(name=name, yes=yes), m.Done)

    async def save_its(self, values: dict[str, str], password: str = "", *, yes: str = "") -> Done:
        """Configure the link to ITS ONLINE TIMING. Raises AskedError, as `command` does."""
        return await self._ask(m.SaveIts(values=values, password=password, yes=yes), m.Done)

    async def connect_its(self, *, yes: str = "") -> Done:
        """Connect to ITS ONLINE TIMING anew. Raises AskedError."""
        return await self._ask(m.ConnectIts(yes=yes), m.Done)

    async def steer(self, export: str, action: str, *, peer: str | None = None, yes: str = "") -> Done:
        """`pause` or `resume` an export, `skip` what waits for all its peers, or for one, or `forget` one.

        Raises AskedError before anything is skipped or forgotten; then say it again with `yes`.
        """
        return await self._ask(m.Steer(export=export, action=action, peer=peer, yes=yes), m.Done)

    async def resend(self, export: str, what: Selection, *, frame: int | None = None, peer: str | None = None) -> Done:
        """Send passings again, to one peer or to all that are connected; see Resend."""
        return await self._ask(m.Resend(export=export, what=what, frame=frame, peer=peer), m.Done)

    async def conversation(self, export: str, peer: str) -> Conversation:
        """The last lines sent to a peer of an export, and received from it."""
        return await self._ask(m.GetPeer(export=export, peer=peer), Conversation)

    async def reload(self) -> Done:
        """Have the engine read its settings again."""
        return await self._ask(m.Reload(), m.Done)

    async def stop(self, event: str) -> Done:
        """Stop the engine; `event` is the event's name, as a second thought."""
        return await self._ask(m.Stop(event=event), m.Done)

    # --- the socket ---

    async def _ask(self, call: Call, expected: type[R], within: float | None = ANSWER_WITHIN) -> R:
        if self.gone.is_set():
            raise EngineGoneError("the engine has gone away")
        number = next(self._numbers)
        future: asyncio.Future[m.Result] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._writer.write(packed(m.Request(id=number, call=call)))
        try:
            async with asyncio.timeout(within):
                result = await future
        except TimeoutError:
            raise RefusedError(f"the engine did not answer within {within:.0f} s") from None
        finally:
            self._waiting.pop(number, None)
        if isinstance(result, m.Asks):
            raise AskedError(result)
        if isinstance(result, m.Failed):
            raise RefusedError(result.reason)
        if not isinstance(result, expected):
            raise RefusedError(f"the engine answered {type(result).__name__}, expected {expected.__name__}")
        return result

    async def _first(self) -> m.Welcome | m.Refused:
        while True:
            for body in await self._bodies():
                message = m.decode_engine(body)
                if isinstance(message, m.Welcome | m.Refused):
                    return message

    async def _listen(self) -> None:
        try:
            while True:
                for body in await self._bodies():
                    self._take(m.decode_engine(body))
        except (OSError, ValueError):
            pass
        finally:
            self._lose()

    def _take(self, message: m.FromEngine) -> None:
        match message:
            case m.Answer(id=number, result=result):
                future = self._waiting.get(number)
                if future and not future.done():
                    future.set_result(result)
            case m.Pushed(state=state):
                self.state = state
                if self.on_state:
                    self.on_state(state)

    async def _bodies(self) -> list[bytes]:
        data = await self._reader.read(1 << 16)
        if not data:
            raise EngineGoneError("the engine has gone away")
        return self._unpacker.feed(data)

    def _lose(self) -> None:
        self.gone.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EngineGoneError("the engine has gone away"))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
