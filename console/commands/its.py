"""`racedeck its tap` and `its replay`: record the ITS server's link, and hold the recording against the documents."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from console.codecs.columns import plain
from console.commands import show
from console.exit import Exit, Failure
from console.links.address import parse_address


def tap(args: argparse.Namespace) -> int:
    """Record until interrupted."""
    try:
        listen = parse_address(args.listen if ":" in args.listen else f"127.0.0.1:{args.listen}")
        forward = parse_address(args.forward)
    except ValueError as error:
        raise Failure(Exit.USAGE, str(error)) from None
    path = Path(args.log or f"its-tap-{datetime.now():%Y%m%d-%H%M%S}.jsonl")  # noqa: DTZ005 - a name for people
    return asyncio.run(_tap(listen, forward, path))


async def _tap(listen: tuple[str, int], forward: tuple[str, int], path: Path) -> int:
    from console.its.scribe import Scribe, on_stdout
    from console.its.tap import Tap
    from console.links.link import LinkError

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        scribe = Scribe(path, on_stdout)
    except OSError as error:
        raise Failure(Exit.FAILED, f"{path}: cannot be written: {error.strerror}") from None
    one, where = Tap(forward, scribe.put), ""
    try:
        where = await one.listen(*listen)
        print(f"listening on {where}; have the ITS program connect there. Ctrl-C ends it", file=sys.stderr)
        if where.rpartition(":")[0] not in ("127.0.0.1", "[::1]"):
            print("whoever reaches this address can use it, and passwords cross the network readable", file=sys.stderr)
        await stop.wait()
    except LinkError as error:
        raise Failure(Exit.FAILED, str(error)) from None
    finally:
        await one.close()
        await asyncio.to_thread(scribe.close)
        with contextlib.suppress(OSError):
            if where:
                print(f"\nconnections: {one.count}; recorded in {path}: racedeck its replay {path}", file=sys.stderr)
    if scribe.trouble:
        raise Failure(Exit.FAILED, f"{path}: not all is in it ({scribe.lost} rows lost): {scribe.trouble}")
    return Exit.OK


def replay(args: argparse.Namespace) -> int:
    """Look at a recording; status 7 where it contradicts the documents."""
    from console.codecs.thcom_link import Dialect
    from console.its.examine import examine
    from console.its.recording import RecordingError, Row, in_line, read

    def shown(rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            show.out(plain(in_line(row)))
            yield row
        show.out("")

    path = Path(args.file)
    try:
        rows = read(path)
        report = examine(shown(rows) if args.frames and not args.json else rows, Dialect())
    except RecordingError as error:
        raise Failure(Exit.FAILED, str(error)) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure(Exit.FAILED, f"{path}: cannot be read: {error.strerror}") from None
    if args.json:
        found = {"frames": report.frames, "lines": report.lines, "contradicts": report.against, "open": report.beyond}
        show.out(show.json_line(found))
        return Exit.TROUBLE if report.against else Exit.OK
    for line in report.lines:
        show.out(plain(line))
    for head, lines in (
        ("LEFT OPEN BY THE DOCUMENTS, AND SEEN HERE", report.beyond),
        ("CONTRADICTS THE DOCUMENTS", report.against),
    ):
        none = "nothing" if report.frames else "no frame was recorded, so nothing is known"
        show.out(f"\n{head}" if lines else f"\n{head}: {none}")
        for line in lines:
            show.out(plain(f"  {line}"))
    return Exit.TROUBLE if report.against else Exit.OK
