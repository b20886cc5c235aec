import logging

import pytest


@pytest.fixture
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """The journal logs what it does about damage; these tests do plenty of it."""
    caplog.set_level(logging.CRITICAL)
