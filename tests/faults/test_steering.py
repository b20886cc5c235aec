"""What operators do with an export, through a real engine that is killed in between."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from console.control.client import EngineGoneError, RefusedError
from console.control.messages import Done
from console.journal.reader import Reader
from console.model import Act, Selection
from console.simulators.port import TcpPort
from console.simulators.scoring import Scoring
from tests.exports.desk import Client, deaf
from tests.faults.rig import (
    Engine,
    Sender,
    at_work,
    cp545_line,
    engine,
    export,
    free_port,
    incidents,
    plugged,
    until,
    until_open,
    until_state,
    until_true,
)


def settings(device: TcpPort, scoring: int) -> str:
    return f"""
[[device]]
name = "start"
type = "thcom"
address = "{device.where}"
points = {{ 1 = "Start" }}

[[export]]
name = "scoring"
type = "tsv1"
listen = "127.0.0.1:{scoring}"
"""


async def until_saved(one: Engine, taken: int) -> None:
    """Wait until the journal has it that 127.0.0.1 has taken so many: after a kill before that, some would wait."""
    with closing(Reader(one.files)) as reader:
        await until(
            lambda: any((cursor.peer, cursor.counts.get("tcp")) == ("127.0.0.1", taken) for cursor in reader.cursors()),
            "its cursor is saved",
        )


async def test_pause_skip_and_send_again_over_a_kill(tmp_path: Path) -> None:
    port, number = TcpPort.listen(), free_port()
    device, scoring = Sender(port, cp545_line), Scoring(f"127.0.0.1:{number}", retry=0.05)
    async with plugged(port), engine(tmp_path, settings(port, number)) as (one, client), at_work(device, scoring):
        await until_open(client)
        await until_state(client, lambda state: export(state, "scoring").peers)
        device.send(5)
        await until_state(client, lambda state: export(state, "scoring").tcp == 5)
        await until_saved(one, 5)
        ran = await one.racedeck("export", "pause", "scoring")
        assert (ran.status, ran.err) == (0, "scoring is paused: nothing is sent until it is resumed\n")
        device.send(3)
        await until_state(client, lambda state: export(state, "scoring").waiting == 3)
        await one.kill()
        with closing(await one.start()) as again:
            await until_open(again)
            state = await until_state(again, lambda state: export(state, "scoring").waiting == 3)
            assert export(state, "scoring").state == "paused"
            ran = await one.racedeck("export", "skip", "scoring")
            assert ran.status == 6
            assert "Passings that wait: 3. They will never be sent, unless they are sent again. Skip them?" in ran.err
            assert "add --yes scoring@8" in ran.err
            ran = await one.racedeck("export", "skip", "scoring", "--yes", "scoring@x")
            assert (ran.status, "'scoring@x' is not its name" in ran.err) == (6, True)
            device.send(1)
            await until_state(again, lambda state: export(state, "scoring").waiting == 4)
            ran = await one.racedeck("export", "skip", "scoring", "--yes", "scoring@8")
            assert (ran.status, ran.err) == (0, "passings skipped: 3; what came since is sent\n")
            await again.steer("scoring", "resume")
            await until_state(again, lambda state: export(state, "scoring").peers[0].connected)
            await until_state(again, lambda state: export(state, "scoring").tcp == 6)
            assert {read.chip for read in scoring.reads} == {1, 2, 3, 4, 5, 9}
            frame = (await again.frames(text="7"))[0].seq
            ran = await one.racedeck("resend", "scoring", "--frame", str(frame), "--to", "8", "--peer", "127.0.0.1")
            assert (ran.status, ran.err) == (0, "2 sent again\n")
            await scoring.until(lambda: {read.chip for read in scoring.reads} >= {7, 8})
            state = await until_state(again, lambda state: export(state, "scoring").resent == 2)
            row = export(state, "scoring")
            assert (row.journaled, row.sent, row.tcp, row.skipped, row.waiting) == (9, 6, 6, 3, 0)
            assert (await again.detail(frame)).deliveries[0].word == "sent: again"
            talk = await again.conversation("scoring", "127.0.0.1")
            assert b'"Chip":7' in talk.sent[-1]
            for wrong in (("resend", "scoring"), ("resend", "scoring", "--all", "--bib", "1")):
                assert (await one.racedeck(*wrong)).status == 2
            assert (await one.racedeck("resend", "scoring", "--from", "99")).status == 6
            assert "no peer '10.0.0.1'" in (await one.racedeck("export", "skip", "scoring", "--peer", "10.0.0.1")).err
            with pytest.raises(RefusedError, match="no export 'scorin'"):
                await again.steer("scorin", "pause")


async def test_a_kill_while_things_are_sent_again(tmp_path: Path) -> None:
    port, number = TcpPort.listen(), free_port()
    device = Sender(port, cp545_line)
    async with plugged(port), engine(tmp_path, settings(port, number)) as (one, client), at_work(device):
        await until_open(client)
        scoring = Scoring(f"127.0.0.1:{number}", retry=0.05)
        async with at_work(scoring):
            await until_state(client, lambda state: export(state, "scoring").peers)
            await device.flood(6000)
            await until_state(client, lambda state: export(state, "scoring").tcp == 6000)
            await until_saved(one, 6000)
        with closing(deaf(f"127.0.0.1:{number}", "127.0.0.2")):
            await until_state(client, lambda state: len(export(state, "scoring").peers) == 2)
            asked = asyncio.create_task(client.resend("scoring", Selection(), peer="127.0.0.2"))

            async def begun() -> object:
                ordered = (await client.sheet("scoring", "resent")).rows
                return ordered and (await client.conversation("scoring", "127.0.0.2")).sent

            await until_true(begun, "it is in the journal that it was asked for, and it is being sent again")
            await one.kill()
            (gone,) = await asyncio.gather(asked, return_exceptions=True)
            assert isinstance(gone, EngineGoneError | Done), "on a slow machine it is told meanwhile how far it is"
        with closing(await one.start()) as again:
            await until_open(again)

            async def cut() -> list[str]:
                return [each.text for each in await incidents(again) if "was cut short by the restart" in each.text]

            await until_true(cut, "it is said that it was cut short")
            assert await cut() == ["sending #1 to #6000 again was cut short by the restart: ask for it once more"]
            rows = {peer.address: peer for peer in export(await again.refresh(), "scoring").peers}
            row = rows["127.0.0.1"]
            assert (row.journaled, row.tcp, row.waiting) == (6000, 6000, 0)
            (order,) = (await again.sheet("scoring", "resent")).rows
            assert order[-2:] == ("?", "0"), "how much of it went out is not known"


async def test_a_mended_timing_point(tmp_path: Path) -> None:
    port, number = TcpPort.listen(), free_port()
    device, scoring = Sender(port, cp545_line), Scoring(f"127.0.0.1:{number}", retry=0.05)
    wrong = settings(port, number).replace('1 = "Start"', '1 = "Start", 4 = "Finish"') + 'points = ["Finish"]\n'
    async with plugged(port), engine(tmp_path, wrong) as (one, client), at_work(device, scoring):
        await until_open(client)
        await until_state(client, lambda state: export(state, "scoring").peers)
        device.send(2)
        await until_state(client, lambda state: state.journal.passings == 2)
        assert export(await client.refresh(), "scoring").journaled == 0
        one.write(wrong.replace('1 = "Start", 4 = "Finish"', '1 = "Finish"'))
        await client.reload()
        await until_state(client, lambda state: any(peer.connected for peer in export(state, "scoring").peers))
        device.send(1)
        await scoring.until(lambda: [read.chip for read in scoring.reads] == [3])
        words = [one.word for frame in await client.frames() for one in (await client.detail(frame.seq)).deliveries]
        assert words[:2] == ["timing point Start: not chosen, by the settings that it came under"] * 2
        assert (await client.resend("scoring", Selection(point="Finish", last=2))).text == "2 sent again"
        await scoring.until(lambda: [read.chip for read in scoring.reads] == [3, 1, 2])
        row = await until_state(client, lambda state: export(state, "scoring").resent == 2)
        assert (export(row, "scoring").journaled, export(row, "scoring").tcp) == (1, 1)
        ran = await one.racedeck("report", "--show", "sent")
        assert ran.status == 0
        assert len([line for line in ran.out.splitlines() if line.startswith("scoring ")]) == 1


async def test_a_scanner_is_forgotten_over_a_kill(tmp_path: Path) -> None:
    """It came once: what waits for it is in no figure any more, what it was sent stays, and it may come again."""
    port, number, scanner = TcpPort.listen(), free_port(), "127.0.0.2"
    device, scoring = Sender(port, cp545_line), Scoring(f"127.0.0.1:{number}", retry=0.05)
    forget = ("export", "forget", "scoring", scanner)
    async with plugged(port), engine(tmp_path, settings(port, number)) as (one, client), at_work(device, scoring):
        await until_open(client)
        came = await Client.connect(f"127.0.0.1:{number}", scanner)
        await until_state(client, lambda state: len(export(state, "scoring").peers) == 2)
        device.send(2)
        await until_state(client, lambda state: all(peer.tcp == 2 for peer in export(state, "scoring").peers))
        ran = await one.racedeck(*forget)
        assert (ran.status, "127.0.0.2 is connected to scoring: end it there first" in ran.err) == (6, True)
        await came.close()
        # A client that has closed is only found out when something is written to it.
        device.send(3)
        await until_state(client, lambda state: not all(peer.connected for peer in export(state, "scoring").peers))
        device.send(4)
        await until_state(client, lambda state: export(state, "scoring").waiting >= 4)
        assert "no peer '10.0.0.1'" in (await one.racedeck("export", "forget", "scoring", "10.0.0.1")).err
        ran = await one.racedeck(*forget)
        assert ran.status == 6
        assert "Forget 127.0.0.2? " in ran.err
        assert "is a newcomer, and gets what happens from then on." in ran.err
        assert "add --yes scoring" in ran.err
        ran = await one.racedeck(*forget, "--yes", "scorign")
        assert (ran.status, "'scorign' is not its name. Forget 127.0.0.2?" in ran.err) == (6, True)
        await until_state(client, lambda state: export(state, "scoring").waiting >= 4, "it was not forgotten")
        with closing(await one.attach(observe=True)) as observer, pytest.raises(RefusedError, match="observ"):
            await observer.steer("scoring", "forget", peer=scanner, yes="scoring")
        ran = await one.racedeck(*forget, "--yes", "scoring")
        assert (ran.status, ran.err.startswith("127.0.0.2 is forgotten; never sent to it: ")) == (0, True), ran.err
        await one.kill()
        with closing(await one.start()) as again:
            await until_open(again)
            state = await until_state(again, lambda state: export(state, "scoring").tcp == 9, "scoring has all")
            (left,), (gone,) = export(state, "scoring").peers, export(state, "scoring").former
            assert (left.address, export(state, "scoring").waiting) == ("127.0.0.1", 0)
            assert (gone.address, gone.waiting, gone.held) == (scanner, 0, 0)
            assert (gone.tcp or 0) >= 2
            assert gone.journaled == gone.sent + gone.skipped
            assert gone.reason.startswith("forgotten by ")

            back = await Client.connect(f"127.0.0.1:{number}", scanner)
            state = await until_state(again, lambda state: len(export(state, "scoring").peers) == 2)
            device.send(1)
            assert b'"Chip":10,' in await back.message()
            state = await until_state(
                again, lambda state: {peer.address: peer.tcp for peer in export(state, "scoring").peers}[f"{scanner}#2"]
            )
            (anew,) = [peer for peer in export(state, "scoring").peers if peer.address == f"{scanner}#2"]
            assert (anew.journaled, anew.sent, anew.tcp, anew.waiting) == (1, 1, 1, 0)
            assert export(state, "scoring").former == (gone,)
            assert (await one.racedeck("report")).status == 0, "it adds up"
            told = [
                (peer, count) for _, peer, figure, count, _ in (await again.sheet("", "report")).rows if figure == "tcp"
            ]
            assert (scanner, str(gone.tcp)) in told
            assert (f"{scanner}#2", "1") in told
            acts = [act for act in await journaled(one) if act.body.get("do") == "forget"]
            assert [(act.body["peer"], bool(act.by)) for act in acts] == [(scanner, True)]
            await back.close()


async def journaled(one: Engine) -> list[Act]:
    """Every act of operators about exports."""
    with closing(Reader(one.files)) as reader:
        return [act for act in reader.acts(after=0, limit=1000) if act.word == "export"]
