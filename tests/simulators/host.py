"""The computer at the other end of a simulated instrument's cable."""

import asyncio
import os
import termios
import tty
from collections.abc import Callable


class Host:
    """Opens a pty as a serial program does."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd, termios.TCSANOW)  # the default would discard what has come

    def send(self, data: bytes) -> None:
        """Write a few bytes."""
        assert os.write(self.fd, data) == len(data)

    def waiting(self) -> bytes:
        """What has come so far; b"" where nothing has, or the other side hung up."""
        try:
            return os.read(self.fd, 65_536)
        except (BlockingIOError, OSError):
            return b""

    async def until(self, enough: Callable[[bytes], bool]) -> bytes:
        """What comes, until it is enough or the other side hangs up."""
        got = b""
        async with asyncio.timeout(15):
            while not enough(got):
                await self._readable()
                more = self.waiting()
                if not more:
                    break
                got += more
        return got

    async def read(self, count: int) -> bytes:
        """`count` bytes or more, fewer where the other side hangs up."""
        return await self.until(lambda got: len(got) >= count)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self.fd, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self.fd)

    def close(self) -> None:
        """Close the port, as the end of the program does."""
        os.close(self.fd)
