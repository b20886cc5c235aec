"""`racedeck resend`: have an export send passings again."""

import argparse
import sys
from datetime import tzinfo

from console.codecs.columns import plain
from console.commands.act import gun_time
from console.commands.attach import with_client
from console.control.client import Client, Done
from console.exit import Exit, Failure
from console.model import Selection
from console.timing.bind import find_zone


def resend(args: argparse.Namespace) -> int:
    """Send passings again, to one peer or to all that are connected."""
    limits = (args.begin, args.end, args.frame, args.point, args.bib)
    if args.everything is not all(limit in (None, "") for limit in limits):
        raise Failure(Exit.USAGE, "say what is to be sent again: --from, --to, --frame, --point, --bib; or --all of it")

    async def act(client: Client) -> Done:
        zone, now = find_zone(client.state.timezone), client.state.now
        first, since = _place(args.begin, now, zone)
        last, until = _place(args.end, now, zone)
        what = Selection(first=first, last=last, since=since, until=until, point=args.point, bib=args.bib)
        return await client.resend(args.export, what, frame=args.frame, peer=args.peer)

    print(plain(with_client(args, act).text), file=sys.stderr)
    return Exit.OK


def _place(given: str, now: int, zone: tzinfo) -> tuple[int | None, int | None]:
    """A passing's number, or a time (ns since the epoch): one of the two, or neither."""
    if not given:
        return None, None
    if given.removeprefix("#").isdecimal():
        return int(given.removeprefix("#")), None
    return None, gun_time(given, now, zone)
