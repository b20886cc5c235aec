"""Cursors over the journal that hand passings to scoring software. A new type is a codec, a file here, and a line."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.exports.export import Export

EXPORTS = {
    "ctp01": "console.exports.ctp01:Ctp01",
    "csv": "console.exports.csv_file:CsvFile",
    "raw": "console.exports.raw:Raw",
    "tape": "console.exports.tape:TapeExport",
    "thcom-server": "console.exports.thcom_server:ThcomServer",
    "template": "console.exports.template:TemplateExport",
    "tsv1": "console.exports.tsv1:TsV1",
    "tsv2": "console.exports.tsv2:TsV2",
}
"""Settings `type` -> where its class is. Imported when asked for, so that a start pays only for what it uses."""

OF_THE_LINK = {
    "its": "console.its.uplink:Uplink",
    "its-log": "console.its.log:LogFile",
    "its-write": "console.its.downlink:Downlink",
}
"""The same of exports that are made from `[its]`."""


def export_class(kind: str) -> "type[Export[Any]]":
    """The class of an export type; raises KeyError where there is none."""
    module, _, name = (EXPORTS | OF_THE_LINK)[kind].partition(":")
    found: type[Export[Any]] = getattr(import_module(module), name)
    return found
