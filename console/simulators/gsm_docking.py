"""A GSM docking (HL540-GSM, ITSDOCKING-GSM) on its own serial line: parameter 030 (thcom.md, sections 2.3 and 4)."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace

from console.codecs import thcom
from console.codecs.thcom_records import Command
from console.exit import Exit, Failure
from console.simulators.port import (
    Port,
    add_fault_arguments,
    add_port_arguments,
    port_from,
)
from console.simulators.replay import RecordingError, replay

ACCEPTED, REJECTED, UNSUPPORTED = "AK C", "AK F", "AK R"

SETTINGS = "12345678abcdefg"
"""What parameter 030 has; that 6 is the SIM balance code, and how the letters are dealt out, is inferred."""

PASSWORDS = "38cg"
"""They can be written, and never read."""

LONGEST = 25


class Docking:
    """What it knows and says, without a wire. Every answer is the data of the messages it sends."""

    def __init__(self, serial_number: int = 540, *, older: bool = False) -> None:
        self.serial_number = serial_number
        self.version = "VA02"
        self.older = older
        """It knows `#GP`, and no parameters."""
        self.settings = {"1": "matooma.m2m", "4": "online.itschrono.com", "5": "3000"}
        self.status = "1F 3"
        """Parameter 034: bits in hex, signal."""

    def answer(self, command: Command) -> list[str]:
        """Carry out a command."""
        number, _, rest = command.text.partition(" ")
        match command.name, number:
            case "ID", _:
                return [ACCEPTED, f"ID {self.serial_number:05}"]
            case "SN", _:
                return [ACCEPTED, thcom.serial_line(self.serial_number, "HL540", self.version)]
            case "RP", "030" if not self.older:
                if len(rest) != 1 or rest not in SETTINGS or rest in PASSWORDS:
                    return [REJECTED]
                return [ACCEPTED, f"&P 030 {rest} {self.settings.get(rest, '')}".rstrip()]
            case "RP", "034" if not self.older:
                return [ACCEPTED, f"&P 034 {self.status}"]
            case "WP", "030" if not self.older:
                return [self._write(rest)]
            case "GP", _ if self.older:
                return [self._write(command.text)]
        return [UNSUPPORTED]

    def _write(self, text: str) -> str:
        setting, _, value = text.partition(" ")
        if len(setting) != 1 or setting not in SETTINGS or not 1 <= len(value) <= LONGEST:
            return REJECTED
        self.settings[setting] = value
        return ACCEPTED


async def serve(docking: Docking, port: Port) -> None:
    """Answer on `port`, with checksums, until it is closed."""
    decoder = thcom.Decoder(serial=True)
    while data := await port.read():
        for piece in decoder.receive(data):
            if isinstance(piece.record, Command):
                # How a docking answers a wrong checksum is not documented: rejected (inferred).
                for line in [REJECTED] if piece.flaw else docking.answer(piece.record):
                    port.write(thcom.basic(line, checksum=True))


# --- the command ---------------------------------------------------------------------------------------------


def arguments(parser: ArgumentParser) -> None:
    """The options of `racedeck simulate gsm-docking`."""
    parser.add_argument("--baud", type=int, choices=(2400, 9600, 19200, 38400, 57600), default=9600)
    parser.add_argument("--older", action="store_true", help="an older one: #GP instead of parameter 030")
    add_port_arguments(parser)
    add_fault_arguments(parser)


async def main(args: Namespace) -> None:
    """Be a docking until cancelled: print where it is to be reached. Raises Failure."""
    try:
        port = port_from(args, baud=args.baud)
    except (OSError, ValueError) as error:
        raise Failure(Exit.FAILED, f"simulate gsm-docking: {error}") from None
    print(port.where, flush=True)
    try:
        if args.replay:
            await replay(port, args.replay, args.speed)
        print("GSM docking: waiting to be asked", file=sys.stderr)
        await serve(Docking(older=args.older), port)
        await asyncio.Event().wait()
    except (OSError, RecordingError) as error:
        raise Failure(Exit.FAILED, f"simulate gsm-docking: {error}") from None
    finally:
        await port.close()
