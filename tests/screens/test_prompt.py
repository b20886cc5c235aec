from screens.paint import plain
from screens.prompt import Prompt


def typed(prompt: Prompt, *keys: str) -> None:
    for key in keys:
        prompt.key(key, key if len(key) == 1 else None)


def test_typing_editing_and_enter() -> None:
    answers: list[str] = []
    prompt = Prompt(":", answers.append)
    typed(prompt, "a", "c", "k", "x", "backspace", "home", "delete", "A", "end", "!", "left", "delete", "enter")
    assert answers == ["Ack"]
    assert not prompt.open


def test_escape_and_backspace_on_nothing_close_without_an_answer() -> None:
    answers: list[str] = []
    for keys in (("a", "escape"), ("a", "backspace", "backspace")):
        prompt = Prompt(":", answers.append)
        typed(prompt, *keys)
        assert not prompt.open
    assert answers == []


def test_backspace_held_down_leaves_no_question_that_came_with_an_answer_and_no_password() -> None:
    for prompt in (Prompt("Server: ", lambda text: None, text="ab"), Prompt("PW: ", lambda text: None, secret=True)):
        typed(prompt, *["backspace"] * 5, "x")
        assert (prompt.open, prompt.text) == (True, "x")


def test_history() -> None:
    history: list[str] = []
    for text in ("ack", "reload", "reload"):
        typed(Prompt(":", lambda text: None, history=history), *text, "enter")
    assert history == ["ack", "reload"]
    prompt = Prompt(":", lambda text: None, history=history)
    typed(prompt, "up", "up", "up")
    assert prompt.text == "ack"
    typed(prompt, "down", "down")
    assert prompt.text == ""


def test_one_letter_answers_a_single_question() -> None:
    answers: list[str] = []
    typed(Prompt("jump ", answers.append, single=True), "c")
    assert answers == ["c"]


def test_pasted_control_is_escaped_and_only_the_first_line_taken() -> None:
    prompt = Prompt(":", lambda text: None)
    prompt.insert("ack\x1b[2J\nquit\n")
    assert prompt.text == "ack\\x1b[2J"


def test_the_cursor_stays_in_sight() -> None:
    prompt = Prompt(":", lambda text: None)
    prompt.insert("x" * 200 + "END")
    assert plain(prompt.line(40)).rstrip().endswith("END")
    assert len(plain(prompt.line(40))) <= 40


def test_choices_that_have_no_room_behind_what_is_typed_stand_above_it() -> None:
    choices = dict.fromkeys((f"CHOICE-{number}" for number in range(8)), "")
    for width, lines in ((200, 0), (60, 2)):
        prompt = Prompt(":", lambda text: None, complete=lambda text: (text, choices))
        typed(prompt, "C", "tab")
        above, line = [plain(one) for one in prompt.above(width)], plain(prompt.line(width))
        assert len(above) == lines
        assert all(choice in " ".join([*above, line]) for choice in choices)
        assert all(len(one) <= width for one in (*above, line.rstrip()))
