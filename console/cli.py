"""The `racedeck` command. What a subcommand needs is imported when it runs: `racedeck status` starts no Textual."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version

from console.exit import Exit, Failure
from console.simulators import SIMULATORS

EXITS = """\
exit status: 0 done; 1 tried and not done; 2 wrong command line; 3 wrong settings; 4 no engine runs;
5 the engine could not be started; 6 the engine refused; 7 doctor, config check or its replay found something.
stdout is data, stderr is talk."""


SEND = "act:send"
"""What runs `racedeck send`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `racedeck` with `argv` (None: of this process); returns the exit status."""
    top = parser(argv)
    args, rest = top.parse_known_args(argv)
    if rest and (args.run != SEND or any(word.startswith("-") for word in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # argparse takes no words behind an option: `send start --yes start #WC 001`
        args.words += rest
    module, _, function = args.run.partition(":")
    run: Callable[[argparse.Namespace], int] = getattr(import_module(f"console.commands.{module}"), function)
    try:
        return int(run(args))
    except Failure as failure:
        print(f"racedeck: {failure.reason}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our stdout has gone; nothing is wrong
        return Exit.OK
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator gets a sentence
        status = _known(error)
        print(f"racedeck: {error if status is not None else _unknown(error)}", file=sys.stderr)
        return Exit.FAILED if status is None else status


def _known(error: Exception) -> Exit | None:
    """The exit status of an error that is an answer, not a fault of ours."""
    from console.config import SettingsError
    from console.control.client import EngineGoneError, RefusedError

    if isinstance(error, SettingsError):
        return Exit.SETTINGS
    if isinstance(error, RefusedError):
        return Exit.REFUSED
    return Exit.NO_ENGINE if isinstance(error, EngineGoneError) else None


def _unknown(error: Exception) -> str:
    """What to say of a fault of ours; where it happened goes to a file, not to the operator's terminal."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="racedeck-fault-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    return f"this is a fault in RaceDeck: {error!r}; please report it with {file.name}"


def parser(argv: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The command line. Simulators add their own arguments, and are imported only where `simulate` is called."""
    top = argparse.ArgumentParser(
        prog="racedeck",
        description="The operator's console for sports timing. Without a command: attach, starting an engine.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"racedeck {version('racedeck')}")
    _places(top, default=None)
    _console(top)
    top.set_defaults(run="console:attach")
    commands = top.add_subparsers(metavar="COMMAND", title="commands")
    given = list(argv if argv is not None else sys.argv[1:])

    def command(name: str, run: str, text: str) -> argparse.ArgumentParser:
        # Defaults are the top level's, so that both `racedeck --config F status` and `... status --config F` work.
        sub = commands.add_parser(name, help=text, description=text, epilog=EXITS)
        sub.formatter_class = argparse.RawDescriptionHelpFormatter
        sub.set_defaults(run=run)
        _places(sub, default=argparse.SUPPRESS)
        return sub

    attach = command("attach", "console:attach", "attach a console, starting an engine if none runs (the default)")
    _console(attach)

    engine = command("engine", "engine:engine", "run the engine in the foreground, for systemd")
    engine.add_argument("--print-unit", action="store_true", help="print a systemd unit file and exit")
    engine.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    engine.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)

    command("stop", "engine:stop", "stop the engine")

    demo = command("demo", "demo:demo", "watch a small simulated race; nothing of yours is touched")
    demo.add_argument("--headless", action="store_true", help="no screen: print the race as it goes")
    demo.add_argument("--for", dest="seconds", type=float, help="end after this many seconds (headless: 30)")
    demo.add_argument("--json", action="store_true", help="headless: print one JSON object at the end, nothing else")
    demo.add_argument("--seed", type=int, default=7, help="another race for another number")
    _look(demo)

    status = command("status", "look:status", "how everything stands")
    status.add_argument("--json", action="store_true", help="as one JSON object")

    tail = command("tail", "look:tail", "the newest rows, or those beyond --since")
    what = tail.add_mutually_exclusive_group()
    what.add_argument("--passings", action="store_true", help="passings (the default)")
    what.add_argument("--frames", action="store_true", help="frames, as they crossed the wire")
    what.add_argument("--incidents", action="store_true", help="what the operator should know")
    tail.add_argument("--device", default="", help="only of this device")
    tail.add_argument("--since", type=int, metavar="SEQ", help="rows beyond this number; 0: all")
    tail.add_argument("--limit", type=int, default=20, help="without --since: how many of the newest")
    tail.add_argument("--follow", "-f", action="store_true", help="go on with those to come")
    tail.add_argument("--json", action="store_true", help="one JSON object per line")

    phase = command("phase", "act:phase", "set the phase of the event")
    phase.add_argument("phase", choices=("test", "race", "closed"))

    gun = command("gun", "act:gun", "say when the race clock showed zero")
    gun.add_argument(
        "time", nargs="?", default="now", help="now, HH:MM:SS[.f] in the event's zone, or an ISO date and time"
    )
    gun.add_argument("--device", default="", help="only the clock of this device")

    send = command("send", SEND, "send a command to a device, in the words of its manual")
    send.add_argument("device")
    send.add_argument("words", nargs="*", metavar="COMMAND", help="none: list what the device takes")
    send.add_argument("--json", action="store_true", help="the answer as one JSON object")
    send.add_argument(
        "--yes",
        metavar="DEVICE",
        default="",
        help="the device's name: do it although a race is running, or data is lost",
    )

    bib = command("bib", "act:bib", "say whose passing it was; exports send it ten seconds later")
    bib.add_argument("passing", type=int, metavar="PASSING", help="its number")
    whose = bib.add_mutually_exclusive_group(required=True)
    whose.add_argument("bib", nargs="?", metavar="BIB", help="letters and digits, 16 at most")
    whose.add_argument("--none", action="store_true", help="nobody's that is known")

    command("undo", "act:undo", "take back the newest bib that you gave")

    take_over = command("take-over", "act:take_over", "have count what a download or a backup of a device offers")
    take_over.add_argument("device")
    take_over.add_argument(
        "passings", nargs="*", type=int, metavar="PASSING", help="only these; without: all that never came"
    )
    take_over.add_argument("--test", action="store_true", help="without numbers: all that came during TEST, instead")

    resend = command("resend", "resend:resend", "have an export send passings again, to whoever is connected")
    resend.add_argument("export", metavar="EXPORT")
    place = "SEQ|TIME"
    resend.add_argument("--from", dest="begin", metavar=place, default="", help="a passing's number, or when it came")
    resend.add_argument("--to", dest="end", metavar=place, default="", help="the last one; as HH:MM[:SS]")
    resend.add_argument("--frame", type=int, metavar="SEQ", help="from the first passing of this frame, or behind it")
    resend.add_argument("--point", default="", help="only at this timing point")
    resend.add_argument("--bib", default="", help="only of this bib")
    resend.add_argument("--all", dest="everything", action="store_true", help="all of the event")
    resend.add_argument("--peer", metavar="ADDRESS", help="only to this one")

    held = command("held", "exports:held", "what an export must not send unasked: release it, or never send it")
    held.add_argument("export", metavar="EXPORT")
    held.add_argument("action", choices=("list", "release", "skip"), nargs="?", default="list")
    held.add_argument("--peer", metavar="ADDRESS", help="only what is held for this one")

    sync = command("sync-all", "sync:sync_all", "set the clocks of all OTIMCON stations from this machine's")
    sync.add_argument("--json", action="store_true", help="one JSON object per station")
    sync.add_argument(
        "--yes",
        metavar="DEVICE[,DEVICE]",
        action="append",
        default=[],
        help="names of stations: set these although a race is running, or this machine's clock may be wrong",
    )

    ports = command("ports", "doctor:ports", "serial ports by their stable names; opens none")
    ports.add_argument("--json", action="store_true", help="one JSON object per line")

    command("reload", "engine:reload", "have the engine read its settings again")

    dump = command("dump", "look:dump", "everything of one kind, for spreadsheets and replays")
    dump.add_argument("what", choices=("frames", "passings"))
    dump.add_argument("--format", choices=("csv", "json"), default="csv")
    dump.add_argument("--device", default="", help="only of this device")

    report = command("report", "sheets:report", "the day's reconciliation: what came, what went out, and what did not")
    report.add_argument(
        "--show",
        nargs="+",
        default=[],
        metavar=("FIGURE", "OF"),
        help="the rows behind a figure: of a device, of an export, or of an export and one of its peers",
    )
    look = report.add_mutually_exclusive_group()
    look.add_argument("--csv", action="store_true", help="for spreadsheets")
    look.add_argument("--json", action="store_true", help="as one JSON object; with --show one per row")

    export = command("export", "exports:list_", "list, add, change, remove, pause exports; skip what waits")
    _exports(export)

    sheet = command("sheet", "sheets:sheet", "a table as the screens show it, about a device or the event")
    sheet.add_argument("name", metavar="NAME")
    sheet.add_argument("device", nargs="?", default="", metavar="DEVICE", help="only of this device")
    look = sheet.add_mutually_exclusive_group()
    look.add_argument("--csv", action="store_true", help="for spreadsheets")
    look.add_argument("--json", action="store_true", help="one JSON object per row")
    _sheets(sheet, given)

    replay = command(
        "replay",
        "play:replay",
        "play recorded frames (`dump frames --format json`) back, each device on a port of its own",
    )
    replay.add_argument("file")
    replay.add_argument(
        "--tcp", action="store_true", help="on TCP ports (`address`) instead of pseudo-terminals (`port`)"
    )
    replay.add_argument("--speed", type=float, default=1.0, help="times as fast as it was; 0: as fast as it goes")

    recover = command("recover", "recover:recover", "rebuild an event from its flight log alone")
    recover.add_argument("flight_log", help="the flight.log of the lost event, or its mirror")

    relay = command("relay", "relay:serve", "a server of our own for the link to ITS ONLINE TIMING")
    _relay(relay)

    its = command("its", "its:tap", "record what ITS programs say to their server, and look at it")
    _its(its)

    simulate = command("simulate", "play:simulate", "a stand-in for a device or for scoring software")
    _simulators(simulate, given)

    doctor = command("doctor", "doctor:doctor", "check ports, permissions, clock, disk and addresses; opens no port")
    doctor.add_argument("--json", action="store_true", help="one JSON object per finding")

    settings = command("config", "settings:config", "check, show or find the settings")
    settings.add_argument("what", choices=("check", "show", "path"))
    return top


def _places(sub: argparse.ArgumentParser, default: str | None) -> None:
    sub.add_argument("--config", metavar="FILE", default=default, help="the settings (or RACEDECK_CONFIG)")
    sub.add_argument("--state-dir", metavar="DIR", default=default, help="journals and sockets (or RACEDECK_STATE_DIR)")


def _console(sub: argparse.ArgumentParser) -> None:
    default = None if sub.prog == "racedeck" else argparse.SUPPRESS
    sub.add_argument("--observe", action="store_true", default=default or False, help="only look")
    sub.add_argument("--no-farewell", action="store_true", default=default or False, help=argparse.SUPPRESS)
    _look(sub)


def _look(sub: argparse.ArgumentParser) -> None:
    """How a console looks on this terminal."""
    nothing = None if sub.prog == "racedeck" else argparse.SUPPRESS
    off = False if sub.prog == "racedeck" else argparse.SUPPRESS
    sub.add_argument("--theme", choices=("dark", "light", "sun", "mono"), default=nothing, help="colours")
    sub.add_argument(
        "--slow", action="store_true", default=off, help="for slow links: draw four times a second at most"
    )
    sub.add_argument("--fps", type=int, default=nothing, metavar="N", help="draw N times a second at most")
    sub.add_argument("--ascii", action="store_true", default=off, help="no box drawing")
    sub.add_argument("--no-bell", action="store_true", default=off, help="no bell on a new alarm")


def _exports(export: argparse.ArgumentParser) -> None:
    """What can be done to exports."""
    verbs = export.add_subparsers(metavar="ACTION", required=True, title="actions")

    def verb(name: str, run: str, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, epilog=EXITS)
        sub.formatter_class = argparse.RawDescriptionHelpFormatter
        sub.set_defaults(run=f"exports:{run}")
        _places(sub, default=argparse.SUPPRESS)
        return sub

    listed = verb("list", "list_", "how they stand; with a name, all that can be set of that one")
    listed.add_argument("name", nargs="?", default="", metavar="EXPORT")
    listed.add_argument("--json", action="store_true", help="one JSON object per export")

    add = verb("add", "add", "one more, into the settings and to work at once")
    add.add_argument("name", metavar="EXPORT", help="what it is to be called")
    add.add_argument("values", nargs="+", metavar="KEY=VALUE", help="type=..., listen=HOST:PORT or connect=HOST:PORT")

    change = verb("set", "change", "other settings for one, which starts anew with them")
    change.add_argument("name", metavar="EXPORT")
    change.add_argument("values", nargs="+", metavar="KEY=VALUE", help="KEY= alone brings the default back")

    remove = verb("remove", "remove", "one less; its account stays in the journal")
    remove.add_argument("name", metavar="EXPORT")

    for sub in (change, remove):
        sub.add_argument("--yes", metavar="EXPORT", default="", help="its name: do it although clients are connected")

    renumber = verb(
        "renumber", "renumber", "number its lines from 1 again: scoring software has lost what it had (ctp01)"
    )
    renumber.add_argument("name", metavar="EXPORT")
    renumber.add_argument("--yes", metavar="EXPORT", default="", help="its name: send everything again")

    for name, text in (("pause", "send nothing until it is resumed, over restarts"), ("resume", "go on after a pause")):
        verb(name, name, text).add_argument("name", metavar="EXPORT")

    skip = verb("skip", "skip", "never send what waits: go on with what comes now")
    skip.add_argument("name", metavar="EXPORT")
    skip.add_argument("--peer", metavar="ADDRESS", help="only what waits for this one")
    skip.add_argument("--yes", metavar="EXPORT", default="", help="its name: skip as many as were told")

    forget = verb("forget", "forget", "wait for a client no more that came once and stays away")
    forget.add_argument("name", metavar="EXPORT")
    forget.add_argument("peer", metavar="PEER", help="the client, as `export list` has it")
    forget.add_argument("--yes", metavar="EXPORT", default="", help="its name: what waits for it is never sent")


def _relay(relay: argparse.ArgumentParser) -> None:
    """What can be done with a relay."""

    def verbs(of: argparse.ArgumentParser) -> Callable[[str, str, str], argparse.ArgumentParser]:
        actions = of.add_subparsers(metavar="ACTION", required=True, title="actions")

        def verb(name: str, run: str, text: str) -> argparse.ArgumentParser:
            sub = actions.add_parser(name, help=text, description=text, epilog=EXITS)
            sub.formatter_class = argparse.RawDescriptionHelpFormatter
            sub.set_defaults(run=run)
            _places(sub, default=argparse.SUPPRESS)
            return sub

        return verb

    verb = verbs(relay)
    serve = verb("serve", "relay:serve", "run it in the foreground")
    serve.add_argument("--listen", metavar="HOST:PORT", help="instead of the settings' (127.0.0.1:3000)")

    ids = verbs(verb("id", "relay:add_id", "users that timers and PCs log in with (TIMER ID)"))
    add = ids("add", "relay:add_id", "one more, or a new password; it is asked for, or comes on stdin")
    add.add_argument("user", metavar="USER")
    ids("remove", "relay:remove_id", "one less").add_argument("user", metavar="USER")

    material = verbs(verb("material", "relay:add_material", "timers and PCs"))
    add = material("add", "relay:add_material", "one more, or other words about one")
    add.add_argument("serial", metavar="SERIAL", help="four digits, as set on the device")
    add.add_argument("--type", choices=("timer", "pc"), required=True)
    add.add_argument("--model", default="", help="TM550, CP545, ...; Computer")
    add.add_argument("--label", default="", help="what people call it")
    add.add_argument("--color", "--colour", dest="colour", default="", help="Blue, Green, ...")
    add.add_argument("--phone", default="", help="number of its SIM card")
    add.add_argument("--user", required=True, help="the id it logs in with")
    material("remove", "relay:remove_material", "one less").add_argument("serial", metavar="SERIAL")

    arrows = verb("configuration", "relay:configuration", "who sends to whom, instead of what there was")
    arrows.add_argument("name", metavar="NAME")
    for option, dest, text in (
        ("--from", "sender", "each of these sends"),
        ("--to", "receiver", "to each of these; again --from and --to for more"),
    ):
        arrows.add_argument(option, dest=dest, nargs="+", action="append", required=True, metavar="SERIAL", help=text)

    event = verb("event", "relay:event", "from when to when a configuration counts")
    event.add_argument("name", metavar="NAME")
    event.add_argument("--start", metavar="DATE", required=True, help="first day, as 2024-11-28")
    event.add_argument("--end", metavar="DATE", required=True, help="last day")
    event.add_argument("--zone", required=True, help="where, as Europe/Paris")
    event.add_argument("--configuration", metavar="NAME", required=True)

    activate = verb("activate", "relay:activate", "have this event count, and no other")
    activate.add_argument("event", nargs="?", default="", metavar="EVENT", help="where there is more than one")

    data = verb("data", "relay_looks:data", "the DATA list: what came, to whom it went, what became of it")
    data.add_argument("--serial", default="", help="only from it or to it")
    data.add_argument("--limit", type=int, default=50, metavar="N", help="the newest N (50); 0: all")
    look = data.add_mutually_exclusive_group()
    look.add_argument("--csv", action="store_true", help="for spreadsheets")
    look.add_argument("--json", action="store_true", help="one JSON object per row")

    status = verb("status", "relay_looks:status", "what is set up, who is connected, what waits; 4: it does not run")
    status.add_argument("--json", action="store_true", help="as one JSON object")

    skip = verb("skip", "relay:skip", "never mind what waits for a device: go on with what comes now")
    skip.add_argument("serial", metavar="SERIAL")
    skip.add_argument("--own", action="store_true", help="what it has not sent itself: tell it so at its next login")

    resend = verb("resend", "relay:resend", "send what was skipped after all")
    resend.add_argument("serial", metavar="SERIAL")
    resend.add_argument(
        "--from", dest="begin", type=int, default=0, metavar="NO", help="from this row of the DATA list"
    )
    resend.add_argument("--to", dest="end", type=int, metavar="NO", help="up to this one")
    resend.add_argument("--own", action="store_true", help="let it keep its own, after `skip --own`")


def _its(its: argparse.ArgumentParser) -> None:
    """What can be done with the ITS server's link, without an engine."""
    verbs = its.add_subparsers(metavar="ACTION", required=True, title="actions")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, epilog=EXITS)
        sub.formatter_class = argparse.RawDescriptionHelpFormatter
        sub.set_defaults(run=f"its:{name}")
        _places(sub, default=argparse.SUPPRESS)
        return sub

    tap = verb("tap", "stand between an ITS program and its server, and record both; passwords are masked")
    tap.add_argument("listen", metavar="[HOST:]PORT", help="where the program is to connect; this machine alone")
    tap.add_argument("forward", metavar="HOST:PORT", help="the server: online.itschrono.com:3000")
    tap.add_argument("--log", metavar="FILE", help="the recording (its-tap-DATE-TIME.jsonl, here)")

    replay = verb("replay", "look at a recording; status 7 where it contradicts the documents")
    replay.add_argument("file", metavar="FILE")
    look = replay.add_mutually_exclusive_group()
    look.add_argument("--frames", action="store_true", help="every row as well")
    look.add_argument("--json", action="store_true", help="as one JSON object")


def _sheets(sub: argparse.ArgumentParser, argv: list[str]) -> None:
    """Name the sheets there are, where they are asked for."""
    if "sheet" in argv:
        from console.sheets import SHEETS

        sub.description = f"{sub.description}: {', '.join(SHEETS)}; or one that a device keeps itself."


def _simulators(sub: argparse.ArgumentParser, argv: list[str]) -> None:
    names = ", ".join(SIMULATORS)
    which = sub.add_subparsers(metavar="NAME", dest="simulator", required=True, title="simulators", description=names)
    for name in SIMULATORS:
        one = which.add_parser(name)
        if "simulate" in argv and name in argv:
            module = import_module(SIMULATORS[name])
            one.description = (module.__doc__ or "").partition("\n")[0]
            module.arguments(one)


if __name__ == "__main__":
    sys.exit(main())
