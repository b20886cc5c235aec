"""What is said of the link wherever it is shown: what nobody has confirmed yet."""

UNCONFIRMED = (
    "that the server of today speaks the Extended frames of THCOM08 (2012) unchanged",
    "type codes: 1 for every timer (`device_type`, and `type` of a material), P for computers (`computer_type`); "
    "those of CP545, TM550 and Pocket Pro are documented nowhere",
    "the server's own address, P0000 (`server_address`), to which everything is sent",
    "checksums: the three that the guide shows do not agree with the documented rule (`checksums`)",
    "what we say of ourselves: `SN 01007 PC 0100` of this computer, `SN 00086 CP545 VB10` of a timer linked up",
    "that each device that is linked up logs in by itself, with its own serial, as a docking does",
    "that an unacknowledged frame goes again after 5 s, and five times at most",
    "that a refusal is `#GC 0`, perhaps with a line that says why; one without a word looks like a bad line here",
    "whether the server expects `#GC` and `#PL` to be answered with `AK`: they are acknowledged, and not answered",
    "the log file: semicolons between its cells, and the port where a time or result is passed to software",
)
"""Facts about the server that are inferred (thcom.md, sections 3 and 4): a first real session confirms or corrects
them."""
