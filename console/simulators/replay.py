"""A recorded session of a device, played again on a port."""

import asyncio
import base64
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from console.simulators.port import Port


class RecordingError(ValueError):
    """A recorded session that cannot be played; names the file, the line and what is wrong there."""


class _Recorded(Struct):
    """What a replay needs of one line of `racedeck dump frames --format json`."""

    device: str
    direction: str
    wall: datetime
    raw: str


async def replay(port: Port, path: Path, speed: float = 1.0, device: str = "") -> int:
    """Play what `device` (empty: every device) said in the recorded session `path`; returns the number of frames.

    Gaps between frames are as recorded, divided by `speed`; 0: as fast as the port takes them. Raises RecordingError,
    or OSError for the file.
    """
    if not speed >= 0:
        raise RecordingError(f"speed {speed}: must not be below 0 (1 is as recorded, 0 as fast as it goes)")
    decoder = msgspec.json.Decoder(_Recorded)
    loop = asyncio.get_running_loop()
    count, first, began = 0, None, loop.time()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                frame = decoder.decode(line)
                raw = base64.b64decode(frame.raw, validate=True)
            except (msgspec.DecodeError, ValueError) as error:
                raise RecordingError(f"{path}, line {number}: not a recorded frame: {error}") from None
            if frame.direction != "rx" or device not in ("", frame.device):
                continue
            first = first or frame.wall
            wait = began + (frame.wall - first).total_seconds() / speed - loop.time() if speed else 0
            if wait > 0:
                await asyncio.sleep(wait)
            port.write(raw)
            await port.drain()
            count += 1
    return count
