"""The guide's own example on the fake engine: two timers, PC 1007, an impulse at the start and one at the finish."""

from msgspec import structs

from console.codecs.thcom_link import extended
from console.model import (
    SECOND,
    DeviceState,
    Direction,
    Frame,
    ItsLink,
    ItsMaterial,
    ItsPrinted,
    ItsState,
    ItsStep,
    LinkState,
)
from tests.screens.fake_engine import GUN, FakeEngine

LOGIN = GUN + 100 * SECOND

SAID = (
    ("its", 0, b"", "Instance Connected. 7000", ""),
    ("its", 1, extended(190, "P0000", "P1007", "#GC 1"), "#GC", ""),
    ("its", 1, extended(191, "P0000", "P1007", "#PL ITS ONLINE TIMING"), "#PL", ""),
    ("its", 1, extended(192, "P0000", "P1007", "#PL Hello ITSCHRONO"), "#PL", ""),
    ("its", 1, extended(193, "P0000", "P1007", "#PL Test serveur"), "#PL", ""),
    ("its-0084", 39, extended(0, "10084", "P1007", "TN    1    1 M1 13:50:12.36600  9098"), "TN", ""),
    (
        "its-0086",
        44,
        extended(5, "10086", "P1007", "TN    1    1 M2 13:50:23.98600  9098")[:-6] + b"8260\r\n",
        "TN",
        "checksum: got 8260, computed 9553",
    ),
    ("its-0086", 45, extended(6, "10086", "P1007", "IR 1       1    00:00:11.62000"), "IR", ""),
    ("its", 60, b"", "All instance are disconnected", ""),
    ("its", 61, b"\x02what", "cut short", "cut short"),
)


def linked(**changes: object) -> ItsState:
    link = ItsLink(
        serial="1007",
        role="software",
        state="linked",
        since=LOGIN + SECOND,
        steps=tuple(
            ItsStep(wall=LOGIN + at * SECOND, word=word)
            for at, word in enumerate(("connecting", "logging in", "accepted (#GC 1)", "linked"))
        ),
        heard=GUN + 4200 * SECOND,
        beat=GUN + 4190 * SECOND,
        received=7,
        odd=1,
        printed=tuple(
            ItsPrinted(wall=LOGIN, text=text) for text in ("ITS ONLINE TIMING", "Hello ITSCHRONO", "Test serveur")
        ),
    )
    state = ItsState(
        software_id="1007",
        server="online.itschrono.com:3000",
        user="timer01",
        password=True,
        log_file="GSM_Interface_Log.csv",
        links=(link,),
        material=(
            ItsMaterial(
                address="10086",
                device="its-0086",
                role="source",
                named=True,
                label="Time Master",
                model="TM550",
                colour="Blue",
                heard=GUN + 4200 * SECOND,
                frames=2,
            ),
            ItsMaterial(
                address="10084",
                device="its-0084",
                role="source",
                named=True,
                label="Time Master",
                model="TM550",
                frames=0,
            ),
            ItsMaterial(address="P1007", device="", role="software", named=True, model="Computer"),
        ),
        instances={7000: 1},
        unconfirmed=("that the server speaks THCOM08", "type codes"),
    )
    return structs.replace(state, **changes)


def engine(its: ItsState | None = None) -> FakeEngine:
    """An engine with the guide's link, and its frames as the newest of the event."""
    made = FakeEngine()
    first = made.frames - len(SAID) + 1
    for seq, (device, after, raw, label, flaw) in enumerate(SAID, first):
        made.odd[seq] = Frame(
            seq=seq,
            device=device,
            direction=Direction.RX,
            wall=LOGIN + after * SECOND,
            mono=seq,
            raw=raw,
            label=label,
            flaw=flaw,
            by="1007 (software)" if device == "its" else "",
        )
    made.changes["devices"] = tuple(
        DeviceState(name=name, type="its-source", where="ITS", state=LinkState.UP, since=LOGIN)
        for name in ("its-0084", "its-0086")
    )
    made.changes["its"] = its or linked()
    return made
