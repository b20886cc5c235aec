"""Lines in the operator's own format, over loopback sockets."""

from typing import Any

import pytest

from console.config import SettingsError
from console.exports import export_class
from console.exports.template import TemplateExport, TemplateSettings
from console.model import Kind, Status
from console.timing.tags import TagTable
from tests.exports.desk import Client, MemoryDesk, edit, running, until
from tests.exports.settings import loaded


def make(desk: MemoryDesk, template: str, **settings: Any) -> TemplateExport:
    filled = TemplateSettings(name="lines", type="template", listen="127.0.0.1:0", template=template, **settings)
    return TemplateExport(filled, desk, desk.now)


async def lines(client: Client, count: int) -> list[str]:
    return [(await client.message(b"\n")).decode("cp1252") for _ in range(count)]


def test_the_registry_finds_it() -> None:
    assert export_class("template") is TemplateExport


async def test_the_line_of_the_settings() -> None:
    desk = MemoryDesk()
    async with running(make(desk, r"{bib};{time:%H:%M:%S.%f};{point}\r\n")) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add(2)
        assert await lines(client, 2) == ["1;10:29:02.123456;Finish\r\n", "2;10:29:02.123456;Finish\r\n"]
        await client.close()


async def test_a_template_that_says_a_bib_waits_for_it() -> None:
    desk = MemoryDesk()
    export = make(desk, "{bib}|{name}|{time:%S}\n", encoding="cp1252")
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        (place,) = desk.add(kind=Kind.PLACE, bib=None)
        (punch,) = desk.add(kind=Kind.PUNCH, bib=None, tag="A1")
        desk.add(kind=Kind.GUN, bib=None)
        assert await lines(client, 1) == ["||02\n"]
        await until(lambda: export.state().held == 2)
        desk.add(kind=Kind.SELECT, bib="77", status=Status.JOINED, of=place.seq)
        assert await lines(client, 1) == ["77||02\n"]
        desk.tags = TagTable(bibs={"A1": "5"}, names={"5": "Jürgen Ł"})
        export.rebind()
        assert await lines(client, 1) == ["5|Jürgen ?|02\n"]
        edit(desk, punch, "6")
        assert await lines(client, 1) == ["6||02\n"]
        await until(lambda: export.state().tcp == 4)
        assert (export.state().held, export.state().waiting) == (0, 0)
        await client.close()


async def test_a_numbered_template_says_what_is_known_and_what_becomes_known() -> None:
    desk = MemoryDesk()
    export = make(desk, "{number} {bib}\n")
    async with running(export) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        (place,) = desk.add(kind=Kind.PLACE, bib=None)
        desk.add(kind=Kind.SELECT, bib="77", status=Status.JOINED, of=place.seq)
        edit(desk, place, "78")
        assert await lines(client, 3) == ["1 \n", "1 77\n", "1 78\n"]
        await client.close()


async def test_a_template_that_says_nobody_tells_of_each_passing_once() -> None:
    desk = MemoryDesk()
    desk.no_utc = {6}
    export = make(desk, "{time:%S};{point}\n")
    async with running(export) as where:
        (place,) = desk.add(kind=Kind.PLACE, bib=None)
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        (place,) = desk.add(kind=Kind.PLACE, bib=None)
        desk.add(kind=Kind.SELECT, bib="77", status=Status.JOINED, of=place.seq)
        desk.add(kind=Kind.PLACE, bib="78", status=Status.CORRECTION, of=place.seq, change="bib")
        edit(desk, place, "79", ago=0.0)
        desk.add(3)
        assert await lines(client, 3) == ["02;Finish\n"] * 3
        await until(lambda: export.state().held == 1)  # without a time
        assert export.state().journaled == 4
        await client.close()


async def test_an_edit_holds_nothing_back_that_says_nobody() -> None:
    desk = MemoryDesk()
    (first,) = desk.add(kind=Kind.PLACE, bib=None)
    edit(desk, first, "79", ago=0.0)
    export = make(desk, "{tag};{point}\n", newcomers="all", kinds=("place", "punch"))
    async with running(export) as where:
        client = await Client.connect(where)
        desk.add(kind=Kind.PUNCH, bib="3", tag="A1")
        assert await lines(client, 1) == ["A1;Finish\n"]
        await until(lambda: (export.state().unmapped, export.state().held) == (1, 0))
        assert "without a tag" in export.fate(first)[0][1]
        await client.close()


async def test_no_time_no_wait() -> None:
    desk = MemoryDesk()
    desk.no_utc = {1}
    async with running(make(desk, "{bib} {race}\r")) as where:
        client = await Client.connect(where)
        await until(lambda: desk.saved)
        desk.add()
        assert await client.message(b"\r") == b"1 12:00:00\r"
        await client.close()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("template = '{bip}\\n'", "template: no field {bip}; there are number, bib, tag"),
        ("template = '{bib}'", "template: it must end the line"),
        ("template = 'ü{bib}\\n'\nencoding = 'ascii'", "template: ascii has no 'ü'"),
        ("template = '{bib}\\n'\nencoding = 'latin1'", "encoding must be one of ascii, cp1252, utf-8"),
        ("", "template is missing"),
    ],
)
def test_settings_that_make_no_sense(given: str, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        loaded(f'type = "template"\nlisten = "127.0.0.1:0"\n{given}')
    (said,) = error.value.problems
    assert said.startswith('racedeck.toml: export "one": ')
    assert problem in said
