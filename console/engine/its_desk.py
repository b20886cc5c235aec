"""What operators do to the link to ITS ONLINE TIMING: save its configuration, connect anew."""

import os
import re
import tomllib
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from console.control import messages as m
from console.model import ItsState, Phase
from console.passwords import read_secret

if TYPE_CHECKING:
    from console.engine.engine import Engine

KEYS = ("software_id", "server", "server_port", "user", "log_file")
"""Keys of `[its]` that the panel sets."""

DIGITS = re.compile(r"(?!0000)[0-9]{4}")


class ItsDesk:
    """Configures the link of one engine. Raises ValueError or SettingsError where it will not."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    async def save(self, call: m.SaveIts, who: str) -> m.Result:
        """The configuration into the settings, the password into the secrets, and to work with both."""
        values = typed(call.values)
        if asks := self._asks(call.yes, "This ends the connection, and makes another with the new configuration."):
            return asks
        if not (values or call.password):
            raise ValueError("nothing to save: nothing was changed")
        await self._engine.rewrite(lambda: self._write(values, call.password), who)
        told = [*values, *(["password"] if call.password else [])]
        return m.Done(text=f"ITS configuration saved: {', '.join(told)}")

    async def connect(self, call: m.ConnectIts, who: str) -> m.Result:
        """Connect anew."""
        del who
        its = self._engine.its
        if its.settings is None:
            raise ValueError("there is no [its] in the settings: fill in the configuration and save it")
        if asks := self._asks(call.yes, "This ends the connection, and makes another."):
            return asks
        async with self._engine.changing:
            await its.stop()
            await its.apply(self._engine.settings)
        return m.Done(text="connecting; the panel says how far it is")

    def _asks(self, yes: str, what: str) -> m.Asks | None:
        """The question before a link that works is cut in a race."""
        state: ItsState | None = self._engine.its.state()
        linked = state is not None and any(one.state == "linked" for one in state.links)
        if not linked or state is None or yes == state.server or self._engine.journal.event.phase is not Phase.RACE:
            return None
        return m.Asks(
            question=f"A race is running, and {state.server} is linked. {what}", name=state.server, typed=False
        )

    def _write(self, values: dict[str, Any], password: str) -> None:
        from console.engine.rewrite import SettingsFile  # tomlkit takes its time to import

        engine = self._engine
        if values:
            SettingsFile(engine.config_file, engine.as_read).change_its(values)
        if password:
            write_password(engine.config_file.with_name("secrets.toml"), password)


def typed(values: dict[str, str]) -> dict[str, Any]:
    """Values as TOML has them. Raises ValueError, in words."""
    found: dict[str, Any] = {}
    for key, text in values.items():
        text = text.strip()
        match key:
            case "software_id" if not DIGITS.fullmatch(text):
                raise ValueError(f"the Software ID Number must be four digits, as in 1007 (got {text!r})")
            case "server_port" if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
                raise ValueError(f"the Server Port must be a number from 1 to 65535 (got {text!r})")
            case "server" | "user" if not text:
                raise ValueError(f"{key}: must not be empty")
            case _ if key not in KEYS:
                raise ValueError(f"{key}: no such key; there are {', '.join(KEYS)}")
        found[key] = int(text) if key == "server_port" else text
    return found


def write_password(path: Path, password: str) -> None:
    """Put the password of `[its]` into the secrets at `path`, which nobody else can read; what else is in there stays.
    Raises ValueError, which never shows it, and OSError."""
    text = read_secret(path).decode() if path.exists() else ""
    new = _with_password(text, password)
    if new is None:
        raise ValueError(f'{path.name}: not as it is to be: put [its] and password = "..." into it by hand')
    real = Path(os.path.realpath(path))
    with NamedTemporaryFile("w", dir=real.parent, prefix=f".{real.name}.", delete=False) as file:  # mode 0600
        try:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, real)
        except BaseException:
            os.unlink(file.name)
            raise


def _with_password(text: str, password: str) -> str | None:
    """The secrets with this password of `[its]`; None: they are written in a way that cannot be changed here."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        wanted, document = tomllib.loads(text), tomlkit.parse(text)
        for secrets in (wanted, document):
            section: Any = secrets.setdefault("its", {})
            section["password"] = password
        new = tomlkit.dumps(document)
        return new if tomllib.loads(new) == wanted else None
    except (TOMLKitError, ValueError, TypeError):
        return None
