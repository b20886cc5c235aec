"""Settings of one export, as a file has them."""

from pathlib import Path
from tempfile import TemporaryDirectory

from console import config
from console.exports.export import ExportSettings


def loaded(text: str) -> ExportSettings:
    """The export called `one` with these settings; raises SettingsError."""
    device = '[[device]]\nname = "chute"\ntype = "timemachine"\nport = "/dev/null"\n'
    with TemporaryDirectory() as directory:
        path = Path(directory) / "racedeck.toml"
        head = '[event]\nname = "test"\ntimezone = "Europe/Paris"\n'
        path.write_text(f'{head}{device}[[export]]\nname = "one"\n{text}\n', encoding="utf-8")
        (export,) = config.load(path).exports
        return export
