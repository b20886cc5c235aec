"""Transmit Status, as the TIME MACHINE shows it on its own display: its lines, our XON and XOFF, the control lines."""

from console.model import Direction, Frame
from screens import words
from screens.paint import Line
from screens.picture import Picture
from screens.sources import Frames, cut

WHOLE = ("EVENT", "RETRANSMIT", "END RETRANSMIT")
"""Lines whose own text says what they are."""


class Transmit(Frames):
    """What crossed the wire of one timer, in order, in words."""

    noun = "line"

    def __init__(self, device: str) -> None:
        super().__init__(device, "TRANSMIT STATUS")

    def heading(self, rows: list[Frame], width: int, picture: Picture) -> Line:
        """What the arrows mean."""
        return [(f"{'TIME':<12}  < timer  > ours" + ("   bytes in hexadecimal first" if width >= 60 else ""), "")]

    def line(self, row: Frame, width: int, picture: Picture) -> Line:
        """One line of the timer, one byte of ours, or a control line that changed."""
        ours = row.direction is Direction.TX
        line: Line = [(words.clock(row.wall, picture.zone, 3), ""), ("  > " if ours else "  < ", "key")]
        if row.flaw:
            line += [(f"! {row.flaw}: ", "bad"), (words.escaped(row.raw[:400]), "")]
        else:
            line.append((said(row), "warn" if row.label.startswith("XOFF") or row.label.endswith(" low") else ""))
        if row.by:
            line.append((f"  {row.by}", "dim"))
        return cut(line, width)


def said(frame: Frame) -> str:
    """`17 PRIMARY 11 413 0413 01:11:58.90`, `13 XOFF`; a frame without bytes is a control line: `-- CTS low`."""
    if not frame.raw:
        return f"-- {frame.label}"
    # Bit 7 of what was understood can only be a parity bit (timemachine.md, section 4).
    code, text = frame.raw[0] & 0x7F, "".join(chr(byte & 0x7F) for byte in frame.raw[1:])
    columns = " ".join(text.split())
    return f"{code:02X} " + (columns if frame.label in WHOLE else f"{frame.label} {columns}".rstrip())
