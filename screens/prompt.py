"""The line in which the operator types: a command, a filter, a name, one letter. Knows no terminal."""

from collections.abc import Callable

from screens.paint import Line
from screens.words import clean


class Prompt:
    """An open question. `key` takes a key press; it closes by itself on Enter and Esc."""

    def __init__(
        self,
        label: str,
        done: Callable[[str], None],
        *,
        text: str = "",
        complete: Callable[[str], tuple[str, list[str]]] | None = None,
        history: list[str] | None = None,
        single: bool = False,
    ) -> None:
        self.label = label
        self.text = text
        self.open = True
        self.options: list[str] = []
        """What could follow: after Tab, or from the start."""
        self._at = len(text)
        self._done = done
        self._complete = complete
        self._history = history if history is not None else []
        self._past = len(self._history)
        self._single = single
        """One character answers it."""

    def key(self, key: str, character: str | None) -> None:
        """Take a key press."""
        self.options = []
        match key:
            case "escape":
                self.open = False
            case "enter":
                self._answer()
            case "backspace" if not self.text:
                self.open = False
            case "backspace":
                self._replace(max(0, self._at - 1), self._at, "")
            case "delete":
                self._replace(self._at, self._at + 1, "")
            case "left" | "right":
                self._at = max(0, min(len(self.text), self._at + (1 if key == "right" else -1)))
            case "home" | "end":
                self._at = 0 if key == "home" else len(self.text)
            case "up" | "down":
                self._recall(-1 if key == "up" else 1)
            case "tab" if self._complete:
                self.text, self.options = self._complete(self.text)
                self._at = len(self.text)
            case _ if character and character.isprintable():
                self.insert(character)

    def insert(self, text: str) -> None:
        """Type or paste; only the first line of it."""
        text = clean((text.splitlines() or [""])[0])
        self._replace(self._at, self._at, text)
        if self._single and self.text:
            self._answer()

    def _replace(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self._at = start + len(text)

    def _recall(self, step: int) -> None:
        if self._history:
            self._past = max(0, min(len(self._history), self._past + step))
            self.text = (*self._history, "")[self._past]
            self._at = len(self.text)

    def _answer(self) -> None:
        self.open = False
        if self.text.strip() and self._history[-1:] != [self.text]:
            self._history.append(self.text)
        self._done(self.text)

    def line(self, width: int) -> Line:
        """The question and what is typed, with the cursor in sight."""
        room = max(8, width - len(self.label) - 2)
        start = max(0, self._at - room + 1)
        shown = self.text[start : start + room]
        at = self._at - start
        line: Line = [
            (self.label, "head"),
            (shown[:at], ""),
            (shown[at : at + 1] or " ", "cursor"),
            (shown[at + 1 :], ""),
        ]
        if self.options:
            line.append(("   " + " ".join(self.options), "dim"))
        return line
