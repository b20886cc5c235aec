"""The tag table of a running engine: taken up when it changes, kept when it goes."""

import time
from pathlib import Path

from console.control.client import Client
from console.exit import Exit
from console.model import Incident, Level, Resolved
from console.simulators.otimcon_card import Card
from console.simulators.otimcon_firmware import Station
from console.simulators.port import PtyPort
from tests.faults.rig import at_work, engine, incidents, plugged, until_open, until_state, until_true

ANN, BEA = Card(uid=bytes.fromhex("0A0B0C0D")), Card(uid=bytes.fromhex("01020304"))


async def test_names_and_bibs_follow_the_file(tmp_path: Path) -> None:
    table = tmp_path / "tags.csv"
    table.write_text("tag;bib;name\n0a:0b:0c:0d;1204;BAUER Eva\n01020304;;\n")
    port = PtyPort.open(tmp_path / "control")
    station = Station(port, control=31, clock=int(time.time()))
    settings = f'tags = "tags.csv"\n[[device]]\nname = "control"\ntype = "otimcon"\nport = "{port.where}"\n'
    async with plugged(port), engine(tmp_path, settings) as (one, client), at_work(station.run()):
        await until_open(client)
        await until_true(lambda: said_count(client, 1), "what is wrong with it is said")
        (said,) = await told(client)
        assert said.level is Level.WARNING
        assert said.text.endswith("wrong: line 3: tag 01020304 has no bib (`racedeck config check` names them all)")
        for number, card in enumerate((ANN, BEA), 1):
            station.touch(card, hold=0.3)
            await until_state(client, lambda state: state.journal.passings == number)  # noqa: B023
        assert await known(client) == [("1204", "BAUER Eva"), (None, "")], "a bad row costs itself alone"

        table.write_text("tag;bib;name\n0a0b0c0d;1204;BAUER Eva\n01020304;0412;NOVAK Petra\n")
        await until_known(client, [("1204", "BAUER Eva"), ("0412", "NOVAK Petra")])
        await until_true(lambda: said_count(client, 2), "that it was read is said")
        assert (await told(client))[-1].level is Level.NOTE

        table.unlink()
        await until_true(lambda: said_last(client, "no such file; what was read before holds"), "that it is gone")
        assert (await client.reload()).text == "settings read again: nothing differs"
        assert await known(client) == [("1204", "BAUER Eva"), ("0412", "NOVAK Petra")]

        table.write_text("0a0b0c0d,77,BAUER Eva\n")
        assert (await client.reload()).text == "settings read again: tag table changed", "a reload does not wait"
        assert await known(client) == [("77", "BAUER Eva"), (None, "")]
        await until_true(lambda: said_count(client, 4), "that it was read is said")

        one.write(settings.removeprefix('tags = "tags.csv"\n'))
        assert (await client.reload()).text == "settings read again: tag table changed"
        assert await known(client) == [(None, None), (None, None)]

        one.write(settings)
        assert await one.stop() == Exit.OK
        rows = await one.dump("passings")
        assert [(row["bib"], row["name"]) for row in rows] == [("77", "BAUER Eva"), (None, "")], "without an engine too"


async def test_check_and_doctor_name_every_problem(tmp_path: Path) -> None:
    table = tmp_path / "tags.csv"
    async with engine(tmp_path, 'tags = "tags.csv"\n') as (one, client):
        await until_true(lambda: said_count(client, 1), "that it is not there")
        (said,) = await told(client)
        assert said.text == "tags.csv: there is no such file: no tag has a bib until it is good"
        missing = await one.racedeck("config", "check")
        assert missing.status == Exit.TROUBLE
        assert f"{table}: there is no such file" in missing.err

        table.write_text("A1,1\n" + "A2,\n" * 9)
        wrong = await one.racedeck("config", "check")
        assert wrong.status == Exit.TROUBLE
        assert [f"tags.csv: line {line}: tag A2 has no bib" for line in range(2, 11)] == wrong.err.splitlines()[1:-1]
        looked = await one.racedeck("doctor")
        assert looked.status == Exit.TROUBLE
        assert [f"line {line}:" in looked.out for line in range(2, 11)] == [True] * 9

        table.write_text("A1,1\n")
        good = await one.racedeck("config", "check")
        assert good.status == Exit.OK
        assert f"{table}: good: 1 tags, 1 bibs, 0 names" in good.err


async def known(client: Client) -> list[tuple[str | None, str | None]]:
    """Bib and name of each passing."""
    rows: list[Resolved] = await client.passings(after=0, limit=100)
    return [(row.bib, row.name) for row in rows]


async def until_known(client: Client, expected: list[tuple[str | None, str | None]]) -> None:
    async def look() -> bool:
        return await known(client) == expected

    await until_true(look, f"{expected}")


async def told(client: Client) -> list[Incident]:
    """What was said of the file."""
    return [one for one in await incidents(client) if one.text.startswith("tags.csv")]


async def said_count(client: Client, count: int) -> bool:
    return len(await told(client)) == count


async def said_last(client: Client, words: str) -> bool:
    return words in (await told(client))[-1].text
