"""`racedeck export`: which there are, and how they stand; add, change, remove, pause one; skip what waits; forget a
client.

`racedeck held`: what an export holds back, which only an operator can let go.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence

from console.codecs.columns import plain
from console.commands import show
from console.commands.attach import with_client
from console.commands.sheets import sheet
from console.control.client import AskedError, Client, Done
from console.exit import Exit, Failure
from console.model import ExportState, PeerState


def list_(args: argparse.Namespace) -> int:
    """Every export, and below it its peers; or one, with all that can be set of it."""
    if args.name:
        return _one(args)

    state = with_client(args, lambda client: client.refresh())
    if args.json:
        for export in state.exports:
            show.out(show.json_line({"name": export.name, **show.export_row(export)}))
    else:
        for line in lines(state.exports):
            show.out(line)
    return Exit.OK


def lines(exports: Sequence[ExportState]) -> list[str]:
    """A table, for eyes, screen readers and Braille: each export and its peers, and why one is not well."""
    names = [*(one.name for one in exports), *(f"  {peer.address}" for one in exports for peer in one.peers)]
    name = max(14, max(map(len, names), default=0))
    heads = ("JOURNALED", "SENT", "TCP", "ACKED", "WAIT", "HELD", "UNMAPPED")
    out = [f"{'EXPORT/PEER':<{name}}  {'STATE':<10}" + "".join(f"{head:>10}" for head in heads)]

    def figures(row: ExportState | PeerState) -> str:
        found = (row.journaled, row.sent, row.tcp, row.acked, row.waiting, row.held, row.unmapped)
        return "".join(f"{show.known(figure):>10}" for figure in found)

    for one in exports:
        out.append(f"{one.name:<{name}}  {one.state:<10}{figures(one)}  {one.type} {one.where}")
        out += [f"  {one.reason}"] if one.reason else []
        for peer in one.peers:
            state = "connected" if peer.connected else "gone"
            remarks = "; ".join(part for part in (peer.reason, peer.note) if part)
            out.append(f"  {peer.address:<{name - 2}}  {state:<10}{figures(peer)}  {remarks}".rstrip())
    return [plain(line) for line in out]


def _one(args: argparse.Namespace) -> int:
    found = with_client(args, lambda client: client.options(args.name))
    if args.json:
        show.out(show.json_line({"name": args.name, "type": found.kind} | {one.key: one.value for one in found.rows}))
        return Exit.OK
    show.out(f"name={args.name}  type={found.kind}")
    for one in found.rows:
        told = ". ".join(part.rstrip(".") for part in (one.help, one.expects) if part)
        show.out(plain(f"{one.key}={one.value}" + (f"    # {told}" if told else "")))
    return Exit.OK


def add(args: argparse.Namespace) -> int:
    """One more export."""
    values = pairs(args.values)
    return _do(args, lambda client: client.add_export(args.name, values))


def change(args: argparse.Namespace) -> int:
    """Other settings for an export."""
    values = pairs(args.values)
    return _do(args, lambda client: client.edit_export(args.name, values, yes=args.yes))


def remove(args: argparse.Namespace) -> int:
    """One export less."""
    return _do(args, lambda client: client.remove_export(args.name, yes=args.yes))


def renumber(args: argparse.Namespace) -> int:
    """Number its lines from 1 again."""
    return _do(args, lambda client: client.renumber_export(args.name, yes=args.yes))


def pause(args: argparse.Namespace) -> int:
    """Send nothing for now."""
    return _do(args, lambda client: client.steer(args.name, "pause"))


def resume(args: argparse.Namespace) -> int:
    """Go on where it was paused."""
    return _do(args, lambda client: client.steer(args.name, "resume"))


def skip(args: argparse.Namespace) -> int:
    """Never send what waits."""
    return _do(args, lambda client: client.steer(args.name, "skip", peer=args.peer, yes=args.yes))


def forget(args: argparse.Namespace) -> int:
    """Wait for a client no more."""
    return _do(args, lambda client: client.steer(args.name, "forget", peer=args.peer, yes=args.yes))


def held(args: argparse.Namespace) -> int:
    """List what is held, have it sent after all, or never."""
    if args.action == "list":
        args.name, args.device = "held", " ".join(filter(None, (args.export, args.peer)))
        args.csv = args.json = False
        return sheet(args)
    return _do(args, lambda client: client.held(args.export, args.action, peer=args.peer))


def pairs(words: list[str]) -> dict[str, str]:
    """`key=value` words. Raises Failure."""
    found: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key.strip():
            raise Failure(Exit.USAGE, f"{word!r}: write KEY=VALUE, as in listen=127.0.0.1:10200")
        if key in found:
            raise Failure(Exit.USAGE, f"{key} is given twice")
        found[key.strip()] = value
    return found


def _do(args: argparse.Namespace, act: Callable[[Client], Awaitable[Done]]) -> int:
    try:
        done = with_client(args, act)
    except AskedError as error:
        agree = f"to do it all the same, add --yes {error.name}"
        raise Failure(Exit.REFUSED, f"{error}\nNothing was changed; {agree}") from None
    print(plain(done.text), file=sys.stderr)
    return Exit.OK
