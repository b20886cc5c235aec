"""The panel's configuration through a real engine: into the settings and the secrets, and to work at once."""

import stat
import tomllib
from pathlib import Path

import pytest

from console.control.client import AskedError, Client, RefusedError
from console.model import EngineState
from tests.faults.rig import engine, until, until_state
from tests.its.server import serving

SECRET = "top-secret/7"
IMPULSE = "TN    1    1 M1 13:50:12.36600  9098"


def linked(state: EngineState) -> bool:
    return state.its is not None and state.its.links[0].state == "linked"


def material(state: EngineState) -> list[str]:
    return [one.address for one in state.its.material] if state.its else []


async def save(client: Client, port: int, **more: str) -> str:
    values = {"software_id": "1007", "server": "127.0.0.1", "server_port": str(port), "user": "timer01", **more}
    return (await client.save_its(values, SECRET)).text


async def test_a_link_is_configured_saved_and_connected_anew(tmp_path: Path) -> None:
    async with serving() as server, serving() as other, engine(tmp_path, "") as (one, client):
        assert client.state.its is None
        with pytest.raises(RefusedError, match=r"there is no \[its\] in the settings"):
            await client.connect_its()
        told = await save(client, server.port)
        assert told == "ITS configuration saved: software_id, server, server_port, user, password"
        state = await until_state(client, linked)
        assert state.its
        assert (state.its.software_id, state.its.user, state.its.password) == ("1007", "timer01", True)
        assert server.at("1007").login["PW"] == SECRET
        secrets = tmp_path / "secrets.toml"
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        assert tomllib.loads(secrets.read_text()) == {"its": {"password": SECRET}}

        (row,) = [line for line in (await one.racedeck("status")).out.splitlines() if line.startswith("1007 software")]
        assert ("LINKED" in row, row.endswith(state.its.server)) == (True, True)

        # A source that has appeared by itself is in no settings, and no hindrance to changing these.
        server.at("1007").say("10084", IMPULSE)
        await until_state(client, lambda state: "10084" in material(state))
        with pytest.raises(AskedError, match=r"A race is running, and 127.0.0.1:\d+ is linked") as asked:
            await client.save_its({"server_port": str(other.port)})
        assert not other.visitors
        await client.save_its({"server_port": str(other.port)}, yes=asked.value.name)
        await until(lambda: [visitor for visitor in other.visitors if "PW" in visitor.login])
        assert other.at("1007").login["PW"] == SECRET
        await until_state(client, linked)
        with pytest.raises(AskedError) as asked:
            await client.connect_its()
        assert await client.connect_its(yes=asked.value.name)
        await until(lambda: len([visitor for visitor in other.visitors if "PW" in visitor.login]) == 2)
        await until_state(client, linked)

        secrets.write_text(secrets.read_text().replace(SECRET, SECRET[::-1]))
        assert (await client.reload()).text == "settings read again: password of its changed"
        await until(lambda: other.at("1007").login.get("PW") == SECRET[::-1])

        frames = await client.frames(devices=("its", "its-0084"))
        assert {frame.device for frame in frames} == {"its", "its-0084"}
        assert {frame.device for frame in await client.frames(devices=("its-0084",))} == {"its-0084"}
        await client.stop(one.event)
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path != secrets]
    assert len(kept) > 3
    assert not [path for path in kept if SECRET.encode() in path.read_bytes()]


async def test_what_cannot_be_is_refused_and_nothing_written(tmp_path: Path) -> None:
    async with engine(tmp_path, "") as (_, client):
        before = (tmp_path / "racedeck.toml").read_bytes()
        for values, why in (
            ({"software_id": "107"}, "must be four digits"),
            ({"software_id": "1007"}, "user is missing"),
            ({}, "nothing to save"),
        ):
            with pytest.raises(RefusedError, match=why):
                await client.save_its(values, SECRET if values else "")
        assert (tmp_path / "racedeck.toml").read_bytes() == before
        assert not (tmp_path / "secrets.toml").exists()
