"""The GSM docking: its settings read, written and read back, and passwords that nothing keeps."""

import asyncio
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.codecs.thcom_records import Command
from console.devices.docking import PASSWORDS, SETTINGS, Docking, DockingSettings
from console.devices.driver import CommandError
from console.model import CommandInfo, find
from console.simulators import gsm_docking
from tests.devices.thcom_rig import Wire, ask, settled

SECRET = "top-secret/7"


class Bench:
    """A driver and the docking at its other end."""

    def __init__(self, *, older: bool = False) -> None:
        self.docking = gsm_docking.Docking(older=older)
        self.refuses: dict[str, Sequence[str]] = {}
        self.wire = Wire(self.answer)
        self.driver = self.wire.driver = Docking(DockingSettings(name="gsm", type="gsm-docking", port="x"), self.wire)

    def answer(self, command: Command) -> Sequence[str]:
        data = f"#{command.name} {command.text}"
        return next((no for begins, no in self.refuses.items() if data.startswith(begins)), None) or (
            [] if data in self.refuses else self.docking.answer(command)
        )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("console.devices.thcom_talk.ANSWER_WITHIN", 0.05)
    return Bench()


async def test_settings_are_printed_without_the_passwords(bench: Bench) -> None:
    jobs: list[str] = []
    bench.driver.changed = lambda: jobs.append(bench.driver.job.text if bench.driver.job else "")
    reply = await ask(bench.driver, "PRINT SETTINGS")
    assert reply.ok
    assert reply.data["AP1-NAME"] == "matooma.m2m"
    assert reply.data["AP2-NAME"] == ""
    assert "SERVER1-HOST online.itschrono.com; SERVER1-PORT 3000; SERVER1-USER (empty)" in reply.text
    assert bench.wire.data == [f"#RP 030 {one.field}" for one in SETTINGS]
    assert not {one.field for one in PASSWORDS} & {data[-1] for data in bench.wire.data}
    assert bench.driver.facts == {"access point 1": "matooma.m2m", "server 1": "online.itschrono.com 3000"}
    assert "server 2: port" in jobs
    assert jobs[-1] == ""


async def test_the_sheet_of_settings(bench: Bench) -> None:
    sheet = bench.driver.sheet("settings")
    assert len(sheet.rows) == 15
    assert {row[1] for row in sheet.rows} == {"not read", "cannot be read"}
    await ask(bench.driver, "PRINT SETTINGS")
    await ask(bench.driver, "SET PASSWORD SERVER1 file", SECRET)
    rows = {row[0]: row[1] for row in bench.driver.sheet("settings").rows}
    assert rows["server 1: port"] == "3000"
    assert rows["server 1: password"] == "written 22:13:20, cannot be read"
    assert rows["server 2: password"] == "cannot be read"
    assert SECRET not in str(rows)
    with pytest.raises(LookupError):
        bench.driver.sheet("laps")
    bench.driver.lost()
    bench.driver.opened()
    assert {row[1] for row in bench.driver.sheet("settings").rows} == {"not read", "cannot be read"}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
async def test_every_setting_is_written_and_read_back(bench: Bench, setting: object) -> None:
    name, field = setting.name, setting.field  # type: ignore[attr-defined]
    value = "8080" if name.endswith("PORT") else "*100#"
    reply = await ask(bench.driver, f"SET {name.lower()} {value}")
    assert (reply.ok, reply.text) == (True, f"{name} is {value}, read back")
    assert bench.wire.data == [f"#WP 030 {field} {value}", f"#RP 030 {field}"]
    assert bench.docking.settings[field] == value


@pytest.mark.parametrize("setting", PASSWORDS, ids=lambda setting: setting.name)
@pytest.mark.parametrize("older", [False, True])
async def test_a_password_is_written_and_kept_nowhere(setting: object, older: bool) -> None:
    bench = Bench(older=older)
    name, field = setting.name, setting.field  # type: ignore[attr-defined]
    reply = await ask(bench.driver, f"SET PASSWORD {name} ~/pw", SECRET + "\n")
    assert (reply.ok, reply.text) == (True, f"password of {name}: accepted (AK C); it cannot be read back")
    assert bench.docking.settings[field] == SECRET
    assert [raw.partition(b" ")[0] for raw in bench.wire.sent] == ([b"#WP", b"#GP"] if older else [b"#WP"])
    assert all(raw.endswith(f"{field} *\r\n".encode()) for raw in bench.wire.journaled)
    kept = str((bench.wire.journaled, reply, bench.driver.facts, bench.driver.sheet("settings"), bench.wire.told))
    assert SECRET not in kept
    for raw in bench.wire.sent:
        assert SECRET not in str(Docking.explain(raw))


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ("", "must hold one line"),
        ("one\ntwo\n", "must hold one line, the password (it has 2)"),
        ("x" * 26, "the password must be 1 to 25 characters of ASCII (these are 26)"),
        ("geheim-ü", "the password must be 1 to 25 characters of ASCII"),
        ("tab\there", "the password must be"),
    ],
)
async def test_a_password_that_cannot_be_is_not_sent_and_not_said(bench: Bench, contents: str, why: str) -> None:
    with pytest.raises(CommandError, match=re.escape(why)) as caught:
        await ask(bench.driver, "SET PASSWORD AP1 file", contents)
    with pytest.raises(CommandError, match=re.escape(why)):
        bench.driver.check_file("SET PASSWORD AP1 file", contents)
    assert bench.wire.sent == []
    assert not contents or contents not in str(caught.value)


@pytest.mark.parametrize("code", ["F", "R"])
async def test_a_refused_password_is_not_said_either(bench: Bench, code: str) -> None:
    bench.refuses |= {"#WP": [f"AK {code}"], "#GP": [f"AK {code}"]}
    reply = await ask(bench.driver, "SET PASSWORD AP1 file", SECRET)
    assert (reply.ok, f"(AK {code})" in reply.text) == (False, True)
    assert SECRET not in str((reply, bench.wire.journaled))


@pytest.mark.parametrize(
    "words",
    [
        f"SET AP1-NAME {'x' * 26}",
        "SET AP1-NAME",
        "SET AP1-NAME a\x01b",
        "SET SERVER1-PORT 0",
        "SET SERVER1-PORT 65536",
        "SET SERVER1-PORT x",
        "SET SERVER1-HOST two words",
        "SET SERVER1-HOST süd.example",
        "SET SERVER1-PASSWORD x",
        "SET PASSWORD AP3 file",
        "SET PASSWORD AP1",
        "PRINT",
        "#WP 030 1 x",
    ],
)
async def test_malformed_words_are_refused_before_anything_is_asked(bench: Bench, words: str) -> None:
    with pytest.raises(CommandError):
        bench.driver.risk(words)
    assert bench.wire.sent == []


def test_what_writes_changes() -> None:
    driver = Bench().driver
    assert driver.risk("SET AP1-NAME x").changes
    assert driver.risk("SET PASSWORD AP1 file").changes
    assert not driver.risk("PRINT SETTINGS").changes
    info, _ = find(driver.commands, "set password ap1 ~/a file with blanks")
    assert isinstance(info, CommandInfo)
    assert info.arguments[-1].file


async def test_what_reads_otherwise_is_said(bench: Bench) -> None:
    bench.refuses["#WP"] = ["AK C"]
    reply = await ask(bench.driver, "SET AP1-NAME other.apn")
    assert (reply.ok, reply.text) == (False, "AP1-NAME: accepted (AK C), BUT IT READS matooma.m2m")
    bench.refuses["#RP"] = ["AK F"]
    reply = await ask(bench.driver, "SET AP1-NAME other.apn")
    assert (reply.ok, reply.text) == (True, "AP1-NAME: accepted (AK C); it cannot be read back")


async def test_an_older_one_is_written_by_gp_and_cannot_be_read() -> None:
    bench = Bench(older=True)
    reply = await ask(bench.driver, "SET AP1-NAME new.apn")
    assert (reply.ok, reply.text) == (True, "AP1-NAME: accepted (AK C); it cannot be read back")
    assert bench.wire.data == ["#WP 030 1 new.apn", "#GP 1 new.apn"]
    assert bench.docking.settings["1"] == "new.apn"
    reply = await ask(bench.driver, "PRINT SETTINGS")
    assert (reply.ok, "(AK R): it may be older" in reply.text) == (False, True)


async def test_a_setting_that_is_not_told_is_named(bench: Bench) -> None:
    bench.refuses["#RP 030 6"] = ["AK F"]
    reply = await ask(bench.driver, "PRINT SETTINGS")
    assert reply.text.endswith("; not told (AK F): SIM-BALANCE")
    assert "SIM-BALANCE" not in reply.data


async def test_status(bench: Bench) -> None:
    reply = await ask(bench.driver, "STATUS")
    assert reply.text == (
        "HL540 00540 VA02; GSM enabled, network, APN, server connected, login accepted, settings 1, signal 3 of 4"
    )
    assert bench.driver.facts["type"] == "HL540"
    bench.refuses |= {"#SN": ["AK R"], "#RP": ["AK R"]}
    assert (await ask(bench.driver, "STATUS")).text == "it does not say who it is"


async def test_it_is_asked_once_when_it_was_just_connected(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.devices.docking.OPENING", 0.0)
    attending = asyncio.create_task(bench.driver.attend())
    await settled(50)
    assert bench.wire.data == ["#SN", "#RP 034"]
    attending.cancel()
    await asyncio.wait([attending])


async def test_silence_and_a_lost_link(bench: Bench) -> None:
    bench.refuses["#RP 030 2"] = []
    with pytest.raises(CommandError, match="#RP 030: no answer"):
        await ask(bench.driver, "PRINT SETTINGS")
    assert bench.driver.job is None
    bench.driver.lost()
    asking = asyncio.create_task(ask(bench.driver, "PRINT SETTINGS"))
    while bench.wire.data.count("#RP 030 2") < 2:
        await settled(1)
    with pytest.raises(CommandError, match="gsm is at 'PRINT SETTINGS'"):
        await ask(bench.driver, "STATUS")
    bench.driver.lost()
    with pytest.raises(CommandError, match="the link was lost"):
        await asking
    bench.wire.gone = True
    with pytest.raises(ConnectionError):
        await ask(bench.driver, "STATUS")


@given(st.lists(st.binary(max_size=60), max_size=10))
@settings(max_examples=50)
def test_any_bytes(chunks: list[bytes]) -> None:
    driver = Bench().driver
    heard = [one for chunk in chunks for one in driver.receive(chunk, 0)] + driver.lost()
    assert b"".join(one.raw for one in heard) == b"".join(chunks)
    assert not any(one.facts for one in heard)
