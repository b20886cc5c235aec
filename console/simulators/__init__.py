"""Faithful stand-ins for every device and every peer: demo, rehearsal and tests use them."""
