"""From a codec's record to a passing: pure functions, no I/O."""
