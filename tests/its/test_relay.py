"""Our own relay as the server, with the guide's example set up."""

from pathlib import Path

from console.simulators.port import TcpPort
from console.simulators.software import Software
from tests.faults.rig import at_work, engine, export, free_port, plugged, until, until_state
from tests.its.test_engine import Cable, are_linked, link
from tests.relay import desk as relay

SETTINGS = """
[its]
software_id = "1007"
server = "127.0.0.1"
server_port = {port}
user = "ITSCHRONO"

[[its.material]]
serial = "0084"
name = "start"
points = {{ M1 = "Start" }}

[[its.send]]
device = "finish"
serial = "0086"

[[its.write]]
device = "finish"

[[device]]
name = "finish"
type = "thcom"
address = "{finish}"
points = {{ M2 = "Finish" }}

[[export]]
name = "software"
type = "thcom-server"
listen = "127.0.0.1:{software}"
"""

NET = "IR 1       1          11.62000"
"""As a CP545 prints it: leading units are blanks."""


def secret(directory: Path, password: str) -> None:
    file = directory / "secrets.toml"
    file.write_text(f'[its]\npassword = "{password}"\n')
    file.chmod(0o600)


async def test_start_finish_and_software_through_our_own_relay(tmp_path: Path) -> None:
    port, number = TcpPort.listen(), free_port()
    async with relay.desk(tmp_path) as club, plugged(port):
        secret(tmp_path, relay.PASSWORD)
        text = SETTINGS.format(port=club.port, finish=port.where, software=number)
        software, cable = Software(f"127.0.0.1:{number}", retry=0.05), Cable(port)
        start = relay.Timer(relay.START)
        async with engine(tmp_path, text) as (_, client), at_work(software, cable.run()):
            await until_state(client, lambda state: are_linked(state, 2))
            await until_state(client, lambda state: state.its and state.its.instances == {number: 1})
            await start.join(club.port)
            start.say(relay.M1)
            await until(lambda: relay.M1 in software.lines and relay.M1.encode() in cable.got)
            port.write(relay.M2.encode() + b"\r\n" + relay.NET.encode() + b"\r\n")
            await until(lambda: start.heard == [relay.M2, NET])
            state = await until_state(client, lambda state: export(state, "its").acked == 2)
            assert software.lines == [relay.M1, relay.M2, NET]
            assert state.its
            assert [line.text for line in link(state, "1007").printed] == [line[4:] for line in relay.GREETING[1:]]
            await until(lambda: not [row for row in club.rows() if row.state != "acknowledged"])
            assert len(club.rows()) == 6  # one for each receiver, as in the guide
            await start.leave()


async def test_a_wrong_password_is_the_right_word_on_the_screen(tmp_path: Path) -> None:
    port = TcpPort.listen()
    async with relay.desk(tmp_path) as club, plugged(port):
        secret(tmp_path, "wrong")
        text = SETTINGS.format(port=club.port, finish=port.where, software=free_port())
        async with engine(tmp_path, text) as (_, client):
            state = await until_state(client, lambda state: state.its and link(state, "1007").state == "refused")
            said = "refused (#GC 0), the server says WRONG USER OR PASSWORD: check user and password"
            assert link(state, "1007").reason.startswith(said)
            secret(tmp_path, relay.PASSWORD)
            await client.reload()
            await until_state(client, lambda state: are_linked(state, 2))
