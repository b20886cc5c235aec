"""Look more often than in a race: tests wait for what is seen."""

import pytest


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.exports.peer.LOOK_EVERY", 0.01)


@pytest.fixture
def quick_to_return(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect again at once: for tests that cut often."""
    monkeypatch.setattr("console.links.backoff.LEAST", 0.005)
    monkeypatch.setattr("console.links.backoff.MOST", 0.01)
