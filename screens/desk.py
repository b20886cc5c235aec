"""What the parts of the console that act (command line, forms, bibs, sheets) need of the console itself."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from textual.geometry import Size

from console.control.client import Client, Done
from screens.picture import Picture
from screens.prompt import Prompt
from screens.stack import Stack
from screens.view import View

if TYPE_CHECKING:
    from screens.bibs import Bibs
    from screens.dispatch import Dispatch
    from screens.orders import Orders

OBSERVES = "this console only observes; attach without --observe to act"
"""What an observer is told who tries to act."""


class Desk(Protocol):
    """The operator's place: what is asked, said and done there."""

    stack: Stack
    orders: "Orders"
    bibs: "Bibs"
    dispatch: "Dispatch"
    presses: int
    """Keys pressed so far: tells whether the operator has gone on to something else."""

    @property
    def size(self) -> Size:
        """Of the screen."""

    @property
    def client(self) -> Client:
        """The engine. Raises EngineGoneError where there is none."""

    @property
    def picture(self) -> Picture:
        """The moment. Raises EngineGoneError before the first one."""

    @property
    def observes(self) -> bool:
        """This console may only look."""

    @property
    def asking(self) -> bool:
        """A question is open."""

    def ask(self, prompt: Prompt) -> None:
        """Open a question."""

    def say(self, text: str, ink: str = "") -> None:
        """A message to the operator; it stays until the next key."""

    def unsay(self, text: str) -> None:
        """Take a message back, if it is still there."""

    def do(self, work: Awaitable[Done | str]) -> None:
        """Do something beside, and say what came of it."""

    def open(self, view: View) -> None:
        """Show something on top of the tab."""

    async def acknowledge(self) -> str:
        """Acknowledge all alarms; what to tell the operator."""

    def set_theme(self, name: str) -> None:
        """Another palette."""

    def leave(self) -> None:
        """Close the console; the engine runs on."""

    def ask_stop(self) -> None:
        """Ask for the event's name, then stop the engine."""

    def action_help(self) -> None:
        """Open the help."""

    async def start_engine(self) -> str:
        """Start an engine where none runs; what to tell the operator."""
