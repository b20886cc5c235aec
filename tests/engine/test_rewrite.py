"""Settings changed by the engine: what was typed by hand stays, and what cannot be right is not written."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from console.config import Settings, SettingsError, load
from console.engine.rewrite import SettingsFile
from console.exports import EXPORTS
from console.exports.options import options, shown, typed

TEXT = """\
# of the club
[event]
name = "spring-10k"   # not the winter one
timezone = "Europe/Paris"

# Marc's laptop
[[export]]
name = "scoring"  # as he calls it
type = "tsv1"
listen = "127.0.0.1:10200" # his port
kinds = [
    "place", # the chute
    "punch",
]

# the chute
[[device]]
name = "chute"
type = "timemachine"
port = "/dev/ttyUSB0"

# second
[[export]]
type = 'thcom-server'
name = 'software'
listen = "127.0.0.1:7000"

[export.channels]
chute = "4"
# the end"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "racedeck.toml"
    path.write_text(TEXT)
    return path


def file(path: Path) -> SettingsFile:
    return SettingsFile(path, load(path))


def names(settings: Settings) -> list[str]:
    return [one.name for one in settings.exports]


def test_one_more_stands_at_the_end_and_all_else_stays(path: Path) -> None:
    values = typed("tsv1", {"type": "tsv1", "listen": "127.0.0.1:10201", "devices": "chute", "batch_interval": "1.5"})
    settings = file(path).add("second", values)
    assert settings == load(path)
    assert names(settings) == ["scoring", "software", "second"]
    assert settings.exports[2].devices == ("chute",)
    assert path.read_text() == TEXT + (
        '\n\n[[export]]\nname = "second"\ntype = "tsv1"\nlisten = "127.0.0.1:10201"\ndevices = ["chute"]\n'
        "batch_interval = 1.5\n"
    )
    assert path.with_name("racedeck.toml.bak").read_text() == TEXT


def test_changed_values_keep_their_comments_and_places(path: Path) -> None:
    file(path).change("scoring", {"listen": "0.0.0.0:10200", "networks": ["10.0.0.0/8"], "kinds": None})
    start, end = TEXT.index("listen = "), TEXT.index("\n# the chute")
    new = 'listen = "0.0.0.0:10200" # his port\nnetworks = ["10.0.0.0/8"]\n'
    assert path.read_text() == TEXT[:start] + new + TEXT[end:]
    assert path.with_name("racedeck.toml.bak").read_text() == TEXT


def test_tables_in_sections_of_their_own(path: Path) -> None:
    settings = file(path).change("software", {"channels": {"chute": "M1"}, "clients": 2})
    assert load(path) == settings
    assert settings.exports[1].channels == {"chute": "M1"}  # type: ignore[attr-defined]
    assert path.read_text().endswith("\n# the end")
    settings = file(path).change("software", {"channels": None})
    assert settings.exports[1].channels == {}  # type: ignore[attr-defined]


def test_removed_with_the_comment_above_it(path: Path) -> None:
    assert names(file(path).remove("scoring")) == ["software"]
    start, end = TEXT.index("# Marc"), TEXT.index("# the chute\n[[device")
    assert path.read_text() == TEXT[:start] + TEXT[end:]
    assert names(file(path).remove("software")) == []
    assert path.read_text() == TEXT[:start] + TEXT[end : TEXT.index("# second")] + "# the end"
    assert names(file(path).add("again", {"type": "tsv1", "listen": "127.0.0.1:10200"})) == ["again"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"listen": "127.0.0.1"}, 'export "scoring": listen: '),
        ({"listen": None}, 'export "scoring": give listen (host:port to listen on)'),
        ({"listen": "127.0.0.1:7000"}, 'listen address "127.0.0.1:7000" is given 2 times'),
        ({"batch_intervall": 1}, "unknown key 'batch_intervall'; did you mean 'batch_interval'?"),
        ({"batch_interval": "soon"}, "batch_interval must be a number from 0 to 60 (got 'soon')"),
        ({"devices": ["chuet"]}, "devices names 'chuet', but no device is called so; did you mean 'chute'?"),
        ({"password": "s3cret"}, "password does not belong here"),
    ],
)
def test_what_is_wrong_is_said_and_not_written(path: Path, values: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        file(path).change("scoring", values)
    assert problem in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert path.read_text() == TEXT
    assert os.listdir(path.parent) == ["racedeck.toml"]


@pytest.mark.parametrize(
    "entries",
    [
        'export = [{ name = "a", type = "tsv1", listen = "127.0.0.1:1" }]\n',
        '"export" = [{ name = "a", type = "tsv1", listen = "127.0.0.1:1" }]\n',
    ],
)
def test_other_ways_to_write_them_are_left_to_whoever_wrote_them(path: Path, entries: str) -> None:
    path.write_text(entries + '[event]\nname = "x"\ntimezone = "UTC"\n')
    before = path.read_text()
    acts: list[Callable[[], object]] = [
        lambda: file(path).remove("a"),
        lambda: file(path).change("a", {"listen": "127.0.0.1:2"}),
        lambda: file(path).add("b", {"type": "tsv1", "listen": "127.0.0.1:2"}),
    ]
    for act in acts:
        with pytest.raises(SettingsError) as caught:
            act()
        assert "change it by hand, then `racedeck reload`" in str(caught.value)
    assert path.read_text() == before


def test_a_text_that_looks_like_a_section_misleads_nobody(path: Path) -> None:
    path.write_text(TEXT.replace('"Europe/Paris"', '"Europe/Paris"\nmirror = """\n[[export]]\n"""'))
    before = path.read_text()
    with pytest.raises(SettingsError):
        file(path).remove("scoring")
    assert path.read_text() == before


def test_names_there_are_and_names_there_are_not(path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        file(path).remove("scorign")
    assert str(caught.value) == "racedeck.toml: no export 'scorign'; there are scoring, software"
    with pytest.raises(SettingsError) as caught:
        file(path).add("scoring", {"type": "tsv1"})
    assert str(caught.value) == 'racedeck.toml: there is an export "scoring" already'


def test_what_was_typed_since_is_not_taken_up_along_the_way(path: Path) -> None:
    one = file(path)
    path.write_text(TEXT.replace("ttyUSB0", "ttyUSB1"))
    with pytest.raises(SettingsError) as caught:
        one.remove("scoring")
    assert "was changed by hand since the engine read it: `racedeck reload` first" in str(caught.value)
    path.write_text("[event\n")
    with pytest.raises(SettingsError) as caught:
        one.remove("scoring")
    assert "not TOML" in str(caught.value)
    path.unlink()
    with pytest.raises(SettingsError) as caught:
        one.remove("scoring")
    assert "cannot be read" in str(caught.value)


def test_link_mode_and_owner_stay(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "git" / "club.toml"
    real.parent.mkdir()
    path.rename(real)
    path.symlink_to(real)
    real.chmod(0o640)
    file(path).remove("scoring")
    assert path.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(os.listdir(real.parent)) == ["club.toml", "club.toml.bak"]
    assert stat.S_IMODE(real.with_name("club.toml.bak").stat().st_mode) == 0o640


def test_a_disk_that_refuses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SettingsError) as caught:
        file(path).remove("scoring")
    assert "No space left on device; nothing was changed" in str(caught.value)
    assert path.read_text() == TEXT
    assert os.listdir(path.parent) == ["racedeck.toml"], "nothing half-written stays behind"


def test_words_of_the_operator_become_values() -> None:
    assert typed("thcom-server", {"channels": "chute=4, ctl-31=M1", "clients": "2", "checksum": "yes"}) == {
        "channels": {"chute": "4", "ctl-31": "M1"},
        "clients": 2,
        "checksum": True,
    }
    assert typed(
        "tsv1", {"networks": '["10.0.0.0/8"]', "batch_interval": "2.5", "devices": "", "kinds": "place,punch"}
    ) == {
        "networks": ["10.0.0.0/8"],
        "batch_interval": 2.5,
        "devices": None,
        "kinds": ["place", "punch"],
    }
    sources = "10.0.0.5=chute, 10.0.0.6=start, 10.0.0.5=start"
    assert typed("thcom-server", {"sources": sources}) == {
        "sources": {"10.0.0.5": ["chute", "start"], "10.0.0.6": ["start"]}
    }
    assert shown({"10.0.0.5": ("chute", "start"), "10.0.0.6": ("start",)}) == (
        "10.0.0.5=chute,10.0.0.5=start,10.0.0.6=start"
    )
    assert typed("template", {"line": "{bib};{time:%H:%M}\\r\\n"}) == {"line": "{bib};{time:%H:%M}\r\n"}
    assert typed("nothing", {"batch_interval": "1"}) == {"batch_interval": "1"}
    assert typed("tsv1", {"batch_interval": "soon"}) == {"batch_interval": "soon"}


def test_every_option_says_what_it_is_for(path: Path) -> None:
    found = {one.key: one for one in options("tsv1", load(path).exports[0])}
    assert found["listen"].value == "127.0.0.1:10200"
    assert found["kinds"].value == "place,punch"
    assert found["kinds"].default == ""
    assert found["skip_first_seen"].value == "true"
    assert found["batch_interval"].expects == "a number from 0 to 60"
    assert found["newcomers"].expects == "one of all, live"
    assert found["batch_interval"].help.startswith("Seconds between two messages, at least; 1.5 for software")
    for kind in EXPORTS:
        assert [one.key for one in options(kind) if not one.help] == []
    assert list(found)[:3] == ["listen", "batch_interval", "networks"], "what only this type has comes early"
    assert "connect" not in found
    assert found["listen"].help == "host:port to listen on."
    helps = {one.key: one.help for one in options("tsv2")}
    assert helps["connect"] == "host:port of the program to connect to; give this or listen."
    assert not {"listen", "networks"} & {one.key for one in options("ctp01")}
    with pytest.raises(LookupError, match="no export type 'tsv9'; there are "):
        options("tsv9")


ITS = '[its]\nsoftware_id = "1007" # the PC\nuser = "u"\n# a timer\n[[its.material]]\nserial = "0084"\n'


def test_its_is_added_at_the_end_and_then_changed_in_its_place(path: Path) -> None:
    settings = file(path).change_its({"software_id": "1007", "user": "u", "server_port": 3001})
    assert settings == load(path)
    assert path.read_text() == TEXT + '\n\n[its]\nsoftware_id = "1007"\nuser = "u"\nserver_port = 3001\n'
    file(path).change_its({"server_port": None, "user": 'v"'})
    assert path.read_text() == TEXT + '\n\n[its]\nsoftware_id = "1007"\nuser = "v\\""\n'


def test_its_keeps_its_comments_and_what_stands_below_it(path: Path) -> None:
    path.write_text(TEXT + "\n\n" + ITS + "[[export]]\nname = 'last'\ntype = 'tsv1'\nlisten = '127.0.0.1:1'\n")
    before = path.read_text()
    file(path).change_its({"software_id": "1008", "server": "127.0.0.1"})
    new = '[its]\nsoftware_id = "1008" # the PC\nuser = "u"\nserver = "127.0.0.1"\n# a timer\n'
    assert path.read_text() == before.replace(ITS[: ITS.index("[[")], new)


def test_its_that_cannot_be_is_not_written(path: Path) -> None:
    for text in (TEXT, TEXT + "\n\n" + ITS):
        path.write_text(text)
        with pytest.raises(SettingsError, match="software_id"):
            file(path).change_its({"software_id": "x", "user": "u"})
        assert path.read_text() == text


def test_its_in_another_form_is_left_alone(path: Path) -> None:
    text = 'its = { software_id = "1007", user = "u" }\n' + TEXT
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"\[its\] under a heading of its own"):
        file(path).change_its({"user": "v"})
    assert path.read_text() == text
