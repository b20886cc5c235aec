"""Our own link, recorded by our own tap: it speaks as the documents say, and its password is not in the recording."""

from pathlib import Path

from console.codecs.thcom_link import Dialect
from console.its.examine import examine
from console.its.recording import Row
from console.its.tap import Tap
from console.model import EngineState
from tests.faults.rig import engine, until, until_state
from tests.its.server import serving

SECRET = "top-secret/7"


async def test_our_link_contradicts_no_document(tmp_path: Path) -> None:
    rows: list[Row] = []

    def linked(state: EngineState) -> bool:
        return state.its is not None and state.its.links[0].state == "linked"

    async with serving() as server, engine(tmp_path, "") as (_, client):
        tap = Tap(("127.0.0.1", server.port), rows.append)
        port = (await tap.listen("127.0.0.1", 0)).rpartition(":")[2]
        try:
            values = {"software_id": "1007", "user": "timer01", "server": "127.0.0.1", "server_port": port}
            await client.save_its(values, SECRET)
            await until_state(client, linked)
            said = [
                server.at("1007").say("10084", f"TN    1 {number:4} M1 13:50:12.36600  9098") for number in range(30)
            ]
            await until(lambda: server.at("1007").delivered >= {*said})
            await until_state(client, lambda state: state.its is not None and state.its.links[0].received == 34)
        finally:
            await tap.close()
    report = examine(rows, Dialect())
    assert report.against == []
    assert report.frames == 3 + 4 + 30
    assert "  login: accepted (#GC 1)" in report.lines
    assert SECRET not in str(rows)
