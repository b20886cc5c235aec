"""What a line of the TIME MACHINE means for timing, in words, and on the wire."""

from console.codecs import timemachine as codec
from console.devices.driver import DeviceSettings
from console.model import Basis, Kind, Reading

BRACKETS = 22 + 12 + 20
"""Bytes of the lines around a retransmit: its start, EVENT, its end."""


def line_seconds(size: int, settings: DeviceSettings) -> float:
    """What `size` bytes take on the line: start bit, word, parity and the timer's two stop bits each (section 4)."""
    return size * (1 + settings.data_bits + (settings.parity != "none") + 2) / settings.baud


class Told:
    """How much the timer has told of an event."""

    def __init__(self) -> None:
        self.lines = self.size = self.highest = 0

    def add(self, size: int, place: int, *, again: bool) -> None:
        """A line of `size` bytes has come, of overall place `place` (0: of none), live or told `again`."""
        self.highest = max(self.highest, place)
        if not again:
            self.lines += 1
            self.size += size

    def retransmit_seconds(self, settings: DeviceSettings) -> float:
        """What a retransmit of the event takes. The highest place tells of lines, too, that came before we listened."""
        mean = self.size / self.lines if self.lines else codec.LONGEST
        return line_seconds(BRACKETS + int(max(self.lines, self.highest) * mean), settings)


def place_reading(place: codec.Place, basis: Basis) -> Reading:
    """A finisher: PRIMARY and SELECT lines of the same place join, and share one count of places."""
    where = f"place/{place.chute}/{place.place_in_lane}/{place.place}"
    return Reading(
        kind=Kind.SELECT if place.select else Kind.PLACE,
        identity=f"{where}/{'select' if place.select else 'primary'}",
        value=f"{place.time} {place.bib}" if place.select else place.time,
        by_event=True,
        time=place.time,
        ns=place.ns,
        basis=basis,
        bib=place.bib or None,
        channel=str(place.chute),
        series="place",
        position=place.place,
        join=where,
        extra={"chute": place.chute, "place_in_lane": place.place_in_lane, "place": place.place},
    )


def lap_reading(lap: codec.Lap, basis: Basis) -> Reading:
    """A lap of a lane. Its number rolls over, so it is the total that tells laps apart."""
    return Reading(
        kind=Kind.LAP,
        identity=f"lap/{lap.lane}/{lap.lap}/{lap.total}",
        value=f"{lap.total} {lap.split}",
        by_event=True,
        time=lap.total,
        ns=lap.ns,
        basis=basis,
        channel=str(lap.lane),
        extra={"lane": lap.lane, "lap": lap.lap, "split": lap.split},
    )


def only_record(decoder: codec.Decoder | codec.ClockDecoder, raw: bytes) -> codec.Record | codec.Clock | None:
    """What `raw` says where it is one good line."""
    pieces = [*decoder.receive(raw), *decoder.flush()]
    return pieces[0].record if len(pieces) == 1 else None


def explained(raw: bytes, record: codec.Record | codec.Clock | None) -> dict[str, str]:
    """The fields of a line; of one that cannot be read, what it claims to be."""
    match record:
        case codec.Start(mode, time):
            return {"line": "START", "mode": {"XC": "cross-country", "LT": "lap timing"}[mode], "clock at start": time}
        case codec.Event(event):
            return {"line": "EVENT", "event": event}
        case codec.Place():
            fields = {
                "line": "SELECT TIME" if record.select else "PRIMARY TIME",
                "chute": str(record.chute),
                "place in lane": str(record.place_in_lane),
                "place": str(record.place),
                "time": record.time,
            }
            return fields | ({"race number": record.bib or "none"} if record.select else {})
        case codec.Lap(lane, lap, total, _, split):
            return {"line": "LAP TIME", "lane": str(lane), "lap": str(lap), "total": total, "split": split}
        case codec.RetransmitBegin():
            return {"line": "START OF RETRANSMIT", "meaning": "what follows is not live"}
        case codec.RetransmitEnd():
            return {"line": "END OF RETRANSMIT", "meaning": "live again"}
        case codec.Clock(state, time):
            return {"line": "EXTERNAL CLOCK", "state": state, "time": time}
        case None:
            return {"line": f"{codec.NAMES.get(raw[0], 'none') if raw else 'none'}, not readable"}
