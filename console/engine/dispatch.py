"""What operators ask of exports: held passings, a pause, a skip, a client forgotten, things sent again, a look at the
conversation."""

from collections.abc import Callable, Mapping
from typing import Any

from console.control import messages as m
from console.exports.export import Export
from console.model import Level


class Dispatch:
    """Answers for the `exports` at work, by name. `say` journals an incident about one of them."""

    def __init__(
        self, exports: Callable[[], Mapping[str, Export[Any]]], say: Callable[[Level, str, str], None]
    ) -> None:
        self._exports = exports
        self._say = say

    def held(self, call: m.Held, who: str) -> m.Result:
        """Release or skip held passings."""
        export = self._export(call.export)
        act = {"release": export.release, "skip": export.skip}.get(call.action)
        if act is None:
            raise ValueError(f"held passings can be released or skipped, not {call.action!r}")
        self._known_peer(export, call.peer)
        whom = [one for one in export.state().peers if call.peer in (None, one.address)]
        if not any(one.held for one in whom):
            raise ValueError(f"nothing is held for {call.peer or call.export}")
        count = act(list(call.passings), call.peer)
        text = f"held, and {'released' if call.action == 'release' else 'skipped'} now: {count}"
        if call.action == "release" and not call.passings and (left := export.state().held):
            text += f"; still held, as they lack what the format needs: {left}"
        self._say(Level.NOTE, call.export, f"{text} ({who})")
        return m.Done(text=text)

    async def steer(self, call: m.Steer, who: str) -> m.Result:
        """Pause and resume; skip to now, or forget a client, once the operator has agreed to what will not be sent."""
        export = self._export(call.export)
        match call.action:
            case "pause":
                export.pause(who)
                return m.Done(text=f"{call.export} is paused: nothing is sent until it is resumed")
            case "resume":
                export.resume(who)
                return m.Done(text=f"{call.export} goes on")
            case "skip":
                return await self._skip(export, call, who)
            case "forget":
                return await self._forget(export, call, who)
        raise ValueError(f"an export can be told to pause, resume, skip or forget, not {call.action!r}")

    async def _forget(self, export: Export[Any], call: m.Steer, who: str) -> m.Result:
        """A client that never comes back is in no figure any more."""
        self._known_peer(export, call.peer)
        found = [one for one in export.state().peers if one.address == call.peer]
        if not found:
            raise ValueError("forget whom? name a client of the export")
        peer, gets = found[0], export.forgettable(found[0].address)
        if call.yes != call.export:
            wrong = f"{call.yes!r} is not its name. " if call.yes else ""
            question = (
                f"{wrong}Forget {peer.address}? {peer.waiting:,} waiting and {peer.held:,} held passings will never be "
                "sent to it; what it was sent stays in the report. A client at its address that comes later is a "
                f"newcomer, and gets {gets}."
            )
            return m.Asks(question=question, name=call.export, typed=False)
        await export.forget(peer.address, who)
        text = f"{peer.address} is forgotten; never sent to it: {peer.waiting:,} that waited, {peer.held:,} held"
        self._say(Level.WARNING, call.export, f"{text} ({who})")
        return m.Done(text=text)

    async def _skip(self, export: Export[Any], call: m.Steer, who: str) -> m.Result:
        """What is agreed to is what waited when it was asked about: more may have come since."""
        self._known_peer(export, call.peer)
        to = f" to {call.peer}" if call.peer else ""
        count = export.waiting(call.peer)
        if not count:
            raise ValueError(f"nothing waits for {call.peer or call.export}")
        name, _, agreed = call.yes.partition("@")
        if name != call.export or not (agreed.isdecimal() or name == call.yes):
            wrong = f"{call.yes!r} is not its name. " if call.yes else ""
            never = f"They will never be sent{to}, unless they are sent again. Skip them?"
            question = f"{wrong}Passings that wait: {count:,}. {never}"
            return m.Asks(question=question, name=f"{call.export}@{export.counted_to}", typed=False)
        upto = int(agreed) if agreed else export.counted_to
        text = f"passings skipped{to}: {await export.skip_until(upto, who, call.peer):,}; what came since is sent"
        self._say(Level.WARNING, call.export, f"{text} ({who})")
        return m.Done(text=text)

    async def resend(self, call: m.Resend, who: str) -> m.Result:
        """Send passings again."""
        export = self._export(call.export)
        self._known_peer(export, call.peer)
        return m.Done(text=await export.resend(call.what, who, call.peer))

    def talk(self, call: m.GetPeer) -> m.Result:
        """The last lines sent to a peer, and received from it."""
        talk = self._export(call.export).talk(call.peer)
        return m.Conversation(sent=talk.sent, received=talk.received)

    def _export(self, name: str) -> Export[Any]:
        exports = self._exports()
        if name not in exports:
            raise LookupError(f"no export {name!r}; there are {', '.join(exports) or 'none'}")
        return exports[name]

    def _known_peer(self, export: Export[Any], peer: str | None) -> None:
        known = [one.address for one in export.state().peers]
        if peer is not None and peer not in known:
            raise LookupError(f"{export.settings.name} has no peer {peer!r}; it has {', '.join(known) or 'none'}")
