"""kill -9 of an engine that sends up, at random moments: what goes up again is known again, and told once."""

import asyncio
import random
from pathlib import Path

from console.codecs import thcom
from console.relay.data import Data
from console.relay.database import Database
from console.simulators.port import TcpPort
from tests.faults.rig import Engine, Sender, at_work, ending, export, plugged, until, until_open, until_state
from tests.faults.test_its import is_linked, its, secret, timer
from tests.faults.test_its_cuts import AT_ONCE, message
from tests.relay.desk import FINISH, PC, START, connected
from tests.relay.test_processes import serving


async def through_kills(directory: Path, kills: int, burst: int, chance: random.Random) -> list[int]:
    """How many frames went up again after each of `kills`; AssertionError where the other side misses one, or was told
    one twice. Before each the timer says `burst` times and results at once."""
    (home := directory / "relay").mkdir()
    (hasty := directory / "hasty").mkdir()
    (hasty / "sitecustomize.py").write_text(AT_ONCE)
    port = TcpPort.listen()
    device = Sender(port, lambda number: thcom.basic(message(number, "1"), checksum=False))
    async with serving(home) as server, plugged(port), at_work(device):
        sends = f'stale_after = 3600\nlog_file = ""\n[[its.send]]\ndevice = "cable"\nserial = "{START}"\n'
        one = Engine(secret(directory / "pc"), timer(port, "cable", serial=False) + its(server.port, PC, sends))
        database = Database(home / "relay" / "relay.db")
        data = Data(database)

        def again() -> int:
            return sum(row.times - 1 for row in data.rows(0, START) if row.destination == FINISH)

        found: list[int] = []
        async with ending(one), connected(server.port, FINISH) as (far,):
            for turn in range(kills + 1):
                client = await one.start(PYTHONPATH=str(hasty))
                await until_open(client)
                await until_state(client, is_linked)
                await until_state(client, lambda state: export(state, "its").waiting == 0)
                if turn:
                    found.append(again() - sum(found))
                if turn == kills:
                    break
                heard, most = len(far.heard), chance.randrange(burst)
                device.send(burst)
                await until(lambda: len(far.heard) >= heard + most)  # noqa: B023
                await asyncio.sleep(chance.uniform(0, 0.003))
                client.close()
                await one.kill()
            client.close()
            passings = [row for row in await one.dump("passings") if row["device"] == "cable"]
            await until(lambda: len(far.heard) >= len(passings))
            told = [message(number, "1") for number in range(1, device.number + 1)]
            assert far.heard == [text for text in told if text in set(far.heard)], "each once, and in order"
            assert len(far.heard) == len(passings)
            rows = [row for row in data.rows(0, START) if row.destination == FINISH and row.origin[1:] == START]
            assert [row.message for row in rows] == far.heard
        database.close()
        return found


async def test_killed_while_it_sends_up(tmp_path: Path) -> None:
    found = await through_kills(tmp_path, 5, 60, random.Random(4))
    assert len(found) == 5
