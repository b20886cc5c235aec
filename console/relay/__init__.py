"""`racedeck relay`: a small server for the link that timers and GSM Interface have to ITS ONLINE TIMING.

It knows ids with passwords, material, who sends to whom, and events; it takes frames, keeps them, and hands each to
its receivers. Nothing here is part of the engine: a relay is a process of its own, with a database of its own.
"""
