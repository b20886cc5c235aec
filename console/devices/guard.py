"""What must be agreed to before a command is sent."""

from msgspec import Struct

from console.model import ClockState, Phase, Risk


class Question(Struct, frozen=True):
    """What the operator is asked."""

    text: str
    typed: bool
    """The device's name must be typed; else a plain yes will do."""


def question(words: str, device: str, risk: Risk, phase: Phase, clock: ClockState) -> Question | None:
    """What to ask before `words` go to `device`; None: nothing.

    In a race, whatever changes the device needs its name: nobody types that by mistake with cold fingers.
    """
    racing = phase is Phase.RACE and risk.changes
    said = [_sentence(risk.destroys)] if risk.destroys else []
    if risk.sets_clock and not clock.synced:
        state = "is not synchronised" if clock.synced is False else "may not be right: nothing tells whether it is"
        said.append(f"{device} would get this machine's time, and that {state}.")
    if racing:
        said.append("A race is running.")
    if not said:
        return None
    does = f" ({risk.does})" if risk.does else ""
    return Question(f"{words}{does}: {' '.join(said)}", typed=racing)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!")) else text + "."
