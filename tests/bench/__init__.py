"""How fast RaceDeck is, measured side by side with something known in the same run; never asserted.

`python -m tests.bench [NAME ...]` (or `make bench`); docs/benchmarks.md says what the figures mean.
"""
