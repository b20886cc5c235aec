"""Every command against a running engine, as a script uses it: what it prints, and how it ends."""

import asyncio
import csv
import io
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from console.control.client import Client
from console.exit import Exit
from console.simulators.otimcon_firmware import Station
from console.simulators.port import PtyPort, TcpPort
from console.simulators.scoring import Scoring
from tests.faults.rig import (
    PATIENCE,
    Engine,
    Row,
    Sender,
    all_frames,
    at_work,
    chute_line,
    cp545_line,
    engine,
    export,
    free_port,
    plugged,
    raw,
    received,
    until_open,
    until_state,
    until_true,
)

PASSING = {
    "seq", "frame", "device", "kind", "time", "utc", "tag", "bib", "channel", "point", "event", "read_type", "status",
}  # fmt: skip
FIGURES = {"journaled", "sent", "tcp", "waiting", "held"}


class Course:
    """An engine with a CP545, a TIME MACHINE and an OTIMCON station, and scoring software."""

    def __init__(self, directory: Path) -> None:
        self.start = Sender(TcpPort.listen(), cp545_line)
        self.chute = Sender(PtyPort.open(directory / "chute"), chute_line)
        self.station = Station(PtyPort.open(directory / "control"), control=31)
        self.scoring = Scoring(f"127.0.0.1:{free_port()}", retry=0.05)
        self.settings = f"""
[[device]]
name = "start"
type = "thcom"
address = "{self.start.port.where}"
points = {{ 1 = "Start" }}

[[device]]
name = "chute"
type = "timemachine"
port = "{self.chute.port.where}"
point = "Finish"

[[device]]
name = "control"
type = "otimcon"
port = "{self.station.port.where}"

[[export]]
name = "scoring"
type = "tsv1"
listen = "127.0.0.1:{self.scoring.port}"
"""
        self.one: Engine
        self.client: Client

    async def passings(self, count: int) -> None:
        """Wait until there are so many."""
        await until_state(self.client, lambda state: state.journal.passings == count, f"{count} passings")


@asynccontextmanager
async def course(directory: Path) -> AsyncIterator[Course]:
    """A course, set up and running."""
    it = Course(directory)
    async with (
        plugged(it.start.port, it.chute.port, it.station.port),
        at_work(it.start, it.chute, it.station.run(), it.scoring),
        engine(directory, it.settings) as (it.one, it.client),
    ):
        await until_open(it.client)
        await until_state(it.client, lambda state: export(state, "scoring").peers)
        yield it


async def test_status_and_tail(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        it.start.send(3)
        it.chute.send(2)
        await it.passings(5)
        await it.scoring.until(lambda: len(it.scoring.reads) == 3)

        ran = await it.one.racedeck("status", "--json")
        assert ran.status == Exit.OK
        assert ran.err == ""
        assert ran.row["phase"] == "RACE"
        assert set(ran.row["newest"]) == {"frame", "passing", "incident"}
        assert ran.row["newest"]["passing"] == 5
        assert isinstance(ran.row["incidents"], int)
        assert list(ran.row["devices"]) == ["start", "chute", "control"]
        for figures in ran.row["devices"].values():
            assert {"state", "frames", "passings"} <= set(figures)
        assert ran.row["devices"]["start"]["state"] == "up"
        assert ran.row["devices"]["start"]["passings"] == 3
        scoring = ran.row["exports"]["scoring"]
        assert {"state", *FIGURES} <= set(scoring)
        assert (scoring["journaled"], scoring["sent"], scoring["held"]) == (5, 3, 2), "no gun: no UTC of the chute's"
        assert scoring["journaled"] >= scoring["sent"] >= scoring["tcp"]
        assert "HEARD" in (await it.one.racedeck("status")).out

        rows = (await it.one.racedeck("tail", "--passings", "--json", "--since", "0")).rows
        assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
        assert all(set(row) >= PASSING for row in rows)
        times = [row for row in rows if row["device"] == "start"]
        assert [(row["kind"], row["time"], row["bib"], row["point"], row["status"]) for row in times] == [
            ("impulse", f"10:00:00.0{number}000", f"{number}", "Start", "live") for number in (1, 2, 3)
        ]
        places = [row for row in rows if row["device"] == "chute"]
        assert [(row["kind"], row["utc"], row["point"], row["place"]) for row in places] == [
            ("select", None, "Finish", 1),
            ("select", None, "Finish", 2),
        ]
        assert (await it.one.racedeck("tail", "--json", "--since", "3")).rows == rows[3:]
        assert (await it.one.racedeck("tail", "--json", "--limit", "2")).rows == rows[3:]
        assert (await it.one.racedeck("tail", "--json", "--device", "chute")).rows == places

        frames = (await it.one.racedeck("tail", "--frames", "--json", "--since", "0", "--device", "start")).rows
        assert all(set(row) >= {"seq", "device", "direction", "wall", "raw"} for row in frames)
        heard = [raw(row) for row in frames if row["direction"] == "rx"]
        assert heard == [cp545_line(number) for number in (1, 2, 3)]
        assert frames[0]["wall"].endswith("Z")


async def test_tail_follows(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        it.start.send(2)
        await it.passings(2)
        command = [sys.executable, "-m", "console.cli", "tail", *it.one.where, "--json", "--since", "1", "--follow"]
        follower = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        assert (await _line(follower))["seq"] == 2
        it.start.send(3)
        assert [(await _line(follower))["seq"] for _ in range(3)] == [3, 4, 5]
        assert await it.one.stop() == Exit.OK
        assert follower.stderr
        assert (await follower.stderr.read()).decode() == "racedeck: the engine has gone away\n"
        assert await follower.wait() == Exit.NO_ENGINE


async def test_whoever_reads_tail_may_stop_reading(tmp_path: Path) -> None:
    """`racedeck tail ... | head -1`."""
    async with course(tmp_path) as it:
        await it.start.flood(2000)
        await it.passings(2000)
        command = [sys.executable, "-m", "console.cli", "tail", *it.one.where, "--since", "0"]
        theirs, ours = os.pipe()
        writer = await asyncio.create_subprocess_exec(*command, stdout=ours, stderr=PIPE)
        os.close(ours)
        assert await asyncio.to_thread(os.read, theirs, 10)
        os.close(theirs)
        assert writer.stderr
        assert await writer.stderr.read() == b""
        assert await writer.wait() == Exit.OK


async def _line(process: Process) -> Row:
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        row: Row = json.loads(await process.stdout.readline())
    return row


async def test_what_comes_in_test_is_kept_marked_and_not_exported(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        ran = await it.one.racedeck("phase", "test")
        assert (ran.status, ran.out) == (Exit.OK, "")
        assert "phase TEST, was RACE" in ran.err
        it.start.send(2)
        await it.passings(2)
        ran = await it.one.racedeck("phase", "race")
        assert "is kept, marked and not exported" in ran.err
        it.start.number = 0  # the same times again: what was tried is no finisher
        it.start.send(2)
        await it.passings(4)
        await it.scoring.until(lambda: len(it.scoring.reads) == 2)
        rows = await it.one.dump("passings")
        assert [row["phase"] for row in rows] == ["TEST", "TEST", "RACE", "RACE"]
        assert {row["status"] for row in rows} == {"live"}
        state = await until_state(it.client, lambda state: export(state, "scoring").tcp == 2)
        assert export(state, "scoring").journaled == 2
        status = await it.one.racedeck("status", "--json")
        assert status.row["phase"] == "RACE"
        assert (await it.one.racedeck("phase", "lunch")).status == Exit.USAGE


async def test_a_race_that_begins_ends_the_setting_up_of_stations(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        await it.one.racedeck("phase", "test")
        ran = await it.one.racedeck("send", "control", "NEXT STATION", "40", "CONTROL", "control,mode")
        assert (ran.status, ran.err) == (Exit.OK, "")
        await until_state(it.client, lambda state: any(device.job for device in state.devices))
        await it.one.racedeck("phase", "race")
        await until_state(it.client, lambda state: not any(device.job for device in state.devices))


async def test_a_gun_gives_times_their_day(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        it.chute.send(2)
        await until_state(it.client, lambda state: export(state, "scoring").held == 2)
        ran = await it.one.racedeck("gun", "2026-04-22T09:30:00.25", "--device", "chute")
        assert (ran.status, ran.err) == (Exit.OK, "gun set for chute\n")
        await it.scoring.until(lambda: len(it.scoring.reads) == 2)
        assert it.scoring.reads[0].moment.startswith("2026-04-22T19:30:00.26")
        rows = await it.one.dump("passings")
        assert [row["utc"] for row in rows] == ["2026-04-22T17:30:00.260000000Z", "2026-04-22T17:30:00.270000000Z"]
        await it.one.stop()
        assert await it.one.dump("passings") == rows, "the same without an engine"
        again = await it.one.start()
        await until_open(again)
        assert await it.one.dump("passings") == rows
        again.close()


async def test_a_gun_that_makes_no_sense(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        wrong = await it.one.racedeck("gun", "half past nine")
        assert wrong.status == Exit.USAGE
        assert "'half past nine' is not understood" in wrong.err
        nobody = await it.one.racedeck("gun", "--device", "finish")
        assert nobody.status == Exit.REFUSED
        assert "no device 'finish'; there are start, chute, control" in nobody.err


async def test_send(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        ran = await it.one.racedeck("send", "control", "PING")
        assert ran.status == Exit.OK, ran.err
        assert "PONG" in ran.out
        ran = await it.one.racedeck("send", "control", "PING", "--json")
        assert ran.status == Exit.OK
        assert ran.row["ok"] is True
        sent = [row for row in await it.one.dump("frames") if row["direction"] == "tx" and row["device"] == "control"]
        assert any(row["by"] for row in sent), "who asked is kept"

        ran = await it.one.racedeck("send", "control")
        assert (ran.status, ran.err) == (Exit.OK, "")
        assert "SET CTRL control\n    give it a control number (changes it)\n" in ran.out
        ran = await it.one.racedeck("send", "finish")
        assert (ran.status, ran.out) == (Exit.FAILED, "")
        assert "no device 'finish'" in ran.err

        for words, said in (
            (["finish", "PING"], "no device 'finish'"),
            (["control", "FLY"], "control: no command 'FLY'"),
            (["start", "PING"], "no answer within 2 s"),
        ):
            ran = await it.one.racedeck("send", *words)
            assert ran.status == Exit.FAILED, ran
            assert said in ran.err
            assert ran.out == ""


async def test_reload(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        it.start.send(1)
        it.chute.send(1)
        await it.passings(2)

        def up_since() -> dict[str, int]:
            return {one.name: one.since for one in it.client.state.devices if one.name in ("start", "chute")}

        since, connections = up_since(), it.scoring.connections

        for broken, said in (
            (it.settings.replace('type = "otimcon"', 'type = "otimcom"'), "did you mean 'otimcon'?"),
            ("[[device]\n", "not TOML"),
            (it.settings + 'colour = "red"\n', "unknown key 'colour'"),
        ):
            it.one.write(broken)
            ran = await it.one.racedeck("reload")
            assert ran.status in (Exit.SETTINGS, Exit.REFUSED)
            assert said in ran.err
            assert (await it.one.racedeck("status")).status == Exit.OK, "a slip of the pen locks nobody out"
        await it.client.refresh()
        assert up_since() == since, "nothing has changed"

        it.one.write(it.settings.replace('point = "Finish"', 'point = "Goal"').replace('"control"', '"ctl"', 1))
        ran = await it.one.racedeck("reload")
        assert (ran.status, ran.err) == (
            Exit.OK,
            "settings read again: device chute, device control, device ctl changed\n",
        )
        state = await until_open(it.client)
        assert [one.name for one in state.devices] == ["start", "chute", "ctl"]
        assert up_since() == since, "what needs no new connection keeps it"
        assert it.scoring.connections == connections
        rows = await it.one.dump("passings")
        assert {row["device"]: row["point"] for row in rows} == {"start": "Start", "chute": "Goal"}

        it.one.event = "other"
        it.one.write(it.settings)
        it.one.event = "faults"
        ran = await it.one.racedeck("reload")
        assert ran.status in (Exit.NO_ENGINE, Exit.REFUSED)


async def test_dump_and_replay(tmp_path: Path) -> None:
    """What one engine dumps, another one hears again, byte for byte: on TCP ports, and what is serial on ptys too."""
    (tmp_path / "first").mkdir()
    async with course(tmp_path / "first") as it:
        it.start.send(20)
        it.start.port.write(b"=cmd|'/c calc'!A1\r\n")
        it.chute.send(20)
        await it.passings(40)

        async def kept() -> bool:
            return any(frame.raw.startswith(b"=cmd") for frame in await all_frames(it.client, "start"))

        await until_true(kept, "what looks like a formula is in the journal")
        least = (await it.client.refresh()).journal.frames
        table = (await it.one.racedeck("dump", "frames")).out
        cells = list(csv.reader(io.StringIO(table)))
        assert 1 + least <= len(cells) <= 1 + (await it.client.refresh()).journal.frames
        assert not [cell for row in cells for cell in row if cell[:1] in ("=", "@", "+", "-")]
        passings = list(csv.DictReader(io.StringIO((await it.one.racedeck("dump", "passings")).out)))
        assert [row["bib"] for row in passings if row["device"] == "chute"] == [str(one) for one in range(1, 21)]
        recorded = await it.one.dump("frames")
    await asyncio.gather(
        _hear_again(tmp_path / "tcp", recorded, {"start": "thcom", "chute": "timemachine"}, tcp=True),
        _hear_again(tmp_path / "pty", recorded, {"chute": "timemachine"}, tcp=False),
    )


async def _hear_again(directory: Path, recorded: list[Row], devices: dict[str, str], *, tcp: bool) -> None:
    """Replay what these devices said to another engine."""
    directory.mkdir()
    recording = directory / "recording.json"
    recording.write_text("".join(json.dumps(row) + "\n" for row in recorded if row["device"] in devices))
    command = [sys.executable, "-m", "console.cli", "replay", str(recording), "--speed", "0", *["--tcp"][: int(tcp)]]
    player = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert player.stdin
    assert player.stdout
    where = dict([(await player.stdout.readline()).decode().split() for _ in devices])
    key = "address" if tcp else "port"
    settings = "".join(
        f'[[device]]\nname = "{name}"\ntype = "{kind}"\n{key} = "{where[name]}"\n' for name, kind in devices.items()
    )
    async with engine(directory, settings) as (one, client):
        await until_open(client)
        _, said = await player.communicate(b"\n")
        assert player.returncode == Exit.OK, said
        await until_state(client, lambda state: state.journal.passings == 20 * len(devices), "all of it")
        again = await one.dump("frames")
        for name in devices:
            assert received(again, name) == received(recorded, name)


async def test_replaying_what_is_no_recording(tmp_path: Path) -> None:
    one = Engine(tmp_path, "")
    for text in ("", "nonsense\n", '{"direction": "rx"}\n', "[]\n"):
        path = tmp_path / "recording.json"
        path.write_text(text)
        ran = await one.racedeck("replay", str(path))
        assert ran.status == Exit.FAILED, (text, ran)
        assert str(path) in ran.err
    missing = await one.racedeck("replay", str(tmp_path / "nothing"))
    assert missing.status == Exit.FAILED


async def test_settings_ports_and_doctor(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        assert (await it.one.racedeck("config", "path")).out == f"{it.one.config}\n"
        good = await it.one.racedeck("config", "check")
        assert good.status == Exit.OK
        assert "good" in good.err
        shown = json.loads((await it.one.racedeck("config", "show")).out)
        assert shown["event"]["name"] == "faults"
        assert (await it.one.racedeck("ports")).status == Exit.OK

        findings = (await it.one.racedeck("doctor", "--json")).rows
        assert {"word", "what", "text"} == set(findings[0])
        assert not [one for one in findings if one["word"] == "TROUBLE" and "listen" in one["what"]], (
            "its own engine is no trouble"
        )
        it.one.write('[[device]]\nname = "a"\ntype = "thcom"\naddress = "127.0.0.1:1"\nbaud = 12\n')
        wrong = await it.one.racedeck("config", "check")
        assert wrong.status == Exit.SETTINGS
        assert 'device "a": baud must be one of 2400, 9600, 19200, 38400, 57600 (got 12)' in wrong.err
        ill = await it.one.racedeck("doctor")
        assert ill.status == Exit.TROUBLE
        assert "baud must be one of" in ill.out
