import pytest

from console.devices import otimcon_setup
from console.devices.driver import CommandError
from console.model import Level, LinkState, Risk
from tests.devices.otimcon_bench import NOON, Bench, bench, until

VERSIONS = ["0.16", "0.17", "0.18", "0.19", "0.2", "0.21", "0.22"]


def controls(desk: Bench) -> list[object]:
    return [act.body["control"] for act in desk.desk.acts if act.word == "station"]


async def set_up(desk: Bench, count: int) -> None:
    await until(lambda: len(controls(desk)) == count)


async def test_twenty_stations_of_all_versions_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk:
        for number in range(20):
            version = VERSIONS[number % len(VERSIONS)]
            async with desk.plugged(version=version, mode="READOUT", control=99) as station:
                if not number:
                    await desk.order("NEXT STATION 31 CONTROL time,control,mode,backup")
                await set_up(desk, number + 1)
                assert (station.control, station.mode, station.pointer) == (31 + number, "CONTROL", 0)
                assert abs(station.clock() - NOON) <= 2
            assert desk.job == f"plug in the station for control {32 + number}"
            assert desk.state.job
            assert desk.state.job.done == number + 1
        assert desk.told(Level.ALARM) == [], "to unplug is what the operator is told to do"
        reply = await desk.order("STOP")  # no station is there, and it ends all the same
        assert desk.state.job is None
        last = desk.state.outcome
        assert last
        assert (last.words, last.by, last.text) == ("STOP", "ann", reply.text), "not that of a plan which is over"
    assert reply.text == "stopped: NEXT STATION after 20 stations"
    assert controls(desk) == list(range(31, 51))
    assert [act.body["version"] for act in desk.desk.acts] == [VERSIONS[one % 7] for one in range(20)]
    assert {(act.word, act.by, act.body["off_before"], act.body["backup_reset"]) for act in desk.desk.acts} == {
        ("station", "ann", -270, True)
    }
    lines = [line for line in desk.told() if " set: " in line]
    assert len(lines) == 20
    assert lines[6] == (
        "control 37 set: 0.22, CONTROL, clock was -270 s off, now right, backup reset. "
        "Unplug it; next is the station for control 38"
    )
    assert "0.19 (old: backup of 64 punches, and its readouts are not passed on)" in lines[3]
    assert not desk.told(Level.WARNING)


async def test_the_mode_is_set_before_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere SET CTRL is answered with a warning, and cannot be read back."""
    async with bench(monkeypatch) as desk, desk.plugged(mode="PRINT") as station:
        await desk.order("NEXT STATION FINISH READOUT control,mode")
        await until(lambda: desk.desk.acts)
        assert (station.control, station.mode) == (252, "READOUT")
        assert station.clock() - NOON < -260
    sent = desk.desk.sent()
    assert [line for line in sent if line.startswith("SET")] == ["SET MODE CONTROL", "SET CTRL 252", "SET MODE READOUT"]
    assert desk.desk.acts[0].body["text"] == "control FINISH set: 0.22, READOUT"


async def test_a_station_that_fails_costs_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk:
        async with desk.plugged(version="0.16"):
            await desk.order("NEXT STATION 31 PRINT")
            await until(lambda: desk.told(Level.WARNING))
        assert (
            "control 31 NOT SET: SET MODE PRINT: the station answered Unknown Argument 'PRINT'"
            in (desk.told(Level.WARNING)[0])
        )
        assert desk.desk.acts == []
        async with desk.plugged() as station:
            await until(lambda: desk.desk.acts)
            assert (station.control, station.mode) == (31, "PRINT")
    assert controls(desk) == [31]


async def test_a_station_unplugged_too_early_costs_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk:
        async with desk.plugged(mode="READOUT"):
            await until(lambda: "clock" in desk.state.facts)
            await desk.order("NEXT STATION 31")
            await until(lambda: "SET MODE CONTROL" in desk.desk.sent())
        await until(lambda: desk.state.state is LinkState.DOWN)
        early = [line for line in desk.told(Level.WARNING) if "NOT SET: it was unplugged or reset too early" in line]
        assert len(early) == 1
        assert controls(desk) == []
        async with desk.plugged() as station:
            await until(lambda: desk.desk.acts)
            assert station.control == 31


async def test_a_bad_contact_uses_up_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk, desk.plugged() as station:
        await desk.order("NEXT STATION 31")
        await until(lambda: len(desk.desk.acts) == 1)
        await station.reset(boot=0.01)
        await until(lambda: any("this is control 31, set already" in line for line in desk.told()))
        assert station.control == 31
        await desk.order("NEXT STATION")  # the operator knows better
        await until(lambda: len(desk.desk.acts) == 2)
        assert station.control == 32


async def test_stations_may_be_changed_behind_a_cable_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a battery and three wires, a station neither resets nor loses a link."""
    monkeypatch.setattr(otimcon_setup, "LOOK", 0.02)
    async with bench(monkeypatch) as desk, desk.plugged() as station:
        await desk.order("NEXT STATION 31")
        await until(lambda: len(desk.desk.acts) == 1)
        desk.cable.stall()
        await until(lambda: desk.job == "plug in the station for control 32")
        station.control, station.mode = 7, "READOUT"
        desk.cable.flow()
        await until(lambda: len(desk.desk.acts) == 2)
        assert (station.control, station.mode) == (32, "CONTROL")


async def test_it_goes_on_after_the_last_number_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk:
        async with desk.plugged():
            await until(lambda: "clock" in desk.state.facts)
            with pytest.raises(CommandError, match="say with which number to begin"):
                await desk.order("NEXT STATION")
            desk.desk.note("station", {"device": "other", "control": 249}, "ann")
            await desk.order("NEXT STATION")
            await until(lambda: controls(desk) == [249, 250])
        assert desk.state.job is None  # there is no 251st
        async with desk.plugged():
            await until(lambda: "clock" in desk.state.facts)
            with pytest.raises(CommandError, match="the numbers up to 250 are used up"):
                await desk.order("NEXT STATION")


async def test_an_old_station_without_backup_is_set_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk, desk.plugged(version="0.14", mode="READOUT") as station:
        await desk.order("NEXT STATION START CONTROL time,control,mode,backup")
        await until(lambda: desk.desk.acts)
        assert (station.control, station.mode) == (251, "CONTROL")
    assert "has no backup" in str(desk.desk.acts[0].body["text"])
    assert desk.desk.acts[0].body["backup_reset"] is False


async def test_what_a_plan_risks_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk, desk.plugged():
        await until(lambda: "clock" in desk.state.facts)
        risk = desk.manager.risk
        assert risk("ctl", "NEXT STATION 31") == Risk(changes=True, sets_clock=True)
        assert risk("ctl", "NEXT STATION 31 READOUT mode") == Risk(changes=True)
        assert "backup of every station" in risk("ctl", "NEXT STATION 31 CONTROL control,backup").destroys
        assert "ERASES EVERY CARD" in risk("ctl", "NEXT STATION 31 CLEAR").destroys
        for wrong in (
            "NEXT STATION 0",
            "NEXT STATION 253",
            f"NEXT STATION {'9' * 5000}",
            "NEXT STATION x",
            "NEXT STATION 1 CONTROL bleep",
        ):
            with pytest.raises(CommandError, match="NEXT STATION"):
                risk("ctl", wrong)
            with pytest.raises(CommandError, match="NEXT STATION"):
                await desk.order(wrong)
        with pytest.raises(CommandError, match="nothing is under way"):
            await desk.order("STOP")


async def test_a_forgotten_plan_sets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The station that is plugged in hours later may be one of the race."""
    async with bench(monkeypatch) as desk:
        async with desk.plugged():
            await desk.order("NEXT STATION 31")
            await set_up(desk, 1)
        monkeypatch.setattr(otimcon_setup, "FORGOTTEN", 0.0)
        async with desk.plugged(control=45):
            await until(lambda: desk.told(Level.WARNING))
        assert desk.told(Level.WARNING) == ["NEXT STATION ended: nobody used it for 0 minutes; not set"]
        assert desk.state.job is None
    assert controls(desk) == [31]


async def test_a_new_plan_takes_the_place_of_the_old_and_a_printer_keeps_its_codes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bench(monkeypatch) as desk, desk.plugged(mode="PRINT") as station:
        station._escpos = True
        await desk.order("NEXT STATION 31 CONTROL control")
        await set_up(desk, 1)
        assert (station.mode, station._escpos, station.control) == ("PRINT", True, 31)
        await desk.order("NEXT STATION 50 CONTROL control,mode")
        assert desk.state.job
        assert desk.state.job.words == "NEXT STATION 50 CONTROL control,mode"
        await set_up(desk, 2)
        assert (station.mode, station.control) == ("CONTROL", 50)
        await desk.order("STOP")


async def test_a_race_ends_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The station that comes back then is one of the race, and nobody has typed its name."""
    async with bench(monkeypatch) as desk:
        async with desk.plugged():
            await desk.order("NEXT STATION 31")
            await set_up(desk, 1)
        desk.manager.race_begins()
        async with desk.plugged(control=45) as station:
            await until(lambda: "clock" in desk.state.facts)
            assert station.control == 45
        assert desk.told(Level.WARNING) == ["ended, because a race begins: NEXT STATION after 1 station"]
        assert desk.state.job is None
    assert controls(desk) == [31]


async def test_a_clock_that_does_not_keep_its_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as desk, desk.plugged() as station:
        monkeypatch.setattr(station, "set_clock", lambda _: None)
        await desk.order("NEXT STATION 31")
        await until(lambda: desk.told(Level.WARNING))
        assert "its clock is -270 s off although it was set" in desk.told(Level.WARNING)[0]
        assert controls(desk) == []
