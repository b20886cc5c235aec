"""THCOM08 frames in words, field by field, for the detail view of the log."""

from datetime import date, timedelta

from console.codecs import thcom
from console.codecs.thcom_records import (
    RESULTS,
    SOURCES,
    STATES,
    Ack,
    Command,
    DeviceEvent,
    DownloadEnd,
    DownloadStart,
    Ident,
    KeepAlive,
    Login,
    Parameter,
    Record,
    Result,
    RunClose,
    RunOpen,
    Serial,
    Speed,
    Synchro,
    Time,
    Unknown,
)
from console.devices.thcom_commands import COMMANDS as SENT
from console.devices.thcom_commands import SECRETS
from console.devices.thcom_status import told

PARAMETERS = {
    "001": "precision",
    "002": "timing mode",
    "003": "run settings",
    "004": "lock time",
    "005": "numbering",
    "006": "inputs blocked",
    "010": "synchro",
    **{f"{number:03}": f"serial port ({number:03})" for number in range(15, 21)},
    "023": "input direction",
    "025": "power",
    "026": "next bib",
    "034": "GSM status",
    "035": "sockets",
    "038": "memory",
}
"""Number of a parameter -> what it is (thcom.md, section 2.3). 030 holds passwords, and is left out."""

COMMANDS = {
    "ID": "give the serial number",
    "SN": "give serial number, type and version",
    "!T": "give the time to synchronise to",
    "PL": "print a line",
    "SL": "start list",
    "DL": "download a run",
    "RT": "recall a time",
    "BM": "send a text to all ports",
    "EE": "event messages off or on",
    "RP": "read a parameter",
    "WP": "write a parameter",
    "WC": "carry out a command",
    "UN": "ask for the user name",
    "PW": "ask for the password",
    "GC": "server link: accept or refuse a client",
    "GP": "server link settings",
    "DF": "display frame",
}

ANSWERS = {"C": "accepted", "F": "rejected", "R": "not supported"}


def explain(raw: bytes) -> dict[str, str]:
    """What a frame means. Any bytes will do."""
    decoder = thcom.Decoder(serial=False)
    pieces = [*decoder.receive(raw), *decoder.flush()]
    if not pieces:
        return {}
    piece = pieces[0]
    words = _words(piece.record) if piece.record else {}
    if decoder.checksums:
        words["checksum"] = "CS16, correct"
    if piece.flaw:
        words["wrong"] = piece.flaw
    return words


def _words(record: Record) -> dict[str, str]:
    match record:
        case KeepAlive():
            return {"message": "empty line: idle, but alive"}
        case Time():
            return {
                "message": f"{record.tag}: time, {STATES[record.tag[1]]}, {SOURCES[record.tag[0]]}",
                "bib": record.bib or "none",
                "channel": f"{record.channel} (by hand)" if record.channel.startswith("M") else record.channel,
                "sequence": f"{record.sequence} on this channel",
                "time of day": record.time,
                "date": _date(record.day),
            }
        case Result():
            first, second = {"DR": ("winner", "loser"), "IR": ("intermediate", "bib")}.get(record.tag, ("rank", "bib"))
            return {
                "message": f"{record.tag}: {RESULTS[record.tag]}",
                first: "none" if record.number is None else str(record.number),
                second: record.bib or "none",
                "time": record.time,
            }
        case Speed():
            return {
                "message": "VE: speed",
                "number": str(record.number),
                "bib": record.bib or "none",
                "speed": f"{record.speed} {record.unit}",
            }
        case RunOpen() | DownloadStart():
            what = "OP: run opened" if isinstance(record, RunOpen) else "DS: download begins"
            added = f"run {record.added}{', itself a sum' if record.total else ''}" if int(record.added) else "none"
            return {"message": what, "run": record.run, "name": record.name, "added run": added}
        case RunClose(run=run):
            return {"message": "CL: run closed", "run": run}
        case DownloadEnd(run=run):
            return {"message": "DE: download ends", "run": run}
        case Ident(serial=serial):
            return {"message": "ID: serial number", "serial": serial}
        case Serial():
            docking = f"{record.docking_serial} {record.docking_version}".strip()
            return {
                "message": "SN: serial number and type",
                "type": record.type,
                "serial": record.serial,
                "version": record.version,
                **({"docking": docking} if docking else {}),
            }
        case Ack(code=code):
            return {"message": f"AK {code}: command {ANSWERS[code]}"}
        case Parameter(number=number, value=value):
            if number == "030" and value[:1].lower() in SECRETS:
                return {"message": "&P 030: password of the server link, not shown"}
            words, name = told(number, value), PARAMETERS.get(number, "GSM settings" if number == "030" else "unknown")
            return {
                "message": f"&P {number}: {name}",
                "value": value,
                **({"in words": words} if words != value else {}),
            }
        case DeviceEvent(tag=tag, text=text):
            return {"message": f"{tag}: key, beep or display event", "data": text}
        case Synchro():
            return {"message": f"{record.tag}: time to synchronise to", "time": record.time, "date": record.date}
        case Login(tag=tag):
            return {"message": f"{tag}: {'user name' if tag == 'UN' else 'password'} of the server link, not shown"}
        case Command(name=name, text=text):
            setting = text.removeprefix("030 ") if name == "WP" else text
            secret = (name == "GP" or setting != text) and setting[:1].lower() in SECRETS
            arguments = {"arguments": "not shown" if secret else text} if text else {}
            return {
                "message": f"#{name}: {_done(text) if name == 'WC' else COMMANDS.get(name, 'command')}",
                **arguments,
            }
        case Unknown(text=text):
            return {"message": "not in THCOM08", "text": text}


def _done(text: str) -> str:
    """What a #WC carries out."""
    known = (one.help for one in SENT if one.words.startswith(f"#WC {text[:3]}"))
    return next(known, COMMANDS["WC"])


def time_in_words(record: Time) -> str:
    """A time on one line: `bib 16, 72 on M5, 12:13:56.77984, 2006-06-02`."""
    who = f"bib {record.bib}" if record.bib else "no bib"
    state = "" if record.tag[1] == "N" else f", {STATES[record.tag[1]]}"
    date = f", {_date(record.day)}" if record.day else ""
    return f"{who}, {record.sequence} on {record.channel}, {record.time}{date}{state}"


def _date(day: int | None) -> str:
    return str(date(2000, 1, 1) + timedelta(days=day)) if day else "none"
