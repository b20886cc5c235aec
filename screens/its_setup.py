"""The configuration of the ITS tab: asked for field by field, kept as a draft, saved at the press of a key."""

import re

from console.control.client import Client, Done
from screens.desk import OBSERVES, Desk
from screens.its import FIELDS, About, Its, saved
from screens.paint import Line
from screens.prompt import Prompt
from screens.settings import DROPPED
from screens.view import View
from screens.words import wrapped

HELP = {
    "software_id": "the serial number that you gave this PC in the server's MATERIAL list: enter a unique 4 digit "
    "number, not already used by another device",
    "server": "be careful to spell the name of the server correctly: online.itschrono.com. A relay of your own: its "
    "address",
    "server_port": "the default port of the ITS server is 3000",
    "user": "the User Name of your TIMER ID (MY PROFILE on the server)",
    "password": "the Password of your TIMER ID; not shown, and kept in secrets.toml alone. Empty: it stays as it is",
    "log_file": "frames are logged to it as the GSM Interface does; in the event's directory, unless it begins with /",
}


def wrong(key: str, text: str) -> str:
    """What is wrong with a value; empty: nothing."""
    match key:
        case "software_id" if not re.fullmatch(r"(?!0000)[0-9]{4}", text):
            return f"{text!r} is not four digits from 0001 to 9999"
        case "server_port" if not (re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 65_536):
            return f"{text!r} is not a number from 1 to 65535"
        case "server" | "user" if not text:
            return "it must not be empty"
        case "user" | "password" if not (text.isascii() and text.isprintable()):
            return "the link can carry letters, digits and signs of ASCII only"
    return ""


class ItsSetup:
    """Configures the link for the operator at `desk`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def pressed(self, view: View, key: str) -> bool:
        """A key was pressed on the ITS tab. False: it does nothing there."""
        if not isinstance(view, Its) or key not in ("e", "R", "S", "C", "?"):
            return False
        if key == "?":
            self._desk.open(About())
        elif key == "R":
            self._desk.say("as it was saved" if view.draft else "nothing was typed that is not saved")
            view.draft.clear()
        elif self._desk.observes:
            self._desk.say(OBSERVES, "bad")
        elif key == "e":
            self._ask(view, 0)
        elif key == "S":
            self._save(view)
        elif self._desk.picture.state.its is None:
            self._desk.say("fill in the configuration first: e, then S saves it", "warn")
        else:
            self._desk.dispatch.agreed(lambda client, yes: client.connect_its(yes=yes), "connect anew")
        return True

    # --- edit ---

    def _ask(self, view: Its, at: int, typed: str | None = None, trouble: str = "") -> None:
        key = list(FIELDS)[at]
        secret = key == "password"
        text = typed if typed is not None else "" if secret else view.values(self._desk.picture.state.its)[key]

        def above(width: int) -> list[Line]:
            return [
                *([(line, "bad")] for line in wrapped(trouble, width)),
                *([(line, "dim")] for line in wrapped(f"{FIELDS[key]}: {HELP[key]}", width)),
            ]

        last = at + 1 == len(FIELDS)
        self._desk.ask(
            Prompt(
                f"{FIELDS[key]}: ",
                lambda given: self._take(view, at, given),
                text="" if secret else text,
                above=above,
                back=lambda: self._ended(view),
                answers=(("Enter", "done" if last else "next"), ("Esc", "leave the form")),
                secret=secret,
            )
        )

    def _take(self, view: Its, at: int, given: str) -> None:
        key = list(FIELDS)[at]
        text = given if key == "password" else given.strip()
        its = self._desk.picture.state.its
        if not (key == "password" and not text) and (trouble := wrong(key, text)):
            self._ask(view, at, None if key == "password" else text, trouble)
            return
        unchanged = (not text) if key == "password" else its is not None and saved(its)[key] == text
        if not unchanged:
            view.draft[key] = text
        elif key != "password":
            view.draft.pop(key, None)
        if at + 1 < len(FIELDS):
            self._ask(view, at + 1)
        else:
            self._ended(view)

    def _ended(self, view: Its) -> None:
        self._desk.say("not saved yet: S saves it, R resets it" if view.draft else DROPPED, "warn" * bool(view.draft))

    # --- save ---

    def _save(self, view: Its) -> None:
        its = self._desk.picture.state.its
        values = {
            key: text for key, text in view.values(its).items() if key != "password" and (not its or key in view.draft)
        }
        password = view.draft.get("password", "")
        if not view.draft:
            self._desk.say("nothing was typed that is not saved")
            return
        for key, text in values.items():
            if trouble := wrong(key, text):
                self._desk.say(f"{FIELDS[key]}: {trouble}: e fills it in", "bad")
                return

        async def save(client: Client, yes: str) -> Done:
            done = await client.save_its(values, password, yes=yes)
            view.draft.clear()
            return done

        self._desk.dispatch.agreed(save, "save it")
