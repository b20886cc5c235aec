"""Look more often than in a race: tests wait for what is seen."""

import pytest


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.peer.LOOK_EVERY", 0.01)
