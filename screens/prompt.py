"""The line in which the operator types: a command, a filter, a name, one letter. Knows no terminal."""

from collections.abc import Callable, Mapping

from screens.paint import Line
from screens.words import clean, fit, wrapped

Options = Mapping[str, str]
"""What could be typed, each with what it does."""

SHOWN = 8
"""Lines that options with their help take at most."""


class Prompt:
    """An open question. `key` takes a key press; it closes by itself on Enter and Esc, and on Backspace where there is
    nothing to take away."""

    def __init__(
        self,
        label: str,
        done: Callable[[str], None],
        *,
        text: str = "",
        complete: Callable[[str], tuple[str, Options]] | None = None,
        history: list[str] | None = None,
        single: bool = False,
        secret: bool = False,
        above: Callable[[int], list[Line]] = lambda width: [],
        back: Callable[[], None] = lambda: None,
        answers: tuple[tuple[str, str], ...] = (("Enter", "do it"), ("Esc", "back")),
    ) -> None:
        self.label = label
        self.text = text
        self.open = True
        self.options: Options = {}
        """What could follow: after Tab, or from the start."""
        self.answers = answers
        """The keys that answer it, for the footer."""
        self._at = len(text)
        self._stays = secret or bool(text)
        """Backspace empties it and no more: what is typed instead must not act as keys."""
        self._done = done
        self._complete = complete
        self._history = history if history is not None else []
        self._past = len(self._history)
        self._single = single
        """One character answers it."""
        self._secret = secret
        """What is typed is not shown, and not kept."""
        self._above = above
        self._back = back

    def key(self, key: str, character: str | None) -> None:
        """Take a key press."""
        self.options = {}
        match key:
            case "escape":
                self._close()
            case "enter":
                self._answer()
            case "backspace" if not self.text and not self._stays:
                self._close()
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

    def _close(self) -> None:
        self.open = False
        self._back()

    def _answer(self) -> None:
        self.open = False
        if not self._secret and self.text.strip() and self._history[-1:] != [self.text]:
            self._history.append(self.text)
        self._done(self.text)

    def above(self, width: int) -> list[Line]:
        """What stands above the question: what it is about, and what could be typed, where that needs words."""
        out = self._above(width)
        if any(self.options.values()):
            options = list(self.options.items())
            shown = options if len(options) <= SHOWN else options[: SHOWN - 1]
            size = min(width // 2, max(len(word) for word, _ in shown))
            out += [[(f"  {fit(word, size)}  ", "key"), (fit(what, width - size - 4), "")] for word, what in shown]
            if len(shown) < len(options):
                out.append([(f"  ... and {len(options) - len(shown)} more", "dim")])
        elif not self._beside(width):
            out += [[(line, "dim")] for line in wrapped(" ".join(self.options), width)[:SHOWN]]
        return out

    def _beside(self, width: int) -> str:
        """Options without help, where they have room behind what is typed."""
        text = "   " + " ".join(self.options)
        fits = len(self.label) + len(self.text) + 1 + len(text) <= width
        return text if self.options and fits and not any(self.options.values()) else ""

    def line(self, width: int) -> Line:
        """The question and what is typed, with the cursor in sight."""
        label = fit(self.label, min(len(self.label), width - 8)) if width > 8 else ""
        room = max(8, width - len(label) - 2)
        start = max(0, self._at - room + 1)
        shown = ("*" * len(self.text) if self._secret else self.text)[start : start + room]
        at = self._at - start
        line: Line = [
            (label, "head"),
            (shown[:at], ""),
            (shown[at : at + 1] or " ", "cursor"),
            (shown[at + 1 :], ""),
        ]
        return [*line, (self._beside(width), "dim")]
