"""Whoever changes the settings waits for whoever does so already."""

import asyncio
import tomllib
from pathlib import Path

from console.control.client import Client
from tests.faults.rig import engine, export, free_port, until_state

SETTINGS = """
[its]
software_id = "1007"
server = "127.0.0.1"
server_port = {port}
user = "somebody"
"""


async def test_changes_that_come_at_once_are_all_made(tmp_path: Path) -> None:
    # Nobody listens there: what the link does is of no account here.
    async with engine(tmp_path, SETTINGS.format(port=free_port())) as (one, client):
        others = [await one.attach() for _ in range(6)]

        async def added(number: int, by: Client) -> None:
            await by.add_export(f"e{number}", {"type": "tsv1", "listen": f"127.0.0.1:{free_port()}"})

        try:
            await asyncio.gather(
                added(1, others[0]),
                others[1].save_its({"user": "another"}),
                others[2].reload(),
                added(2, others[3]),
                others[4].save_its({"software_id": "1008"}),
                others[5].reload(),
                added(3, client),
            )
            state = await until_state(client, lambda state: export(state, "e3"))
        finally:
            for other in others:
                other.close()
        assert {"e1", "e2", "e3"} <= {one.name for one in state.exports}
        written = tomllib.loads(one.config.read_text())
        assert {entry["name"] for entry in written["export"]} == {"e1", "e2", "e3"}
        assert (written["its"]["user"], written["its"]["software_id"]) == ("another", "1008")
