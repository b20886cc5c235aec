"""Cursors over the journal that hand passings to scoring software."""
