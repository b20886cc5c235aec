"""What holds for every test: hypothesis tries the same cases each time, however slow the machine.

`HYPOTHESIS_PROFILE=search` looks for new ones; what it finds becomes an `@example`.
"""

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow]

settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("search", max_examples=1000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
