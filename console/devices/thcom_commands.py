"""The commands of THCOM08 hosts: their words and help, what they may do, how they are sent (thcom.md, section 2.3)."""

from collections.abc import Callable

from msgspec import Struct

from console.codecs.thcom_layouts import (
    Layout,
    channel,
    date_short,
    day,
    field,
    mask,
    minute,
    new_bib,
    number,
    text,
    time_of_day,
)
from console.codecs.thcom_records import Ident, Parameter, Record, Serial, Synchro, Time
from console.devices.thcom_talk import Wants
from console.model import Argument, CommandError, CommandInfo, find

SECRETS = frozenset("38cg")
"""Fields of parameter 030 that are passwords; `c` and `g` are inferred: the second set in the order of the first."""


class Host(Struct, frozen=True, kw_only=True):
    """A command, and how it is sent."""

    info: CommandInfo
    layouts: tuple[Layout, ...] = ()
    wants: Callable[[list[str]], Wants] | None = None
    """The data that follows AK C, given the arguments."""
    rejected: str = ""
    """What AK F may mean here (inferred: the specification gives no reasons)."""

    def data(self, values: list[str]) -> str:
        """The data of its frame. Raises CommandError for an argument that its columns cannot hold."""
        laid = []
        for argument, layout, value in zip(self.info.arguments, self.layouts, values, strict=False):
            try:
                laid.append(layout(value))
            except ValueError as error:
                raise CommandError(f"{self.info.usage}: {argument.name} {error}; got {value[:40]!r}") from None
        return " ".join((self.info.words, *laid))


def _wants_parameter(values: list[str]) -> Wants:
    wanted = values[0][:3]
    return Wants("&P", lambda record: isinstance(record, Parameter) and record.number == wanted)


def _wants_time(values: list[str]) -> Wants:
    # A CP540 has answered for channel M5 when it was asked for 05 (section 2.2).
    sequence, wanted = int(values[0]), int(values[1].lstrip("Mm"))

    def fits(record: Record) -> bool:
        if not isinstance(record, Time) or record.tag[0] != "A":
            return False
        return record.sequence == sequence and int(record.channel.lstrip("M")) == wanted

    return Wants("time (A*)", fits)


def _wants(tag: str, kind: type[Record]) -> Callable[[list[str]], Wants]:
    return lambda values: Wants(tag, lambda record: isinstance(record, kind))


RUN = Argument(name="RR", help="number of the run, 1 to 99")
CHANNEL = Argument(name="CC", help="channel, 1 to 99, or M1.. for a manual key")
SEQUENCE = Argument(name="SSSS", help="number of the time on its channel")
LIST = Argument(name="file.csv", help="a CSV file with a column bib, or with bibs in the first column", file=True)

NO_RUN = "no run of that number in its memory?"
NO_TIME = "no such time in its memory?"


def _host(
    words: str,
    what: str,
    *arguments: tuple[Argument, Layout],
    wants: Callable[[list[str]], Wants] | None = None,
    rejected: str = "",
    key: str = "",
    changes: bool = False,
    destroys: str = "",
) -> Host:
    info = CommandInfo(
        words=words,
        help=what,
        arguments=tuple(argument for argument, _ in arguments),
        key=key,
        changes=changes,
        destroys=destroys,
    )
    return Host(info=info, layouts=tuple(layout for _, layout in arguments), wants=wants, rejected=rejected)


def _of(name: str, what: str, *choices: str, rest: bool = False, default: str = "") -> Argument:
    return Argument(name=name, help=what, choices=choices, rest=rest, default=default)


STATUS = CommandInfo(words="STATUS", help="ask for type, power, next bib, blocked inputs, GSM and memory", key="s")
SET_CLOCK = CommandInfo(
    words="SET CLOCK",
    arguments=(Argument(name="HH:MM", help="the full minute to do it at; else the next one", optional=True),),
    help="007, then 008 as the minute begins, by this machine's clock",
    key="C",
    changes=True,
    sets_clock=True,
    long=True,
)
START_LIST = CommandInfo(
    words="START LIST",
    arguments=(LIST,),
    help="replace the start list by the bibs of a CSV file",
    key="L",
    changes=True,
    long=True,
)
DOWNLOAD = CommandInfo(
    words="DOWNLOAD RUN", arguments=(RUN,), help="a whole run, compared with what came live", key="w", long=True
)

HOSTS = (
    _host("#ID", "give the serial number", wants=_wants("ID", Ident)),
    _host("#SN", "serial, type and version", key="v", wants=_wants("SN", Serial)),
    _host("#!T", "synchro time: now, and one second", key="t", wants=_wants("!T", Synchro)),
    _host("#PL", "print a line", (_of("text", "up to 24 characters", rest=True), text(24)), key="p"),
    _host("#BM", "broadcast text to all ports", (_of("text", "up to 32 characters", rest=True), text(32)), key="m"),
    _host("#SLR", "start list: clear it", changes=True),
    _host(
        "#SLA",
        "start list: add a bib",
        (_of("NNNN", "a bib, 1 to 9999"), number(4, 1, 9999)),
        changes=True,
        rejected="is the bib in it already, or the list full?",
    ),
    _host("#SLC", "start list: close it", changes=True),
    _host(
        "#RT",
        "recall a time",
        (SEQUENCE, number(4, 0, 9999)),
        (CHANNEL, channel),
        key="r",
        wants=_wants_time,
        rejected=NO_TIME,
    ),
    _host("#EE", "event messages off or on (016 says which)", (_of("X", "0 off, 1 on", "0", "1"), str), changes=True),
    _host(
        "#RP",
        "read parameter",
        (_of("III", "its number, as 001 precision, 025 power, 026 next bib, 038 memory", rest=True), field),
        key="e",
        wants=_wants_parameter,
        rejected="does it want more than its number?",
    ),
    _host(
        "#WP",
        "write parameter",
        (_of("III", "its number"), field),
        (_of("value", "as the manual writes it", rest=True), text(64)),
        key="P",
        changes=True,
        rejected="is that a value it can have?",
    ),
    _host(
        "#WC 001",
        "close the run",
        key="K",
        changes=True,
        destroys="The run is closed: what comes after it is no longer in it.",
        rejected="is a run open?",
    ),
    _host(
        "#WC 002",
        "open a run (PTB and SPLIT only)",
        key="O",
        changes=True,
        rejected="only the modes PTB and SPLIT open a run so",
    ),
    _host(
        "#WC 003",
        "open timing mode",
        (_of("XX", "number of the mode, as in parameter 002"), number(2, 0, 99)),
        key="M",
        changes=True,
        rejected="is a run still open, or that no mode?",
    ),
    _host(
        "#WC 005 12345",
        "clear the memory",
        changes=True,
        destroys="EVERY RUN AND TIME IN THE TIMER'S MEMORY IS ERASED. What is in the journal stays.",
        rejected="is a run open?",
    ),
    _host(
        "#WC 007",
        "new synchro, begun by 008 (SET CLOCK does both)",
        (
            _of(
                "TT",
                "01 internal, 02 manual, 03 zero, 04 master or slave, 05 GPS",
                "01",
                "02",
                "03",
                "04",
                "05",
                default="02",
            ),
            str,
        ),
        (_of("HH:MM", "what the clock will show"), minute),
        (_of("DD/MM/YY", "and its date"), date_short),
        changes=True,
        rejected="is a run open? One CP540 of version VE07 may never take it: then set its clock by its own keys",
    ),
    _host(
        "#WC 008",
        "fire an impulse on a manual input, or begin a synchro",
        (_of("XX", "number of the input", default="01"), number(2, 1, 99)),
        key="T",
        changes=True,
        rejected="is that input blocked?",
    ),
    _host("#WC 010", "GSM", (_of("X", "0 off, 1 or 2 the settings to use", "0", "1", "2"), str), changes=True),
    _host(
        "#WC 011",
        "Ethernet (off also ends a TCP link to here)",
        (_of("X", "0 off, 1 standard, 2 the IP as set", "0", "1", "2"), str),
        changes=True,
    ),
    _host(
        "#WC 012",
        "download a run to other ports of the timer",
        (RUN, number(2, 1, 99)),
        (_of("TTTT", "hex: 0000 printer, 0001 main RS232, 2 and 4 auxiliary, 8 GSM, 10 to 80 sockets"), mask(4)),
        rejected=NO_RUN,
    ),
    _host(
        "#WC 013",
        "re-identify time: another bib, 0 none, C cancelled",
        (CHANNEL, channel),
        (SEQUENCE, number(4, 0, 9999)),
        (_of("NNNN", "bib; 0 removes it; C cancels the time"), new_bib),
        key="R",
        changes=True,
        rejected=NO_TIME,
    ),
    _host(
        "#WC 014",
        "insert a time",
        (CHANNEL, channel),
        (_of("NNNN", "bib, 0 none"), number(4, 0, 9999)),
        (_of("HH:MM:SS.FFFFF", "time of day"), time_of_day),
        (Argument(name="DDDDD", help="date, YYYY-MM-DD or days since 2000-01-01; else today", optional=True), day),
        key="I",
        changes=True,
        rejected="is a run open?",
    ),
    _host(
        "#WC 015",
        "duplicate time for a second bib",
        (CHANNEL, channel),
        (SEQUENCE, number(4, 0, 9999)),
        (_of("XXXX", "bib that has the time"), number(4, 0, 9999)),
        (_of("ZZZZ", "bib that gets it too"), number(4, 1, 9999)),
        key="D",
        changes=True,
        rejected=NO_TIME,
    ),
    _host(
        "#WC 016",
        "event messages: which it sends",
        (_of("XX", "hex: 01 parameters, 02 display, 04 keys and beeps, 08 others"), mask(2)),
        key="E",
        changes=True,
    ),
    Host(
        info=CommandInfo(words="#DL", arguments=(RUN,), help="download a run, as DOWNLOAD RUN does", long=True),
        layouts=(number(2, 1, 99),),
        rejected=NO_RUN,
    ),
    Host(info=STATUS),
    Host(info=SET_CLOCK, layouts=(minute,)),
    Host(info=START_LIST, layouts=(str,)),
    Host(info=DOWNLOAD, layouts=(number(2, 1, 99),), rejected=NO_RUN),
    _host("PING", "the same as #SN, as a proof of life", wants=_wants("SN", Serial)),
)

COMMANDS = tuple(host.info for host in HOSTS)

_BY_WORDS = {host.info.words: host for host in HOSTS}

REFUSED = {
    "#MC": "is for the factory only",
    "#DF": "is for displays",
    "#GP": "belongs to the GSM docking: give it a device of type gsm-docking",
    "#GC": "belongs to the server link",
    "#UN": "belongs to the server link",
    "#PW": "belongs to the server link",
    "#WC 004": "is for programs of the HL940",
    "#WC 006": "is for programs of the HL940",
    "#WC 009": "presses keys and sounds the buzzer",
    "#WC 017": "locks the keyboard",
    "#WC 018": "is for the lights of the HL975",
}
"""Commands that THCOM08 has, and RaceDeck does not send."""


def read(words: str) -> tuple[Host, list[str]]:
    """The command that `words` are, and its arguments, checked. Raises CommandError."""
    given = words.upper().split()
    label = next((one for one in (" ".join(given[:2]), *given[:1]) if one in REFUSED), "")
    if label:
        raise CommandError(f"{label} {REFUSED[label]}: it is not sent from here")
    if given[1:2] == ["030"] and given[2:] and given[2][0].lower() in SECRETS:
        raise CommandError(
            "that setting is a password, and what is typed here is kept: SET PASSWORD of a gsm-docking device takes it "
            "from a file; none can be read"
        )
    info, values = find(COMMANDS, words)
    host = _BY_WORDS[info.words]
    host.data(values)
    return host, values
