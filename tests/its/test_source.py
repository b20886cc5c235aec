"""A source's frames mean what they would mean on a cable."""

import asyncio

import pytest

from console.codecs.thcom_link import extended
from console.codecs.thcom_session import WINDOW
from console.devices import driver_class
from console.devices.driver import CommandError
from console.its.settings import ItsSettings, Material
from console.its.source import Source, SourceEndpoint, explain, settings_of
from console.model import Heard, Order, Reading
from tests.devices.outlet import Nowhere

TN = "TN    1    1 M1 13:50:12.36600  9098"
IR = "IR 1       1    00:00:11.62000"
ITS = ItsSettings(
    software_id="1007",
    user="x",
    material=(Material(serial="0084", name="start", model="TM550", points={"M1": "Start"}),),
)


def source() -> Source:
    one = Source(settings_of(ITS, "10084"), Nowhere())
    one.opened()
    return one


def hear(one: Source, data: str, number: int = 0) -> Heard:
    (heard,) = one.receive(extended(number, "10084", "P1007", data), 0)
    return heard


def reading(one: Source, data: str, number: int = 0) -> Reading:
    (fact,) = hear(one, data, number).facts
    assert isinstance(fact, Reading)
    return fact


def test_the_registry_finds_it_and_settings_do_not_offer_it() -> None:
    assert driver_class("its") is Source


def test_it_is_named_by_the_settings_or_by_its_serial() -> None:
    named, unknown, other = (settings_of(ITS, address) for address in ("10084", "10086", "P0012"))
    assert (named.name, named.points, named.model) == ("start", {"M1": "Start"}, "TM550")
    assert (unknown.name, other.name) == ("its-0086", "its-P0012")
    assert named.address == "10084 at online.itschrono.com:3000"


def test_times_are_those_of_a_cable() -> None:
    heard = hear(source(), TN)
    assert heard.raw == extended(0, "10084", "P1007", TN)
    assert (heard.label, heard.flaw, heard.note) == ("TN", "", "")
    one = reading(source(), TN)
    assert (one.bib, one.channel, one.time, one.day) == ("1", "M1", "13:50:12.36600", 9098 + 10_957)


def test_a_result_that_comes_again_after_a_loss_is_the_same() -> None:
    one = source()
    first = reading(one, IR)
    one.lost()
    one.opened()
    assert reading(one, IR, 7).identity == first.identity
    assert reading(one, IR, 8).identity != first.identity  # and a third time it is another run


def test_equal_results_without_a_loss_are_two_runs() -> None:
    one = source()
    assert reading(one, IR).identity != reading(one, IR, 1).identity


def test_only_the_last_results_before_a_loss_are_in_doubt() -> None:
    one = source()
    first = reading(one, IR)
    for number in range(2 * WINDOW):
        reading(one, f"IR 1    {number + 2:4}    00:00:11.62000", number)
    one.lost()
    one.opened()
    assert reading(one, IR).identity != first.identity


@pytest.mark.parametrize(("tail", "word"), [(b"\t801E\r\n", "checksum wrong"), (b"\t\r\n", "no checksum")])
def test_a_checksum_that_is_not_right_is_seen(tail: bytes, word: str) -> None:
    raw = extended(0, "10084", "P1007", TN).partition(b"\t")[0] + tail
    (heard,) = source().receive(raw, 0)
    assert heard.label == f"TN {word}"
    assert heard.note.startswith(f"{word}: taken all the same")
    assert heard.facts


def test_what_makes_no_sense_is_kept_with_a_flaw() -> None:
    assert hear(source(), "TN nonsense").flaw.startswith("malformed TN")
    assert not hear(source(), "TN nonsense").facts
    (transponder,) = source().receive(extended(0, "10084", "P1007", TN, protocol="2"), 0)
    assert (transponder.label, transponder.facts) == ("protocol 2", ())
    (half,) = source().receive(b"rubbish\r\n", 0)
    assert half.flaw


def test_commands_do_not_go_through_the_server() -> None:
    with pytest.raises(CommandError, match="at the other end of the server"):
        source().risk("#WC 005")
    with pytest.raises(CommandError, match="at the other end of the server"):
        asyncio.run(source().command(Order(words="#WC 005", by="x", console=0, text="")))


def test_the_detail_view_shows_both_frames() -> None:
    told = explain(extended(5, "10084", "P1007", TN))
    assert told["frame number"] == "005"
    assert told["from"] == "10084"
    assert told["link checksum"] == "right"
    assert any("13:50:12.36600" in value for value in told.values())
    assert explain(b"rubbish") == {}
    assert explain(b"") == {}


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.reasons: list[str] = []

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)


async def test_frames_wait_for_the_device_and_the_device_for_the_link() -> None:
    endpoint, ear = SourceEndpoint("start", lambda: None), Ear()
    opening = asyncio.create_task(endpoint.open(ear))
    await asyncio.sleep(0)
    assert not opening.done()
    endpoint.feed(b"1")
    endpoint.linked()
    link = await opening
    endpoint.feed(b"2")
    assert ear.heard == [b"1", b"2"]
    with pytest.raises(ConnectionError):
        link.write(b"x")
    endpoint.lost("cut")
    endpoint.feed(b"3")
    assert (ear.heard, ear.reasons) == ([b"1", b"2"], ["cut"])
    endpoint.linked()
    await endpoint.appeared()
    await endpoint.open(ear)
    assert ear.heard == [b"1", b"2", b"3"]


async def test_a_source_that_must_wait_has_the_whole_link_wait() -> None:
    looks: list[bool] = []
    endpoint = SourceEndpoint("start", lambda: looks.append(endpoint.busy))
    endpoint.linked()
    link = await endpoint.open(Ear())
    link.pause()
    link.resume()
    assert looks == [False, True, False]
    link.abort()
    for _ in range(501):
        endpoint.feed(b"x")
    assert endpoint.busy


async def test_an_aborted_link_hears_nothing_more() -> None:
    endpoint, ear = SourceEndpoint("start", lambda: None), Ear()
    endpoint.linked()
    link = await endpoint.open(ear)
    link.abort()
    endpoint.feed(b"1")
    endpoint.lost("cut")
    assert (ear.heard, ear.reasons) == ([], [])
