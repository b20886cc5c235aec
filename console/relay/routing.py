"""Where a frame goes: by the arrows of the active configuration. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from console.codecs.thcom_link import Extended

NOBODY = "0000"
"""The digits of the server's own address, and of a broadcast: the arrows say who is meant."""

OF_A_LOGIN = ("UN", "PW")
"""Never kept, never passed on: they are for the server, and secret."""

OF_THE_SERVER = ("#GC", "#UN", "#PW")
"""What only a server says: passed on, they would accept, refuse or empty a device in its name."""

FOR_THE_SERVER = ("AK", "SN", "ID")
"""Answers to what the server itself has sent, where they are addressed to it."""


class Plan(Struct, frozen=True):
    """What decides, at one moment."""

    users: Mapping[str, str]
    """Serial of each material -> the id it belongs to."""
    arrows: frozenset[tuple[str, str]]
    """(sender, receiver) of the active configuration."""


class Route(Struct, frozen=True):
    """One way of a frame."""

    destination: str
    """A serial; empty: nobody is meant."""
    refused: str = ""
    """Why it does not go there."""


def routes(frame: Extended, speaker: str, plan: Plan) -> list[Route]:
    """Where a frame goes that came over the connection of `speaker`; nowhere: it was for the server alone.

    A connection may speak for other material of its id (a PC for the timer on its cable); what it says does not come
    back to it. Answers to commands need an arrow like everything else: the sheet knows of no other way.
    """
    tag, source, given = frame.data[:2], frame.source[1:], frame.destination[1:]
    to_server = given == NOBODY
    if tag in OF_A_LOGIN or (to_server and tag in FOR_THE_SERVER):
        return []
    aim = "" if to_server else given
    if frame.data[:3] in OF_THE_SERVER:
        return [Route(aim, f"only a server says {frame.data[:3]}")]
    if source != speaker and plan.users.get(source, "") != plan.users.get(speaker):
        return [Route(aim, f"{speaker} does not speak for {source}: that is no material of the same id")]
    if not to_server:
        if given not in plan.users:
            return [Route(given, f"{given} is not in the material list")]
        return [Route(given, "" if (source, given) in plan.arrows else f"no arrow from {source} to {given}")]
    receivers = sorted(receiver for sender, receiver in plan.arrows if sender == source and receiver != speaker)
    return [Route(receiver) for receiver in receivers] or [Route("", f"no arrow leads away from {source}")]
