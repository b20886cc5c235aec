"""Lines in a format that the operator writes, for the many small programs that want just a line."""

from collections.abc import Callable
from typing import ClassVar, Literal

from console.codecs.template import TIMES, Line, Template
from console.exports.delivery import Hold, Unmapped, no_utc
from console.exports.export import Desk, ExportSettings
from console.exports.reads import NO_BIB, ReadsExport
from console.model import Kind, Passing, Resolved, Status

SAY_WHO = frozenset(("bib", "tag", "name"))
"""Fields of a template that say who passed."""


NO_NAME = Hold("no name yet")
NO_TAG = Unmapped("a passing without a tag, and the template says nothing else of who passed")
NO_WORD = "it only says whose it was, which the template does not"


class TemplateSettings(ExportSettings, frozen=True, kw_only=True):
    """Settings of a template export. Raises ValueError, in words, for a template that cannot be used."""

    ways: ClassVar = ("listen", "connect")
    choosing: ClassVar = (*ExportSettings.choosing, "template")

    skip_first_seen: bool = True
    template: str
    """One line, with fields in braces and its end."""
    encoding: Literal["ascii", "utf-8", "cp1252"] = "utf-8"
    """What it does not have becomes a question mark."""

    def __post_init__(self) -> None:
        try:
            Template(self.template)
            self.template.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise ValueError(f"template: {self.encoding} has no {error.object[error.start]!r}") from None
        except ValueError as error:
            raise ValueError(f"template: {error}") from None


class TemplateExport(ReadsExport[TemplateSettings]):
    """See ReadsExport, with what a template does not ask for left out.

    One that says no bib, tag or name sends a line for each passing, whoever it was, and none for a bib that comes
    later. One that says who it was waits until one of these is known; but if it says the `{number}`, which all lines
    about one passing share, it sends what is known at once, and another line when there is a bib.
    """

    settings_type = TemplateSettings

    def __init__(self, settings: TemplateSettings, desk: Desk, now: Callable[[], int]) -> None:
        super().__init__(settings, desk, now)
        self._template = Template(settings.template)
        fields = self._template.fields
        self._timed = not fields.isdisjoint(TIMES)
        self._learns = not fields.isdisjoint(("bib", "name"))
        """It says what may become known later."""
        self._needs = frozenset() if "number" in fields else fields & SAY_WHO
        """One of these must be known."""
        self._lacking = NO_BIB if "bib" in fields else NO_NAME if "name" in fields else NO_TAG

    def unwanted(self, passing: Passing) -> str:
        """As the others; what only says who it was, where the template does not."""
        about = passing.of is not None and passing.status is not Status.LIVE
        return NO_WORD if about and not self._learns else super().unwanted(passing)

    def _take(self, passing: Passing, *, recalled: bool = False) -> None:
        """Nothing waits for a bib that would not be said."""
        if self._learns:
            super()._take(passing, recalled=recalled)

    def read(self, known: Resolved, bib: str | None, tag: str | None) -> bytes | Hold | Unmapped:
        """One line."""
        passing = known.passing
        name = (known.name or "") if bib == known.bib else ""
        said = {"bib": bib, "tag": tag, "name": name}
        if self._needs and passing.kind is not Kind.GUN and not any(said[field] for field in self._needs):
            return self._lacking
        if self._timed and known.utc is None:
            return no_utc(passing)
        line = Line(
            number=self._edits.base(passing),
            utc=known.utc,
            bib=bib or "",
            tag=tag or "",
            name=name,
            race=passing.time or "",
            point=known.point or "",
            device=passing.device,
            channel=passing.channel or "",
            kind=passing.kind,
            type=passing.read_type,
            event=passing.event or "",
        )
        return self._template.render(line, self.desk.zone).encode(self.settings.encoding, "replace")
