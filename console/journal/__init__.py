"""The spine: every byte on disk, in order, before anyone sees it."""
