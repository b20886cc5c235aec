"""An operator's bib and a take-over, from the command line through a real engine, and across a kill."""

from contextlib import closing
from pathlib import Path

import pytest

from console.cli import main
from console.codecs import thcom
from console.codecs import timemachine as tm
from console.control.client import RefusedError
from console.exit import Exit
from console.model import SECOND, Kind, Phase, Status
from tests.faults.rig import cp545_line, export, place, until_open, until_state
from tests.faults.test_commands import course


def recalled(number: int) -> bytes:
    """What a CP545 answers when it is asked for time `number` again."""
    ns = 36_000 * SECOND + number * SECOND // 100
    return thcom.basic(thcom.time_line("AN", number, number, "1", ns, 0), checksum=False)


async def test_a_bib_given_and_taken_back(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        for number, select in ((1, False), (2, False), (2, True)):
            it.chute.port.write(tm.encode(place(number, select=select)))
        await it.passings(3)

        ran = await it.one.racedeck("bib", "1", " M12 ")
        assert (ran.status, ran.out, ran.err) == (Exit.OK, "", "#1 ---- -> M12; goes out in 10 s\n")
        ran = await it.one.racedeck("bib", "3", "77")
        assert ran.err == "#2 2 -> 77; goes out in 10 s\n"
        await until_state(it.client, lambda state: state.devices[1].nameless == 0)
        ran = await it.one.racedeck("undo")
        assert (ran.status, ran.err) == (Exit.OK, "undone: #2 77 -> 2; it had not gone out\n")
        ran = await it.one.racedeck("bib", "2", "--none")
        assert ran.err == "#2 2 -> ----; goes out in 10 s\n"
        done = await it.client.set_bib(2, "5")
        assert done.data == {"passing": 2, "edit": 8}

        ran = await it.one.racedeck("bib", "4", "1")
        assert (ran.status, "give the bib to #1" in ran.err) == (Exit.REFUSED, True)
        for passing, bib, why in ((99, "1", "no passing #99"), (1, "1" * 17, "too long"), (1, "M12", "M12 already")):
            with pytest.raises(RefusedError, match=why):
                await it.client.set_bib(passing, bib)

        async def tell() -> None:
            rows = (await it.one.racedeck("tail", "--since", "0", "--json")).rows
            assert [row["bib"] for row in rows] == ["M12", "5", "5", "M12", "77", "2", None, "5"]
            edit = rows[4]
            assert (edit["status"], edit["of"], edit["was"]) == ("edited", 2, "2")
            assert (rows[5]["undoes"], rows[5]["at"] > edit["at"]) == (5, True)
            assert rows[0]["edited"] == edit["by"]
            assert "edited" not in rows[6] or rows[6]["bib"] is None
            lines = (await it.one.racedeck("tail", "--since", "0")).out.splitlines()
            assert lines[1].endswith(f"M12        live, edited by {edit['by']}")
            assert lines[5].endswith(f"77         edited by {edit['by']}: #2 was 2")
            assert lines[6].endswith(f"2          undone by {edit['by']}: #2 was 77")

        await tell()
        await it.one.kill()
        await tell()  # from the files alone
        with closing(await it.one.start()) as client:
            await tell()
            assert client.state.devices[1].nameless == 0
            rows = await client.passings(kinds=(Kind.PLACE, Kind.SELECT), statuses=(Status.LIVE,))
        assert [(row.bib, row.halves) for row in rows] == [("M12", ("place",)), ("5", ("place", "select"))]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("1", ""), "give --none"),
        (("1",), "required"),
        (("1", "7", "--none"), "not allowed"),
        (("first", "7"), "invalid int"),
    ],
)
def test_a_bib_command_that_is_wrong_is_said(
    words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["bib", *words])
    except SystemExit as error:
        status = int(error.code or 0)
    assert status == Exit.USAGE
    assert why in capsys.readouterr().err


async def test_an_observer_gives_no_bib(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        observer = await it.one.attach(observe=True)
        with closing(observer):
            for call in (observer.set_bib(1, "7"), observer.undo(), observer.take_over("start")):
                with pytest.raises(RefusedError, match="observe"):
                    await call


async def test_what_a_download_told_is_offered_and_taken_over(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        it.start.port.write(cp545_line(1))
        await it.passings(1)
        for number in (1, 2, 3, 4):
            it.start.port.write(recalled(number))
        await it.passings(5)
        device = (await it.client.refresh()).devices[0]
        assert device.passings == 1
        told = device.retold
        assert told
        assert (told.lines, told.new, told.repeats, told.differ, told.first, told.last) == (4, 3, 1, 0, 2, 5)
        assert export(it.client.state, "scoring").journaled == 1, "what is offered does not count"
        sheet = await it.client.sheet("start", "offered")
        assert [row[0] for row in sheet.rows] == ["3", "4", "5"]
        assert "racedeck take-over start" in sheet.note

        ran = await it.one.racedeck("take-over", "start", "4")
        assert (ran.status, ran.out, ran.err) == (Exit.OK, "", "1 taken over\n")
        it.start.port.write(cp545_line(2))
        await it.passings(7)
        ran = await it.one.racedeck("take-over", "start", "3", "4", "5")
        assert ran.err == "1 taken over, 1 had come meanwhile; #4 was taken over already, as #6\n"
        await until_state(it.client, lambda state: state.devices[0].passings == 4)
        assert export(await it.client.refresh(), "scoring").journaled == 4
        assert (await it.client.sheet("start", "offered")).rows == []

        for words, why in (
            (("start",), "nothing of start is offered"),
            (("start", "1"), "#1 is not offered, it is live"),
            (("nowhere",), "no device 'nowhere'"),
        ):
            ran = await it.one.racedeck("take-over", *words)
            assert (ran.status, why in ran.err) == (Exit.REFUSED, True), ran.err

        lines = (await it.one.racedeck("tail", "--since", "0", "--device", "start")).out.splitlines()
        assert lines[3].endswith("offered by a download, does not count")
        assert lines[6].endswith("recovered of offered #4")
        assert lines[8].endswith("repeat of #7, recovered of offered #3")
        rows = (await it.one.racedeck("tail", "--since", "5", "--json")).rows
        assert [(row["status"], row["origin"]) for row in rows] == [
            ("live", "recovered"),
            ("live", "live"),
            ("repeat", "recovered"),
            ("live", "recovered"),
        ]
        assert rows[0]["offered"] == 4


async def test_an_engine_that_starts_again_offers_the_same(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        it.start.port.write(recalled(1) + recalled(2))
        await it.passings(2)
        await it.one.kill()
        with closing(await it.one.start()) as client:
            await until_open(client)
            assert [row[0] for row in (await client.sheet("", "offered")).rows] == ["start", "start"]
            assert (await client.take_over("start")).data == {"taken": 2, "came": 0}


async def test_what_came_during_test_is_taken_over_only_by_name(tmp_path: Path) -> None:
    async with course(tmp_path) as it:
        await it.client.phase(Phase.TEST)
        it.start.port.write(cp545_line(1) + cp545_line(2))
        await it.passings(2)
        await it.client.phase(Phase.RACE)
        it.start.port.write(recalled(1) + recalled(2))
        await it.passings(4)
        told = (await it.client.refresh()).devices[0].retold
        assert told
        assert (told.lines, told.new, told.repeats, told.test) == (2, 0, 0, 2)
        ran = await it.one.racedeck("take-over", "start")
        assert ran.status == Exit.REFUSED
        assert "nothing of start is offered but 2 that came during TEST" in ran.err
        it.start.port.write(recalled(3))
        await it.passings(5)
        ran = await it.one.racedeck("take-over", "start")
        assert ran.err.startswith("1 taken over; left out: 2 that came during TEST: ")
        ran = await it.one.racedeck("take-over", "start", "3")
        assert ran.err == "1 taken over\n"
        ran = await it.one.racedeck("take-over", "start", "4", "--test")
        assert ran.status == Exit.USAGE
        ran = await it.one.racedeck("take-over", "start", "--test")
        assert (ran.status, ran.err) == (Exit.OK, "1 taken over\n")
        lines = (await it.one.racedeck("tail", "--since", "0", "--device", "start")).out.splitlines()
        assert lines[3].endswith("offered by a download, does not count; came during TEST as #1")
        assert export(await it.client.refresh(), "scoring").journaled == 3
