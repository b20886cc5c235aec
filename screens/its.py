"""The ITS tab: the GSM Interface's panel. Configuration, connection, FRAMES and MATERIAL LIST."""

from console.control.client import Client
from console.model import ItsLink, ItsState
from screens import words
from screens.exports import REMINDED, REMINDER
from screens.its_lists import SERVER, ItsFrames, MaterialList, materials, title
from screens.listing import Listing
from screens.paint import Line
from screens.picture import Picture
from screens.view import Hints, Text, View

TALL = 30
"""Lines of the body from which on both lists are shown."""

FIELDS = {
    "software_id": "Software ID Number",
    "server": "Server Addr",
    "server_port": "Server Port",
    "user": "User Name",
    "password": "User Password",
    "log_file": "Log File",
}
"""Keys of the configuration, and what operators know them as."""

DEFAULTS = {"server": "online.itschrono.com", "server_port": "3000", "log_file": "GSM_Interface_Log.csv"}

INKS = {"linked": "good", "connecting": "warn", "logging in": "warn"}

CAUSES = (
    "the User Name or the Password is not that of your TIMER ID (MY PROFILE on the server)",
    "the Software ID Number is not in the server's MATERIAL list, or another device has it",
    "the date of the event has passed: it is then not accessible any more",
    "no configuration is activated in the event (ACTIVATE CONFIGURATION), or this serial is not in it",
)
"""Why a server refuses, usually (the guide)."""


class Its(View):
    """The link to ITS ONLINE TIMING. What was typed and not saved is in `draft`."""

    name = "ITS"

    def __init__(self) -> None:
        super().__init__()
        self.draft: dict[str, str] = {}
        self.source = ItsFrames()
        self.frames = Listing(self.source)
        self.material = MaterialList()
        self.panes = [self.frames, self.material]

    async def pull(self, client: Client, picture: Picture) -> bool:
        """Fetch frames of the sources there are now."""
        sources = [one for one in materials(picture) if one.role == "source"]
        names = (SERVER, *(one.device for one in sources))
        self.source.ports = {one.device: one.software_port for one in sources}
        if names != self.source.names:
            self.source.names = names
            self.frames.set_filter(self.frames.filter)
        return await super().pull(client, picture)

    def hints(self) -> Hints:
        """The keys that matter here."""
        return (
            ("e", "edit"),
            ("R", "reset"),
            ("S", "save"),
            ("C", "connection"),
            ("Tab", "material"),
            ("Enter", "detail"),
            (":", "command"),
            ("?", "more"),
        )

    def lines(self, width: int, height: int, picture: Picture) -> list[Line]:
        """Configuration and connection, and below them the list in front, or both."""
        its = picture.state.its
        out = self._configuration(its, width, picture)
        if its is None:
            told = "no [its] in the settings: e fills in the configuration, S saves it, and the link connects by itself"
            return [*out, *([(line, "warn")] for line in words.wrapped(told, width))]
        out += connection(its, width, picture)
        room = height - len(out)
        if height >= TALL:
            below = min(room // 2, 3 + len(its.material))
            out += self.frames.lines(width, room - below, picture, active=self.pane is self.frames)
            out += [[] for _ in range(height - below - len(out))]
            return out + self.material.lines(width, below, picture, active=self.pane is self.material)
        if self.pane is self.material:
            rows = self.material.lines(width, room - 1, picture, active=True)
            other = "FRAMES  Tab shows them"
        else:
            rows = self.frames.lines(width, room - 1, picture)
            other = f"{title(picture)}  Tab shows it"
        rows += [[] for _ in range(room - 1 - len(rows))]
        return [*out, *rows, [(picture.rule(other, width), "rule")]]

    def values(self, its: ItsState | None) -> dict[str, str]:
        """The configuration, with what was typed and not saved; of a password only whether there is one."""
        known = dict.fromkeys(FIELDS, "") | (saved(its) if its else DEFAULTS) | self.draft
        known["password"] = "set, not saved" if "password" in self.draft else "set" if its and its.password else ""
        return known

    def _configuration(self, its: ItsState | None, width: int, picture: Picture) -> list[Line]:
        values = self.values(its)
        state = "NOT SAVED: S saves it, R resets it" if self.draft else ""
        out: list[Line] = [[(picture.rule("CONFIGURATION", width, state), "warn" if self.draft else "rule")]]
        half, keys = width // 2, list(FIELDS)
        for left, right in zip(keys[:3], keys[3:], strict=True):
            line: Line = []
            for key, size, name in ((left, half, 19), (right, width - half, 14)):
                shown = words.clean(values[key]) or ("not set" if key == "password" else "-")
                ink = "warn" if key in self.draft or shown in ("not set", "-") else "head"
                line += [(f"{FIELDS[key]:<{name}}", "dim"), (words.fit(shown, size - name - 1) + " ", ink)]
            out.append(line)
        return out


def saved(its: ItsState) -> dict[str, str]:
    """What the settings say, but for the password."""
    host, _, port = its.server.rpartition(":")
    return {
        "software_id": its.software_id,
        "server": host.removeprefix("[").removesuffix("]"),
        "server_port": port,
        "user": its.user,
        "log_file": its.log_file,
    }


def connection(its: ItsState, width: int, picture: Picture) -> list[Line]:
    """The link as a sequence in words, its figures, what the server printed, and who listens here."""
    out: list[Line] = []
    for number, link in enumerate(its.links):
        out += _link(its, link, width, picture) if number == 0 else [_linked_up(link, width, picture)]
    for writer in its.writers:
        told = f"written into {writer.device}: {writer.written}, waiting: {writer.waiting}"
        if writer.held:
            told += f", HELD: {writer.held}  :release {writer.export} or :skip"
        out.append([(words.fit(told, width), "bad" if writer.held else "warn" if writer.waiting else "")])
    here = ", ".join(f"{count} on port {port}" for port, count in sorted(its.instances.items()) if count)
    told = f"{here}; it counts impulses only in a started session" if here else "none"
    out.append([(words.fit(f"timing software: {told}", width), "" if here else "warn")])
    if _newcomer(picture):
        out += [[(line, "warn")] for line in words.wrapped(REMINDER, width)]
    if its.unconfirmed:
        told = f"UNCONFIRMED: {len(its.unconfirmed)} things about the server; checksums {its.checksums}"
        out.append([(told, "warn"), ("  ? says which", "key")])
    return out


def _newcomer(picture: Picture) -> bool:
    """Timing software has just connected."""
    peers = [peer for one in picture.state.exports if one.type == "thcom-server" for peer in one.peers]
    return any(peer.connected and picture.now - peer.since < REMINDED for peer in peers)


def _link(its: ItsState, link: ItsLink, width: int, picture: Picture) -> list[Line]:
    now, zone = picture.now, picture.zone
    ink = INKS.get(link.state, "bad")
    since = words.clock(link.since, zone)
    head = f"CONNECTION  {link.state.upper()}  {words.clean(its.server)}"
    retry = ""
    if link.retry_at is not None and link.state != "linked":
        retry = f", again in {words.age(max(0, link.retry_at - now))}"
    out: list[Line] = [[(picture.rule(head, width, f"since {since}{retry}"), ink)]]
    if link.steps:
        way = ["logging in (SN, UN, PW)" if one.word == "logging in" else one.word for one in link.steps]
        while len(steps := " > ".join(way)) > width - 10 and len(way) > 2:
            way[:2] = ["..."]  # the last ones matter
        out.append([(words.fit(steps, width - 10), ink), (f"  {words.clock(link.steps[-1].wall, zone)}", "dim")])
    if link.state != "linked":
        out += [[(line, ink)] for line in words.wrapped(link.reason, width)[:4]]
    figures: Line = [
        (f"heartbeat {words.since(link.beat, now)}  heard {words.since(link.heard, now)}  ", ""),
        (f"received {link.received}  sent {link.sent}  acked {link.acked}  ", ""),
        (f"waiting {link.waiting}", "warn" if link.waiting else ""),
    ]
    out.append(figures)
    if link.odd or link.again:
        told = f"no good frame, or a wrong checksum: {link.odd}   came again, counted once: {link.again}"
        out.append([(words.fit(told, width), "bad" if link.odd else "dim")])
    if link.printed:
        told = " | ".join(words.clean(one.text) for one in link.printed[-3:])
        out.append([("it says: ", "dim"), (words.fit(told, width - 9), "")])
    return out


def _linked_up(link: ItsLink, width: int, picture: Picture) -> Line:
    """A device of ours that is linked up, as a docking does. Its figures are those of the export: each passing once,
    however often it went out, and what waits may not even have been tried yet."""
    export = picture.export(SERVER)
    peer = next((one for one in export.peers if one.address == link.role), None) if export else None
    sent, acked, waiting, held = link.sent, link.acked, link.waiting, 0
    if peer:
        sent, acked, held = peer.sent, peer.acked or 0, peer.held
        waiting = peer.waiting + sent - acked
    figures = f"sent {sent}  acked {acked}  waiting {waiting}"
    start = f"{words.clean(link.serial)} {words.brief(link.role, 12)} {link.state.upper()}  {figures}  "
    offered = f"HELD {held}  :release {SERVER}  " if held else ""
    rest = max(0, width - len(start) - len(offered))
    return [(start, INKS.get(link.state, "bad")), (offered, "bad"), (words.fit(link.reason, rest), "dim")]


class About(Text):
    """What is not confirmed about the server, why it refuses, and what to do without this link."""

    name = "about ITS"

    def content(self, width: int, picture: Picture) -> list[Line]:
        """All of it."""
        its = picture.state.its
        unconfirmed = its.unconfirmed if its else ()
        checksums = f"checksums: {its.checksums} (missing or wrong ones are always shown)" if its else ""
        parts = (
            ("UNCONFIRMED", [*unconfirmed, checksums, "a first real session confirms or corrects this: docs/its.md"]),
            ("A REFUSAL USUALLY MEANS", [*CAUSES]),
            (
                "TWO WAYS THAT DO NOT DEPEND ON IT",
                [
                    "a device of type gsm-interface reads the official GSM Interface program on its local port 7000",
                    "racedeck its tap 3000 online.itschrono.com:3000 records what any ITS program and the server say; "
                    "racedeck its replay FILE holds it against the documents",
                ],
            ),
            ("TIMING SOFTWARE", [REMINDER]),
            (
                "KEYS HERE",
                [
                    "e: edit the configuration, field by field; nothing is changed before S",
                    "R: reset: forget what was typed and not saved",
                    "S: save it into the settings, the password into secrets.toml; the link connects anew",
                    "C: connection: connect anew, now",
                    "Tab: FRAMES or MATERIAL LIST; Enter: a frame byte by byte; ? again: all other keys",
                    "HELD: it has gone stale, and waits for you: :release EXPORT sends it, :skip EXPORT never does",
                    "Port >0086: it came on the connection of 0086, which is linked up here, and not for this computer",
                ],
            ),
        )
        out: list[Line] = []
        for head, lines in parts:
            out.append([(picture.rule(head, width), "head")])
            for told in filter(None, lines):
                first, *rest = words.wrapped(told, width - 4)
                out += [[(f"  - {first}", "")], *([(f"    {line}", "")] for line in rest)]
        return out
