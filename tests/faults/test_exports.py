"""Exports added, changed and removed while the engine runs, from the command line and by a console."""

from pathlib import Path

import pytest

from console.config import load
from console.control.client import AskedError, RefusedError
from console.exit import Exit
from console.model import Phase
from console.simulators.port import TcpPort
from console.simulators.scoring import Scoring
from console.simulators.scoring_tsv2 import ScoringTsv2
from tests.faults.rig import (
    Sender,
    at_work,
    cp545_line,
    engine,
    export,
    free_port,
    incidents,
    plugged,
    until_open,
    until_state,
    until_true,
)


async def test_an_export_from_the_command_line(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    async with engine(tmp_path, "# Marc's laptop comes later\n") as (one, client):
        where = f"listen=127.0.0.1:{port}"
        ran = await one.racedeck("export", "add", "scoring", "type=tsv1", where)
        assert ran.status == Exit.OK, ran.err
        assert ran.err == f"export scoring added: tsv1 127.0.0.1:{port}\n"
        state = await until_open(client)
        assert export(state, "scoring").state == "no client"
        assert load(one.config).exports[0].listen == f"127.0.0.1:{port}"

        consumer = Scoring(f"127.0.0.1:{port}", retry=0.05)
        async with at_work(consumer.run()):
            await until_state(client, lambda state: export(state, "scoring").state == "up")
            ran = await one.racedeck("export", "set", "scoring", "batch_interval=1.5")
            assert ran.status == Exit.REFUSED
            assert (
                "A race is running, and this cuts off 1 program connected to scoring. They may connect again at once."
                in ran.err
            )
            assert "Nothing was changed; to do it all the same, add --yes scoring" in ran.err
            before = one.config.read_text()
            ran = await one.racedeck("export", "set", "scoring", "batch_interval=soon")
            assert ran.status == Exit.REFUSED
            assert "batch_interval must be a number" in ran.err, "what cannot be is not asked about"
            assert one.config.read_text() == before
            ran = await one.racedeck("export", "set", "scoring", "batch_interval=1.5", "--yes", "scoring")
            assert (ran.status, ran.err) == (Exit.OK, "export scoring: batch_interval 1.5\n")
            assert one.config.read_text() == before + "batch_interval = 1.5\n"
            await until_state(client, lambda state: export(state, "scoring").state == "up", "the client came back")

            (row,) = (await one.racedeck("export", "list", "--json")).rows
            assert (row["name"], row["type"], row["state"]) == ("scoring", "tsv1", "up")
            listed = (await one.racedeck("export", "list")).out
            assert "scoring         up" in listed
            assert "  127.0.0.1     connected" in listed
            told = (await one.racedeck("export", "list", "scoring")).out
            assert "batch_interval=1.5    # Seconds between two messages" in told

            ran = await one.racedeck("export", "remove", "scoring", "--yes", "scorign")
            assert ran.status == Exit.REFUSED
            assert "'scorign' is not its name. A race is running" in ran.err
            await client.phase(Phase.CLOSED)
            ran = await one.racedeck("export", "remove", "scoring")
            assert ran.status == Exit.REFUSED
            assert "Remove the export scoring? 0 waiting and 0 held passings stay unsent." in ran.err
            ran = await one.racedeck("export", "remove", "scoring", "--yes", "scoring")
            assert ran.status == Exit.OK
            assert ran.err.startswith("export scoring removed; its account stays in the journal")
        assert (await client.refresh()).exports == ()
        assert one.config.read_text().endswith("# Marc's laptop comes later\n")

        async def said() -> list[str]:
            return [incident.text for incident in await incidents(client) if "settings read again" in incident.text]

        async def said_thrice() -> bool:
            return len(await said()) == 3

        await until_true(said_thrice, "each change is said")
        assert all("export scoring changed (" in text for text in await said())

        assert (await one.racedeck("phase", "race")).status == Exit.OK
        assert (await one.racedeck("export", "add", "rows", "type=csv")).status == Exit.OK
        state = await until_state(client, lambda state: export(state, "rows").peers)
        assert export(state, "rows").peers[0].connected, "a file is no program that is cut off"
        assert (await one.racedeck("export", "set", "rows", "newcomers=live")).status == Exit.OK
        assert (await one.racedeck("export", "remove", "rows", "--yes", "rows")).status == Exit.OK

        for words, status, problem in (
            (("add", "b", "type=tsv1"), Exit.REFUSED, 'export "b": give listen (host:port to listen on)'),
            (("add", "b", "tsv1"), Exit.USAGE, "'tsv1': write KEY=VALUE"),
            (("add", "b", where, where), Exit.USAGE, "listen is given twice"),
            (("add", "b", where), Exit.REFUSED, 'export "b": type must be one of'),
            (("add", "../b", "type=tsv1", where), Exit.REFUSED, "name must be 1 to 32 letters"),
            (("set", "b", where), Exit.REFUSED, "no export 'b'; there are none"),
            (("remove", "b"), Exit.REFUSED, "no export 'b'; there are none"),
        ):
            ran = await one.racedeck("export", *words)
            assert (ran.status, ran.out) == (status, "")
            assert problem in ran.err
        assert (await client.refresh()).exports == ()
        assert (await client.add_export("b", {"type": "tsv1", "listen": f"127.0.0.1:{other}"})).ok


async def test_a_target_is_not_changed_over_what_waits_for_it_without_a_word(tmp_path: Path) -> None:
    """The new one gets what comes from then on, and what came before when it is asked for."""
    port, here, there = TcpPort.listen(), free_port(), free_port()
    device = Sender(port, cp545_line)
    settings = f"""
[[device]]
name = "start"
type = "thcom"
address = "{port.where}"
point = "Start"

[[export]]
name = "scoring"
type = "tsv2"
connect = "127.0.0.1:{here}"
"""
    async with plugged(port), engine(tmp_path, settings) as (one, client), at_work(device):
        await until_state(client, lambda state: export(state, "scoring").state == "down")
        await until_state(client, lambda state: state.devices[0].state == "open", "the device is connected")
        device.send(3)
        await until_state(client, lambda state: export(state, "scoring").waiting == 3)
        moved = ("export", "set", "scoring", f"connect=127.0.0.1:{there}")
        ran = await one.racedeck(*moved)
        assert ran.status == Exit.REFUSED
        assert f"3 waiting and 0 held passings stay unsent: they are for 127.0.0.1:{here}." in ran.err
        assert "`racedeck resend scoring`" in ran.err
        assert (await one.racedeck("export", "set", "scoring", "batch_interval=1")).status == Exit.OK
        assert (await one.racedeck(*moved, "--yes", "scoring")).status == Exit.OK
        scoring = ScoringTsv2(f"127.0.0.1:{there}", listens=True)
        async with at_work(scoring.run()):
            await until_state(client, lambda state: export(state, "scoring").state == "up")
            ran = await one.racedeck("resend", "scoring", "--all")
            assert (ran.status, ran.err) == (Exit.OK, "3 sent again\n")


async def test_what_a_console_is_refused(tmp_path: Path) -> None:
    settings = f'[[export]]\nname = "scoring"\ntype = "tsv1"\nlisten = "127.0.0.1:{free_port()}"\n'
    async with engine(tmp_path, settings) as (one, client):
        await until_open(client)
        for key in ("name", "type"):
            with pytest.raises(RefusedError, match=f"the {key} of an export cannot change"):
                await client.edit_export("scoring", {key: "tsv2"})
        with pytest.raises(RefusedError, match="nothing to change"):
            await client.edit_export("scoring", {})
        with pytest.raises(AskedError) as asked:
            await client.remove_export("scoring")
        assert not asked.value.typed
        with pytest.raises(RefusedError, match="tsv1 numbers no lines"):
            await client.renumber_export("scoring", yes="scoring")
        observer = await one.attach(observe=True)
        with pytest.raises(RefusedError):
            await observer.remove_export("scoring", yes="scoring")
        with pytest.raises(RefusedError, match="observ"):
            await observer.renumber_export("scoring", yes="scoring")
        assert (await observer.options("scoring")).kind == "tsv1"
        observer.close()
        one.write(settings + "\n# changed by hand, and not read yet\n[[export]]\n")
        with pytest.raises(RefusedError, match="type must be one of"):
            await client.remove_export("scoring", yes="scoring")
        assert export(await client.refresh(), "scoring").state == "no client"
