"""Tests of the console, through the real control socket."""
