"""A terminal of our own: as much of a VT100 as the console speaks; what it does not know is a failure."""

import re

from rich.cells import cell_len

_SEQUENCE = re.compile(r"\x1b\[([?<>=]?)([\d;]*)(\$?[A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b([=>78])")


class Screen:
    """What a person would see, and in what colours."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.cells = [[(" ", "")] * width for _ in range(height)]
        self.modes: list[str] = []
        self.colours: set[str] = set()
        """Every SGR parameter that chose a colour."""
        self._x = self._y = 0
        self._top, self._bottom = 0, height - 1
        self._sgr: list[str] = []
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        return ["".join(text for text, _ in row).rstrip() for row in self.cells]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def feed(self, data: str) -> None:
        data, at = self._rest + data, 0
        self._rest = ""
        while at < len(data):
            if data[at] == "\x1b":
                match = _SEQUENCE.match(data, at)
                if not match:
                    assert len(data) - at < 64, f"unknown sequence {data[at : at + 32]!r}"
                    self._rest = data[at:]
                    return
                self._control(match)
                at = match.end()
            else:
                self._put(data[at])
                at += 1

    def _put(self, character: str) -> None:
        match character:
            case "\n":
                self._y = min(self._y + 1, self.height - 1)
            case "\r":
                self._x = 0
            case "\x07":
                self.modes.append("bell")
            case _:
                assert character.isprintable(), f"control {character!r} reached the terminal"
                for part in (character, "")[: cell_len(character)]:
                    if self._x < self.width:
                        self.cells[self._y][self._x] = (part, ";".join(self._sgr))
                    self._x += 1

    def _control(self, match: re.Match[str]) -> None:
        private, text, final = match[1], match[2], match[3]
        numbers = [int(number or 0) for number in (text or "").split(";")]
        if final in ("h", "l", "u", "$p", "n", "c", "t") or private or final is None:
            self.modes.append(match[0])
        elif final == "H":
            self._y = max(1, numbers[0]) - 1
            self._x = max(1, numbers[1] if len(numbers) > 1 else 1) - 1
        elif final == "m":
            self._attributes((text or "0").split(";"))
        elif final == "r":
            self._top, self._bottom = (numbers[0] - 1, numbers[1] - 1) if text else (0, self.height - 1)
            self._x = self._y = 0
        elif final == "S":
            for _ in range(numbers[0]):
                del self.cells[self._top]
                self.cells.insert(self._bottom, [(" ", ";".join(self._sgr))] * self.width)
        else:
            raise AssertionError(f"unknown control {match[0]!r}")

    def _attributes(self, codes: list[str]) -> None:
        while codes:
            code = codes.pop(0)
            if code in ("0", ""):
                self._sgr = []
                continue
            kind = "fg" if code[0] == "3" else "bg" if code[0] == "4" and len(code) > 1 else code
            if code in ("38", "48"):
                count = 4 if codes[0] == "2" else 2
                code = ";".join([code, *codes[:count]])
                del codes[:count]
            if kind in ("fg", "bg") and len(code) > 1:
                self.colours.add(code)
            self._sgr = sorted([old for old in self._sgr if _kind(old) != kind] + [code])


def _kind(code: str) -> str:
    return "fg" if code[0] == "3" and len(code) > 1 else "bg" if code[0] == "4" and len(code) > 1 else code
