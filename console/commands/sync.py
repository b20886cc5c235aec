"""`racedeck sync-all`: set the clocks of all OTIMCON stations, at once, each read back."""

import argparse
import asyncio
from collections.abc import Sequence

from msgspec import Struct

from console.codecs.columns import plain
from console.commands import show
from console.commands.attach import Where, connect
from console.control.client import AskedError, Client, RefusedError
from console.exit import Exit, Failure
from console.model import Scalar

WORDS = "SET TIME"
TYPE = "otimcon"


class Synced(Struct, frozen=True):
    """What came of one station."""

    device: str
    result: str
    """`ok`, `failed`, `refused`."""
    text: str
    data: dict[str, Scalar] = {}


def sync_all(args: argparse.Namespace) -> int:
    """Set them, and print a line for each."""
    agreed = [name.strip() for given in args.yes for name in given.split(",")]
    done = asyncio.run(_sync(Where(args.config, args.state_dir), agreed))
    if args.json:
        for one in done:
            show.out(show.json_line({"device": one.device, "result": one.result, "text": one.text, **one.data}))
    else:
        for line in lines(done):
            show.out(line)
    return Exit.OK if all(one.result == "ok" for one in done) else Exit.FAILED


async def _sync(where: Where, agreed: Sequence[str]) -> list[Synced]:
    client = await connect(where)
    try:
        return await synced(client, agreed)
    finally:
        client.close()


async def synced(client: Client, agreed: Sequence[str]) -> list[Synced]:
    """What came of each station. `agreed`: those whose names the operator has typed. Raises Failure without any."""
    names = [device.name for device in client.state.devices if device.type == TYPE]
    if unknown := sorted(set(agreed) - set(names)):
        known = ", ".join(names) or "none"
        raise Failure(Exit.USAGE, f"--yes: no OTIMCON station {', '.join(unknown)}; there are {known}")
    if not names:
        raise Failure(Exit.FAILED, "there is no OTIMCON station in the settings")
    return list(await asyncio.gather(*(_one(client, name, name if name in agreed else "") for name in names)))


async def _one(client: Client, name: str, yes: str) -> Synced:
    try:
        done = await client.command(name, WORDS, yes=yes)
    except AskedError as error:
        return Synced(name, "refused", f"{error} To set it all the same, add --yes {error.name}")
    except RefusedError as error:
        return Synced(name, "failed", str(error))
    return Synced(name, "ok" if done.ok else "failed", done.text, done.data)


def lines(done: Sequence[Synced]) -> list[str]:
    """A table: station, result, seconds it was and is off, and why not."""
    heads = ("STATION", "RESULT", "WAS OFF", "IS OFF")
    rows = [heads, *((one.device, one.result, _off(one, "before"), _off(one, "difference")) for one in done)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    texts = ["", *("" if one.result == "ok" else one.text for one in done)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), plain(text)]).rstrip()
        for row, text in zip(rows, texts, strict=True)
    ]


def _off(one: Synced, word: str) -> str:
    value = one.data.get(word)
    return f"{value:+d} s" if isinstance(value, int) else "-"
