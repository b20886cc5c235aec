"""What a command pays for at its start: the headless way never imports Textual, Rich or a simulator."""

import subprocess
import sys

import pytest


def imported_by(code: str) -> set[str]:
    """Modules that a fresh interpreter has imported after `code`."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import console.cli, console.commands.look, console.control.client",
        "import console.engine.engine, console.devices, console.exports",
        "from console.cli import parser; parser(['status', '--json']).parse_args(['status', '--json'])",
    ],
)
def test_without_a_screen_no_textual(code: str) -> None:
    modules = imported_by(code)
    assert not {"textual", "rich", "screens", "themes", "pytest"} & modules
    assert not any(name.startswith("console.simulators.") for name in modules)


def test_status_imports_no_engine() -> None:
    modules = imported_by("import console.cli, console.commands.look")
    assert not {"sqlite3", "serial", "console.engine"} & modules


def test_a_driver_is_imported_when_it_is_asked_for() -> None:
    code = "from console.devices import driver_class; driver_class('otimcon')"
    modules = imported_by(code)
    assert "console.devices.otimcon" in modules
    assert "console.devices.timemachine" not in modules
