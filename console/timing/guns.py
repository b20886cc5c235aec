"""What fires a gun: a START line that arrives live, or an operator's word."""

from console.model import Act, Gun, Kind, Origin, Passing, Status

START_LINE = "START line"
"""`Gun.source` of a gun that a device's START line gave."""


def gun_of(passing: Passing) -> Gun | None:
    """The gun that a live START line fired; None: `passing` is something else."""
    if passing.kind is not Kind.GUN or passing.origin is not Origin.LIVE or passing.status is not Status.LIVE:
        return None
    return Gun(
        device=passing.device,
        generation=passing.generation,
        ns=passing.ns or 0,
        wall=passing.wall,
        source=START_LINE,
    )


def gun_of_act(act: Act) -> Gun | None:
    """The gun that an operator gave; None: `act` is something else."""
    if act.word != "gun":
        return None
    body = act.body
    return Gun(
        device=str(body["device"]),
        generation=int(body["generation"] or 1),
        ns=int(body["ns"] or 0),
        wall=int(body["wall"] or 0),
        source=act.by,
    )
