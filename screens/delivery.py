"""One export, or one peer of it: figures that add up, what is held and why, its settings, the last lines."""

from console.control.client import Client, Conversation, EngineGoneError, Options, RefusedError
from console.model import SECOND, PeerState
from screens import words
from screens.exports import Row, find, remarks, taken
from screens.paint import Line
from screens.picture import Picture
from screens.tables import export_role
from screens.view import Hints, Text

LINES = 8
"""Lines of a conversation that are shown of each side; on a wide screen, twice as many."""

REASONS = 12
"""Columns before the reasons why passings are held."""


class Delivery(Text):
    """The detail of a row of the Exports tab."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
        self.name = " ".join(filter(None, row))
        self._options: Options | None = None
        self._talk: Conversation | None = None
        self._trouble = ""
        self._asked = 0
        self._known: object = None

    async def pull(self, client: Client, picture: Picture) -> bool:
        """Ask for settings and last lines, once a second."""
        if self._known == id(client) and picture.now < self._asked:
            return False
        before = (self._options, self._talk, self._trouble)
        self._trouble = ""
        try:
            self._options = await client.options(self.row.export)
            peer = _talker(self.row, picture)
            self._talk = await client.conversation(self.row.export, peer) if peer else None
        except RefusedError as error:
            self._trouble = str(error)
        except EngineGoneError:
            return False
        self._known, self._asked = id(client), picture.now + SECOND
        return before != (self._options, self._talk, self._trouble)

    def hints(self) -> Hints:
        """The keys that matter here."""
        return (
            ("Up/Down", "scroll"),
            ("Esc", "back"),
            ("p", "pause"),
            ("r", "resend"),
            ("s", "skip"),
            ("h k", "held"),
            ("e", "settings"),
            ("?", "help"),
        )

    def content(self, width: int, picture: Picture) -> list[Line]:
        """All that is known of it."""
        row = self.row
        if picture.export(row.export) is None:
            return [[(f"{row.export} is no longer in the settings", "warn")]]
        export, peer = find(row, picture)
        if row.peer and peer is None:
            return [[(f"{row.export}: {row.peer} has no account any more", "warn")]]
        state = export.state.upper() if peer is None else "connected" if peer.connected else "gone"
        ink = export_role(export.state) if peer is None else "good" if peer.connected else "warn"
        out: list[Line] = [[(picture.rule(words.clean(self.name), width), "head")], [(state, ink)]]
        out += remarks(row, width, picture)
        accounts = [peer] if peer else list(export.peers)
        for account in accounts:
            out += [[], [(picture.rule(f"DELIVERY TO {words.clean(account.address)}", width), "rule")]]
            out += _account(account, width, picture)
        if not accounts:
            out += [[], [(f"{words.plural(export.journaled, 'passing')} for whoever comes first", "")]]
        if self._talk:
            most = LINES * (2 if width >= 100 else 1)
            out += _lines("LAST LINES SENT (newest last)", "> ", self._talk.sent[-most:], width, picture)
            out += _lines("LAST LINES RECEIVED (newest last)", "< ", self._talk.received[-most:], width, picture)
        if self._trouble:
            out += [[], *([(line, "bad")] for line in words.wrapped(self._trouble, width))]
        if self._options:
            out += [[], [(picture.rule("SETTINGS", width, "e changes them"), "rule")]]
            out += _settings(self._options, width)
        return out


def _talker(row: Row, picture: Picture) -> str:
    """The peer whose lines are shown; empty: there is none, or several, or a file or a printer, which says nothing."""
    export = picture.export(row.export)
    peers = [peer for peer in export.peers if row.peer in ("", peer.address)] if export else []
    return peers[0].address if len(peers) == 1 and not peers[0].sink else ""


def _account(peer: PeerState, width: int, picture: Picture) -> list[Line]:
    """Every figure, and whether they add up."""
    parts = (
        ("sent", peer.sent, "taken by it" if peer.sink else "written to its connection"),
        (
            "waiting",
            peer.waiting,
            f"the oldest came {words.since(peer.oldest, picture.now)} ago" if peer.waiting else "",
        ),
        ("held", peer.held, "not to be sent yet; h sends, k drops them" if peer.held else ""),
        (
            "unmapped",
            peer.unmapped,
            "cannot be said in this format; the report (R) lists them" if peer.unmapped else "",
        ),
        ("skipped", peer.skipped, "never sent, an operator said so" if peer.skipped else ""),
    )
    out: list[Line] = [[(f"{peer.journaled:>9} journaled", "head"), ("  = what is for it, the sum of these:", "dim")]]
    for name, count, what in parts:
        ink = {"waiting": "warn", "held": "bad", "unmapped": "warn"}.get(name, "") if count else ""
        out.append([(f"{count:>9} {name:<10}", ink), (f"{what}", "dim")])
        if name == "held":
            for why, many in peer.reasons.items():
                first, *rest = words.wrapped(f"{many} {why}", width - REASONS - 2)
                out += [[(" " * REASONS + line, "bad")] for line in (first, *(f"  {line}" for line in rest))]
    summed = sum(count for _, count, _ in parts)
    if summed != peer.journaled:
        out.append([(f"{summed:>9} IS THEIR SUM: please report this", "alarm")])
    return [*out, *_taken(peer)]


def _taken(peer: PeerState) -> list[Line]:
    """How far it is known what became of what was sent."""
    out: list[Line] = []
    missing = f"{peer.sent - peer.tcp} on their way" if peer.tcp is not None and peer.sent > peer.tcp else ""
    told = missing or ("this system cannot tell" if peer.tcp is None else "all that was sent" if peer.sent else "")
    if not peer.sink:
        out.append([(f"{taken(peer.tcp):>9} taken by its TCP  ", ""), (told, "dim")])
    if peer.acked is None:
        acked = "it does not tell what is on paper" if peer.sink else "this protocol does not acknowledge"
    else:
        acked = "on the disk" if peer.sink else "by the program itself"
    out.append([(f"{words.count(peer.acked):>9} acknowledged  ", ""), (acked, "dim")])
    if peer.resent:
        out.append(
            [
                (f"{peer.resent:>9} resent  ", ""),
                ("again, as an operator or the server asked; in no other figure", "dim"),
            ]
        )
    return out


def _lines(title: str, mark: str, lines: tuple[bytes, ...], width: int, picture: Picture) -> list[Line]:
    out: list[Line] = [[], [(picture.rule(title, width), "rule")]]
    for raw in lines:
        text, room = words.escaped(raw), width - len(mark)
        pieces = [text[at : at + room] for at in range(0, len(text), room)]  # whole: the end may be what is wrong
        out += [[(" " * len(mark) if at else mark, "key"), (piece, "")] for at, piece in enumerate(pieces)]
    return out if lines else [*out, [("nothing yet", "dim")]]


def _settings(options: Options, width: int) -> list[Line]:
    size = max(len(one.key) for one in options.rows) + 2
    out: list[Line] = [[(f"{'type':<{size}}", "dim"), (options.kind, "head")]]
    for one in options.rows:
        own = one.value != one.default
        value = words.clean(one.value) or "-"
        line: Line = [(f"{one.key:<{size}}", "dim"), (value, "head" if own else "")]
        if width >= 100 and one.help:
            used = max(size + 24, size + len(value) + 2)
            line += [(" " * (used - size - len(value)), ""), (words.fit(one.help, width - used).rstrip(), "dim")]
        out.append(line)
    return out
