"""Commands to devices, as an operator gives them: by a key on the device's tab, or typed. What is asked first (the
arguments, whether one really wants to) is asked here; what came of it is always said."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from console.control.client import AskedError, Done, EngineGoneError, RefusedError
from console.model import CommandInfo, DeviceState
from screens import progress
from screens.confirm import confirm
from screens.desk import OBSERVES, Desk
from screens.device import Device
from screens.forms import Form
from screens.menu import keyed

Again = Callable[[str], None]
"""Opens the form once more, with the reason."""

HELD = 0.5
"""Seconds for which keys wait for the question that a command may bring. The engine asks without asking the device."""


class Orders:
    """Sends commands for the operator at `desk`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._answered = asyncio.Event()
        """The engine has answered the last command: a question that it brings is open."""
        self._answered.set()

    async def settled(self) -> None:
        """Wait for the question that the last command may bring: who types on, types its answer, and a name must not be
        taken for commands meanwhile. A command that takes longer than `HELD` brings none."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HELD):
                await self._answered.wait()
        self._answered.set()

    def pressed(self, device: DeviceState, key: str) -> bool:
        """A key was pressed on the tab of `device`. False: it gives no command there."""
        info = keyed(device.commands).get(key)
        if info is None and key == progress.STOP and device.job:
            self.send(device.name, "STOP")
            return True
        if info is not None:
            self.begin(device.name, info)
        return info is not None

    def begin(self, device: str, info: CommandInfo) -> None:
        """Ask for the arguments of a command, if it has some, and send it."""
        if self._desk.observes:
            self._desk.say(OBSERVES, "bad")
        elif info.arguments:
            Form(self._desk, device, info, lambda form, text: self.send(device, text, form.again)).open()
        else:
            self.send(device, info.words)

    def send(self, device: str, words: str, again: Again | None = None, yes: str = "") -> None:
        """Send a command, once what it may do has been agreed to (`yes`: the name that was typed). Where it is refused
        and the operator has not gone on to something else, `again` is told why."""
        self._desk.say(_note(device, words), "dim")
        self._desk.do(self._settling(self._send(device, words, again, yes)))

    def _settling(self, work: Awaitable[Done | str]) -> Awaitable[Done | str]:
        """`work`, with the keys held back until it is answered."""
        answered = self._answered = asyncio.Event()

        async def settle() -> Done | str:
            try:
                return await work
            finally:
                answered.set()

        return settle()

    async def _send(self, device: str, words: str, again: Again | None, yes: str) -> Done | str:
        desk, presses = self._desk, self._desk.presses
        try:
            done = await desk.client.command(device, words, yes=yes)
            return "" if done.ok is not False and await self._shown(device, words, done) else done
        except AskedError as asked:
            if desk.asking:  # somebody who types something else would answer a question never read
                return Done(text=f"{device}: {words} was not sent: it asks first; give it again", ok=False)

            def agreed(name: str = asked.name) -> None:
                self.send(device, words, again, name)

            confirm(desk, str(asked), asked.name if asked.typed else "", agreed)
            return ""
        except (RefusedError, EngineGoneError) as error:
            if again is None or desk.asking or desk.presses != presses:
                raise
            again(str(error))
            return ""

    async def _shown(self, device: str, words: str, done: Done) -> bool:
        """The tab that is on the screen tells it already, whole, in its line for results."""
        desk, view = self._desk, self._desk.stack.view
        if not isinstance(view, Device) or view.name != device:
            return False
        state = await desk.client.refresh()
        found = next((one for one in state.devices if one.name == device), None)
        last = found.outcome if found else None
        if found is None or last is None or last.words != words or last.text != done.text:
            return False
        if not view.tells(found, last, desk.size.width, desk.picture):
            return False
        desk.unsay(_note(device, words))
        return True

    # --- one command for many devices ---

    def send_all(self, devices: list[str], words: str) -> None:
        """The same command for several devices at once, after one question."""
        self._desk.say(f"{words} to {len(devices)} devices ...", "dim")
        self._desk.do(self._settling(self._send_all(devices, words)))

    async def _send_all(self, devices: list[str], words: str, *, yes: bool = False) -> Done | str:
        async def one(device: str) -> Done | AskedError:
            try:
                return await self._desk.client.command(device, words, yes=device if yes else "")
            except AskedError as asked:
                return asked
            except RefusedError as error:
                return Done(text=str(error), ok=False)

        results = dict(zip(devices, await asyncio.gather(*map(one, devices)), strict=True))
        asked = {name: result for name, result in results.items() if isinstance(result, AskedError)}
        done = {name: result for name, result in results.items() if isinstance(result, Done)}
        if not asked:
            return _together(words, done)
        first = next(iter(asked.values()))
        question = f"{words} to {', '.join(asked)}: {str(first).partition(': ')[2]}"
        if done:
            question = f"{_together(words, done).text} {question}"
        if self._desk.asking:
            return Done(text=f"{words} was not sent to {', '.join(asked)}: it asks first; give it again", ok=False)
        confirm(
            self._desk,
            question,
            "all" if any(one.typed for one in asked.values()) else "",
            lambda: self._desk.do(self._send_all(list(asked), words, yes=True)),
            what="the word",
        )
        return ""


def _note(device: str, words: str) -> str:
    """What is said while a command is under way."""
    return f"{device}: {words} ..."


def _together(words: str, done: dict[str, Done]) -> Done:
    """What came of it at all of them; the ones it failed at first."""
    failed = [name for name, result in done.items() if not result.ok]
    head = f"{words}: {len(done) - len(failed)} of {len(done)} done"
    lines = [f"{name}: {done[name].text}" for name in sorted(done, key=lambda name: name not in failed)]
    return Done(text="\n".join([head, *lines]), ok=not failed)
