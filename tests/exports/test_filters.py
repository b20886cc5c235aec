"""What was left out, or went out, under settings that are others now."""

from contextlib import closing
from pathlib import Path
from typing import Any

from console.exports.csv_file import CsvFile, CsvSettings
from console.exports.export import Export
from console.exports.thcom_server import ThcomServer, ThcomServerSettings
from console.exports.tsv1 import TsV1, TsV1Settings
from console.model import Passing, Selection
from tests.exports.desk import Client, MemoryDesk, deaf, running, until
from tests.exports.sinks import RecordsDesk
from tests.exports.test_csv_file import at_work
from tests.exports.test_steering import chips, joined


def make(desk: MemoryDesk, **settings: Any) -> TsV1:
    return TsV1(TsV1Settings(name="scoring", type="tsv1", listen="127.0.0.1:0", **settings), desk, desk.now)


def fates(export: Export[Any], passings: list[Passing]) -> list[str]:
    return [word for one in passings for _, word in export.fate(one)]


async def served(desk: MemoryDesk, export: TsV1, **changes: Any) -> None:
    """Let a client take what happens, which is one passing of the mat, one of the chute and a first seen one."""
    async with running(export) as where:
        client = await joined(desk, where)
        before = export.state().tcp or 0
        desk.add(device="mat", **changes)
        desk.add(device="chute", **changes)
        desk.add(device="mat", read_type=1)
        expected = before + sum(not export.why_not(one) for one in desk.feed.passings[-3:])
        await until(lambda: export.state().tcp == expected)
        await client.close()


async def test_each_passing_is_judged_by_the_settings_that_it_came_under() -> None:
    desk = MemoryDesk()
    left = "device not chosen, by the settings that it came under"
    await served(desk, make(desk, devices=("mat",)))
    await served(desk, make(desk, devices=("chute",)))
    await served(desk, make(desk, skip_first_seen=False))
    export = make(desk, skip_first_seen=False)
    async with running(export):
        first_seen = "first seen, by the settings that it came under"
        assert fates(export, desk.feed.passings) == ["tcp", left, first_seen, left, "tcp", left, *["tcp"] * 3]
        state = export.state()
        assert (state.journaled, state.tcp) == (5, 5)
    narrow = make(desk, kinds=("gun",))
    async with running(narrow):
        words = fates(narrow, desk.feed.passings)
        assert [word for word in words if word == "tcp"] == ["tcp"] * 5
        late = desk.add()
        assert narrow.fate(late[0]) == [("", "kind passing not chosen")]
    assert len([act for act in desk.noted if act.word == "filter"]) == 4, "the same settings are noted once"


async def test_what_was_left_out_goes_out_only_when_it_is_sent_again() -> None:
    desk = MemoryDesk()
    await served(desk, make(desk, devices=("mat",)))
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        desk.add()
        assert await chips(client, 2) == [1, 4], "the last minute, as it was"
        await until(lambda: export.state().tcp == 2)
        assert await export.resend(Selection(first=2, last=2), "anna") == "1 sent again"
        assert await chips(client, 1) == [2]
        assert export.fate(desk.feed.passings[1]) == [("127.0.0.1", "sent: again")]
        assert (export.state().journaled, export.state().tcp) == (2, 2)
        await client.close()


async def test_what_still_waits_is_judged_by_the_settings_of_now() -> None:
    desk = MemoryDesk()
    export = make(desk, devices=("mat",))
    async with running(export) as where:
        with closing(deaf(where)):
            await until(lambda: desk.saved)
            desk.add(20_000, device="mat")
            desk.add(1, device="chute")
            await until(lambda: export.state().journaled == 20_000 and export.state().sent > 100)
    other = make(desk, devices=("chute",))
    async with running(other) as where:
        await until(lambda: other._tallied == 20_001)
        taken = other.state().tcp or 0
        words = fates(other, desk.feed.passings)
        assert words[:taken] == ["tcp"] * taken
        assert words[taken:] == ["device not chosen"] * (20_000 - taken) + ["waiting"]
        assert (other.state().journaled, other.state().waiting) == (taken + 1, 1)


async def test_what_is_held_and_not_chosen_any_more_waits_for_the_operator() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1, 2}
    first = make(desk)
    async with running(first) as where:
        client = await joined(desk, where)
        desk.add(device="mat")
        desk.add(device="chute")
        await until(lambda: first.state().held == 2)
        await client.close()
    narrow = make(desk, devices=("mat",))
    async with running(narrow) as where:
        client = await joined(desk, where)
        desk.no_utc = set()
        narrow.rebind()
        assert await chips(client, 1) == [1]
        why = "device not chosen, since the settings changed"
        await until(lambda: narrow.state().peers[0].reasons.get(why) == 1)
        assert narrow.fate(desk.feed.passings[1]) == [("127.0.0.1", f"held: {why}")]
        await client.close()
    export = make(desk)
    async with running(export) as where:
        client = await joined(desk, where)
        assert 2 in await chips(client, 2), "as before the settings were changed"
        await until(lambda: export.state().held == 0)
        await client.close()


async def test_a_timing_point_that_was_mended() -> None:
    desk = MemoryDesk()
    desk.point_of = {"1": "Start"}
    first = make(desk, points=("Finish",))
    async with running(first) as where:
        client = await joined(desk, where)
        wrong, right = desk.add(channel="1")[0], desk.add(channel="2")[0]
        await until(lambda: first.state().tcp == 1)
        await client.close()
    desk.point_of = {"1": "Finish"}
    export = make(desk, points=("Finish",))
    async with running(export):
        assert fates(export, [wrong]) == ["timing point Start: not chosen, by the settings that it came under"]
        assert fates(export, [right]) == ["tcp"]


async def test_the_devices_of_one_client() -> None:
    desk = MemoryDesk()

    def server(**settings: Any) -> ThcomServer:
        made = ThcomServerSettings(
            name="s", type="thcom-server", listen="127.0.0.1:0", channels={"mat": "1", "chute": "2"}, **settings
        )
        return ThcomServer(made, desk, desk.now)

    export = server(sources={"127.0.0.1": ("mat",)})
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        both = [*desk.add(device="mat"), *desk.add(device="chute")]
        await until(lambda: export.state().tcp == 1)
        await until(lambda: desk.saved["127.0.0.1"].tcp == 2)
        await client.close()
    other = server(sources={"127.0.0.1": ("chute",)})
    async with running(other):
        assert fates(other, both) == ["tcp", "device not chosen for this client, by the settings that it came under"]


async def test_a_choice_that_this_version_cannot_make_is_passed_over() -> None:
    desk = MemoryDesk()
    await served(desk, make(desk))
    for chooses in ('{"colours":["red"]}', '{"kinds":7}'):
        desk.note("filter", {"export": "scoring", "chooses": chooses, "upto": "{}"}, "engine")
    export = make(desk, devices=("chute",))
    async with running(export):
        assert fates(export, desk.feed.passings[:2]) == ["device not chosen", "tcp"]


async def test_a_file(tmp_path: Path) -> None:
    desk = RecordsDesk(tmp_path)

    def file(**settings: Any) -> CsvFile:
        return CsvFile(CsvSettings(name="book", type="csv", **settings), desk, desk.now)

    async with at_work(file(devices=("mat",))) as export:
        both = [*desk.add(device="mat"), *desk.add(device="chute")]
        await until(lambda: export.state().acked == 1 and export.place == 2)
    async with at_work(file(devices=("chute",))) as export:
        late = desk.add(device="mat")
        await until(lambda: export.place == 3)
        assert fates(export, both + late) == ["sent", "device not chosen", "device not chosen"]
