"""What never went out is never said to have: not when it could be said later, and not after a restart."""

import json

from console.exports.tsv1 import TsV1, TsV1Settings
from console.model import Kind, Selection
from console.timing.tags import TagTable
from tests.exports.desk import Client, MemoryDesk, running, until


def make(desk: MemoryDesk) -> TsV1:
    return TsV1(TsV1Settings(name="scoring", type="tsv1", listen="127.0.0.1:0", newcomers="all"), desk, desk.now)


def fates(export: TsV1, desk: MemoryDesk) -> list[str]:
    return [word for passing in desk.feed.passings for _, word in export.fate(passing)]


async def test_what_was_unmapped_or_dropped_is_not_said_to_be_sent_later() -> None:
    desk = MemoryDesk()
    strange = desk.add(kind=Kind.PUNCH, bib=None, tag="84A1B2C3")
    desk.add(kind=Kind.PLACE, bib=None)
    desk.add()
    why = "unmapped: tag '84A1B2C3' is not a number from 1 to 2147483647, which TsV1 needs"
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        assert json.loads(await client.message())[0]["Chip"] == 3
        await until(lambda: export.state().tcp == 1)
        assert fates(export, desk) == [why, "held: no bib yet", "tcp"]
        assert export.skip([2]) == 1
        assert fates(export, desk) == [why, "skipped", "tcp"]
        desk.tags = TagTable(bibs={"84A1B2C3": "1204"})
        export.rebind()
        known = ["unmapped: it could not be said when its turn came", "skipped", "tcp"]
        assert fates(export, desk) == known
        await client.close()
    export = make(desk)
    async with running(export) as where:
        await until(lambda: export.state().peers)
        assert fates(export, desk) == known
        client = await Client.connect(where)
        assert json.loads(await client.message())[0]["Chip"] == 3, "what went out within the last minute"
        assert await export.resend(Selection(first=strange[0].seq, last=strange[0].seq), "anna") == "1 sent again"
        assert json.loads(await client.message())[0]["Chip"] == 1204
        assert fates(export, desk) == [known[0] + "; sent again since", *known[1:]]
        await until(lambda: export.state().resent == 1)
        state = export.state()
        assert (state.journaled, state.sent, state.unmapped, state.skipped) == (3, 1, 1, 1)
        await client.close()


async def test_what_went_out_is_not_said_to_be_unmapped_when_the_table_loses_its_tag() -> None:
    desk = MemoryDesk()
    desk.tags = TagTable(bibs={"84A1B2C3": "1204"})
    desk.add(kind=Kind.PUNCH, bib=None, tag="84A1B2C3")
    export = make(desk)
    async with running(export) as where:
        client = await Client.connect(where)
        assert json.loads(await client.message())[0]["Chip"] == 1204
        await until(lambda: export.state().tcp == 1)
        desk.tags = TagTable()
        export.rebind()
        assert fates(export, desk) == ["tcp"]
        await client.close()
