"""What the operator sees of incidents: the newest, and the alarms that nobody has acknowledged."""

from collections import deque

from console.model import Incident, Level

RECENT = 50
"""Incidents that the state shows."""


class Incidents:
    """Fed with what is journaled, in order."""

    def __init__(self) -> None:
        self.recent: deque[Incident] = deque(maxlen=RECENT)
        self.alarms: list[Incident] = []
        """Oldest first."""
        self._acknowledged = 0

    def take(self, incident: Incident) -> None:
        """Take one in; one that is known already does no harm."""
        if self.recent and incident.seq <= self.recent[-1].seq:
            return
        self.recent.append(incident)
        if incident.level is Level.ALARM and incident.seq > self._acknowledged:
            # The same again, after a restart for instance, is one alarm and not two.
            same = [one for one in self.alarms if (one.source, one.text) != (incident.source, incident.text)]
            self.alarms = [*same, incident]

    def acknowledge(self, upto: int) -> None:
        """Alarms up to this incident are acknowledged."""
        self._acknowledged = max(self._acknowledged, upto)
        self.alarms = [one for one in self.alarms if one.seq > self._acknowledged]

    def forget(self) -> None:
        """All are to be told again; what is acknowledged stays so."""
        self.recent.clear()
        self.alarms.clear()
