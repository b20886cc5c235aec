"""The Textual console: a view of the engine that may come, go or crash."""
