"""What an OTIMCON station prints, as values (otimcon.md, sections 2 to 5 and 8)."""

from msgspec import Struct


class Record(Struct, frozen=True, tag=True):
    """One thing a station printed. `uid` is hex without blanks; `epoch` is its wall clock taken as UTC (section 6)."""


class Prompt(Record, frozen=True):
    """`>`: the station is ready. Some answers have two, some none."""


class Blank(Record, frozen=True):
    """An empty line: most answers begin with one."""


class Punch(Record, frozen=True):
    """A card at a control: `^31, 04 A1 B2 C3,1795170000$`."""

    control: int
    uid: str
    epoch: int


class CardSeen(Record, frozen=True):
    """`Card: 04 A1 B2 C3`: its readout or ticket follows."""

    uid: str


class Readout(Record, frozen=True):
    """What a card holds, on one line (0.2 and later), oldest first."""

    uid: str | None
    """Of the card line before it; None: there was none."""
    pairs: tuple[tuple[int, int], ...]
    """(control, epoch), without holes (`255,-1`) and exact duplicates."""
    complete: bool
    """It ended with `%`, and every pair was whole."""
    after_punch: bool
    """Printed by CONTROL_WITH_READOUT, where `%` comes after a failed read too (section 4)."""
    holes: int = 0
    duplicates: int = 0


class ReadoutLine(Record, frozen=True):
    """One record of a card, as 0.14 to 0.19 print it, newest first: `252,1479632724,2016/11/20 09:05:24#`."""

    uid: str | None
    control: int
    epoch: int
    shown: str


class ReadoutEnd(Record, frozen=True):
    """The `%` after `lines` lines of that form. It comes after a failed read too (section 8)."""

    uid: str | None
    lines: int


class Cleared(Record, frozen=True):
    """A card was erased (but for its name)."""

    uid: str


class PrintLine(Record, frozen=True):
    """A line of a PRINT ticket, printer codes removed; the 30 bytes of the name as Latin-1, whatever they are."""

    text: str


class Pong(Record, frozen=True):
    """The answer to PING."""


class Heading(Record, frozen=True):
    """`Version:` or `Voltage:` on a line of its own (up to 0.21); the value is the next line."""

    of: str


class Version(Record, frozen=True):
    """The firmware's version."""

    number: str


class Time(Record, frozen=True):
    """The station's clock."""

    epoch: int | None
    shown: str


class Control(Record, frozen=True):
    """The station's control number; 251 is START, 252 FINISH."""

    number: int


class Mode(Record, frozen=True):
    """The station's mode. `pos`: PRINT with codes for a receipt printer."""

    mode: str
    pos: bool = False


class Voltage(Record, frozen=True):
    """Printed, but always about 0 (section 2): not the battery's voltage."""

    volts: float


class BackupBegin(Record, frozen=True):
    """`Backup:`; 512 lines follow."""


class BackupLine(Record, frozen=True):
    """One slot of the backup memory: first four bytes of the uid, no control. Unused: FFFFFFFF, -1."""

    uid: str
    epoch: int
    shown: str


class BackupEnd(Record, frozen=True):
    """`$` after the backup."""


class BackupReset(Record, frozen=True):
    """The backup pointer is 0."""


class Waiting(Record, frozen=True):
    """WRITE was taken; the next card gets it. `job`: INFO or CONTROL."""

    job: str
    control: int | None = None
    time: str | None = None
    """The digits as they were sent; the station checks none of them."""
    epoch: int | None = None


class Written(Record, frozen=True):
    """What came of a WRITE. `job` is empty where the station did not say."""

    job: str
    ok: bool


class CardError(Record, frozen=True):
    """`Error: ...`; repeated 15 to 20 times a second while an unprepared card lies there."""

    text: str
    job: str = ""


class CardFull(Record, frozen=True):
    """What follows `Error: card full - `: the punch that did not fit."""

    control: int
    uid: str


class Warned(Record, frozen=True):
    """`WARNING: ...` or the backup's excuse. SET CTRL outside the control modes warns, and has obeyed all the same."""

    text: str


class Refused(Record, frozen=True):
    """`ERROR: ...`: a WRITE CONTROL with a bad number or no time."""

    text: str


class UnknownArgument(Record, frozen=True):
    """The last word the station looked at; proof of life all the same."""

    word: str


class Starting(Record, frozen=True):
    """The board was reset."""


class NoRtc(Record, frozen=True):
    """No clock chip: the station has halted."""


class Help(Record, frozen=True):
    """A line of the help."""

    text: str


class DebugText(Record, frozen=True):
    """Debug output, which firmware 0.2 was shipped with."""

    text: str
