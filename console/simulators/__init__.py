"""Faithful stand-ins for every device and every peer: demo, rehearsal and tests use them."""

SIMULATORS = {
    "timemachine": "console.simulators.timemachine",
    "cp545": "console.simulators.cp545",
    "gsm-docking": "console.simulators.gsm_docking",
    "otimcon": "console.simulators.otimcon",
    "software": "console.simulators.software",
    "scoring-tsv1": "console.simulators.scoring",
    "scoring-ctp01": "console.simulators.scoring_ctp01",
    "scoring-tsv2": "console.simulators.scoring_tsv2",
    "race": "console.simulators.race",
}
"""Name on the command line -> module with `arguments(parser)` and `main(args)`. Imported only when called."""
