"""What an operator does to exports, by a key on the Exports tab or typed: pause, resend, skip, settings, reports."""

from collections.abc import Awaitable, Callable

from console.control.client import AskedError, Client, Done, RefusedError
from screens.commands import CommandError
from screens.confirm import confirm
from screens.delivery import Delivery
from screens.desk import OBSERVES, Desk
from screens.exports import Exports, Row, find
from screens.paint import Line
from screens.prompt import Prompt
from screens.selection import HELP, parse
from screens.settings import DROPPED, Again, Setup
from screens.sheet import SheetView
from screens.view import View
from screens.words import wrapped


class Dispatch:
    """Acts on exports for the operator at `desk`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.setup = Setup(desk, self.agreed)
        self._acts: dict[str, Callable[[Row], None]] = {
            "p": self._pause,
            "r": self.ask_resend,
            "s": lambda row: self.skip(row.export, row.peer or None),
            "h": self._release,
            "k": self._drop,
            "e": lambda row: self.setup.edit(row.export),
            "D": lambda row: self.remove(row.export),
            "N": lambda row: self.renumber(row.export),
            "F": lambda row: self.forget(row.export, row.peer),
        }

    def pressed(self, view: View, key: str) -> bool:
        """A key was pressed on the Exports tab, or on a detail there. False: it does nothing to exports."""
        if isinstance(view, Exports):
            row = view.current(self._desk.picture)
        elif isinstance(view, Delivery):
            row = view.row
        else:
            return False
        if key in ("t", "R"):
            self._desk.open(SheetView("", "report") if key == "R" else SheetView(row.export if row else "", "tell"))
        elif key != "n" and key not in self._acts:
            return False
        elif self._desk.observes:
            self._desk.say(OBSERVES, "bad")
        elif key == "n":
            self.setup.new()
        elif row is None or self._desk.picture.export(row.export) is None:
            self._desk.say("no export here; n adds one", "warn")
        else:
            self._acts[key](row)
        return True

    # --- what a key does ---

    def _pause(self, row: Row) -> None:
        export, _ = find(row, self._desk.picture)
        self.steer(export.name, "pause" if export.paused_at is None else "resume")

    def steer(self, export: str, action: str) -> None:
        """Pause it, or resume it."""
        self.agreed(lambda client, yes: client.steer(export, action), f"{action} it")

    def skip(self, export: str, peer: str | None = None) -> None:
        """Never send what waits, after a question with the number."""
        self.agreed(lambda client, yes: client.steer(export, "skip", peer=peer, yes=yes), "skip them")

    def remove(self, export: str) -> None:
        """Remove it, after a question."""
        self.agreed(lambda client, yes: client.remove_export(export, yes=yes), "remove it")

    def renumber(self, export: str) -> None:
        """Number its lines from 1 again, after a question."""
        self.agreed(lambda client, yes: client.renumber_export(export, yes=yes), "send all of it again")

    def forget(self, export: str, peer: str) -> None:
        """Wait for a client no more, after a question."""
        if peer:
            self.agreed(lambda client, yes: client.steer(export, "forget", peer=peer, yes=yes), "forget it")
        else:
            self._desk.say(f"which client of {export}? Put the cursor on it: a client is forgotten, no export", "warn")

    def _held(self, row: Row) -> int:
        export, peer = find(row, self._desk.picture)
        count = peer.held if peer else sum(one.held for one in export.peers)
        if not count:
            self._desk.say(f"nothing is held for {row.peer or row.export}", "warn")
        return count

    def _release(self, row: Row) -> None:
        if self._held(row):
            self._deal(row, "release")

    def _drop(self, row: Row) -> None:
        if count := self._held(row):
            whom = f"{row.peer} of {row.export}" if row.peer else row.export
            confirm(
                self._desk,
                f"{count} held for {whom} will never be sent.",
                "",
                lambda: self._deal(row, "skip"),
                act="skip them",
                dropped=DROPPED,
            )

    def _deal(self, row: Row, action: str) -> None:
        """Release what is held, or skip it."""
        self.agreed(lambda client, yes: client.held(row.export, action, peer=row.peer or None), f"{action} it")

    # --- send again ---

    def ask_resend(self, row: Row, text: str = "", trouble: str = "") -> None:
        """Ask what is to be sent again."""
        whom = f"only to {row.peer}" if row.peer else "to all that are connected"

        def above(width: int) -> list[Line]:
            told = f"what {row.export} sends again, {whom}: {HELP}"
            return [
                *([(line, "bad")] for part in trouble.splitlines() for line in wrapped(part, width)),
                *([(line, "dim")] for line in wrapped(told, width)),
            ]

        self._desk.ask(
            Prompt(
                f"resend {row.export}: ",
                lambda typed: self.resend(row, typed),
                text=text,
                above=above,
                back=lambda: self._desk.say("dropped; nothing was sent"),
                answers=(("Enter", "send again"), ("Esc", "drop")),
            )
        )

    def resend(self, row: Row, text: str) -> None:
        """Send again what `text` says."""
        picture = self._desk.picture
        try:
            chosen, frame = parse(text, picture.now, picture.zone)
        except CommandError as error:
            self.ask_resend(row, text, str(error))
            return
        self._desk.say(f"resend {row.export}: {text.strip()} ...", "dim")

        def again(why: str) -> None:
            self.ask_resend(row, text, why)

        self.agreed(
            lambda client, yes: client.resend(row.export, chosen, frame=frame, peer=row.peer or None),
            "send it",
            again,
        )

    # --- questions ---

    def agreed(self, act: Callable[[Client, str], Awaitable[Done]], what: str, again: Again | None = None) -> None:
        """Do something, once the operator has agreed to it where the engine asks; `what` it is. Where it is refused and
        the operator has not gone on to something else, `again` is told why."""
        self._desk.do(self._agreed(act, what, again))

    async def _agreed(
        self, act: Callable[[Client, str], Awaitable[Done]], what: str, again: Again | None, yes: str = ""
    ) -> Done | str:
        desk, presses = self._desk, self._desk.presses
        try:
            return await act(desk.client, yes)
        except AskedError as asked:
            if desk.asking:  # somebody who types something else would answer a question never read
                return Done(text="nothing was changed: it asks first; give it again", ok=False)

            def agreed(name: str = asked.name) -> None:
                desk.do(self._agreed(act, what, again, name))

            name = asked.name if asked.typed else ""
            confirm(desk, str(asked), name, agreed, what="its name", act=what, dropped=DROPPED)
            return ""
        except RefusedError as error:
            if again is None or desk.asking or desk.presses != presses:
                raise
            again(str(error))
            return ""
