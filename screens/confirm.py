"""The question that stands before a danger: what it does in words, and the name that must be typed."""

from collections.abc import Callable

from screens.desk import Desk
from screens.paint import Line
from screens.prompt import Prompt
from screens.words import wrapped

DROPPED = "dropped; nothing was sent"
"""What the operator is told who did not agree."""


def confirm(
    desk: Desk,
    question: str,
    name: str,
    agreed: Callable[[], None],
    *,
    what: str = "the device name",
    act: str = "send it",
    dropped: str = DROPPED,
    trouble: str = "",
) -> None:
    """Ask `question`, in as many lines as it takes. With a `name` exactly that must be typed, else `y`; then `agreed`
    is called, and otherwise the operator is told that it was `dropped`. `what` the name is, and what is done (`act`: a
    verb, and it or them), are said in the line where it is typed. `trouble`: what was wrong with the answer before."""

    def answered(text: str) -> None:
        text = text.strip()
        if text == name or (not name and text in ("y", "Y")):
            agreed()
        elif name and text:
            wrong = f"{text} is not the name. "
            confirm(desk, question, name, agreed, what=what, act=act, dropped=dropped, trouble=wrong)
        else:
            desk.say(dropped)

    def above(width: int) -> list[Line]:
        return [[(line, "bad")] for line in wrapped(f"!! {trouble}{question}", width)]

    label = (
        f"Type {what} ({name}) to {act}, Esc to drop: "
        if name
        else f"y {act.replace(' ', 's ', 1)}, anything else drops it: "
    )
    answers = (("Enter", act), ("Esc", "drop it")) if name else (("y", act), ("Esc", "drop it"))
    desk.ask(
        Prompt(label, answered, single=not name, above=above, back=lambda: desk.say(dropped), answers=answers),
    )
