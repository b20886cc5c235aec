"""The console's end of the control socket; also what every `racedeck` command that talks to an engine uses."""

import asyncio
import getpass
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from console.control import messages as m
from console.control.messages import Call, Delivery, Detail, Done, packed
from console.model import Direction, EngineState, Frame, Incident, Phase, Resolved

__all__ = ["Client", "Delivery", "Detail", "Done", "EngineGoneError", "RefusedError"]

ANSWER_WITHIN = 15.0
"""Seconds a call may take: longer than any command to a device."""

R = TypeVar("R", bound=m.Result)


class EngineGoneError(ConnectionError):
    """No engine answers at the socket, or it has gone away."""


class RefusedError(Exception):
    """The engine will not do it; says why and what to do."""


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
    async def connect(cls, path: Path, *, observe: bool = False, who: str = "") -> "Client":
        """Attach to the engine at socket `path`.

        Raises EngineGoneError where none answers, RefusedError where it speaks another version or will not have us.
        """
        try:
            reader, writer = await asyncio.open_unix_connection(str(path))
        except OSError as error:
            raise EngineGoneError(f"no engine answers at {path}: {error.strerror or error}") from None
        client = cls(reader, writer)
        writer.write(packed(m.Hello(protocol=m.PROTOCOL, who=who or _who(), observe=observe)))
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
        direction: Direction | None = None,
        flawed: bool = False,
        text: str = "",
    ) -> list[Frame]:
        """A page of frames, oldest first: beyond `after`, just before `before`, or the newest."""
        call = m.GetFrames(
            after=after, before=before, limit=limit, device=device, direction=direction, flawed=flawed, text=text
        )
        return (await self._ask(call, m.Frames)).rows

    async def passings(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 200,
        device: str = "",
        kind: str = "",
        text: str = "",
    ) -> list[Resolved]:
        """A page of passings, oldest first, bound as they are known now."""
        call = m.GetPassings(after=after, before=before, limit=limit, device=device, kind=kind, text=text)
        return (await self._ask(call, m.Passings)).rows

    async def incidents(
        self, *, after: int | None = None, before: int | None = None, limit: int = 200
    ) -> list[Incident]:
        """A page of incidents, oldest first."""
        return (await self._ask(m.GetIncidents(after=after, before=before, limit=limit), m.Incidents)).rows

    async def detail(self, frame: int) -> Detail:
        """One frame: what it means, and where it went."""
        return await self._ask(m.GetDetail(frame=frame), m.Detail)

    async def refresh(self) -> EngineState:
        """The engine's state as it is now, not as it was pushed last."""
        self.state = (await self._ask(m.GetState(), m.State)).state
        return self.state

    # --- changes; each raises RefusedError with the reason where it was not done ---

    async def command(self, device: str, words: str) -> Done:
        """Send a command to a device, in the words of its manual."""
        return await self._ask(m.Command(device=device, words=words), m.Done)

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

    async def reload(self) -> Done:
        """Have the engine read its settings again."""
        return await self._ask(m.Reload(), m.Done)

    async def stop(self, event: str) -> Done:
        """Stop the engine; `event` is the event's name, as a second thought."""
        return await self._ask(m.Stop(event=event), m.Done)

    # --- the socket ---

    async def _ask(self, call: Call, expected: type[R]) -> R:
        if self.gone.is_set():
            raise EngineGoneError("the engine has gone away")
        number = next(self._numbers)
        future: asyncio.Future[m.Result] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._writer.write(packed(m.Request(id=number, call=call)))
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                result = await future
        except TimeoutError:
            raise RefusedError(f"the engine did not answer within {ANSWER_WITHIN:.0f} s") from None
        finally:
            self._waiting.pop(number, None)
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
