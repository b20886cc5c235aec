"""`racedeck its tap` as a process: from its first line to Ctrl-C, with a login in between."""

import asyncio
import signal
import stat
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from console.cli import main
from console.codecs.thcom_link import extended

SECRET = "top-secret/7"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_login_is_recorded_and_read_back(
    how: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"\n")
        writer.write(extended(190, "P0000", "P1007", "#GC 1"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    forward = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    file = tmp_path / "tap.jsonl"
    words = ("its", "tap", "0", forward, "--log", str(file))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "console.cli", *words, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout
    assert process.stderr
    try:
        async with asyncio.timeout(30):
            told = (await process.stderr.readline()).decode()
            assert told.startswith("listening on 127.0.0.1:")
            port = int(told.split(";")[0].rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            login = extended(255, "P1007", "P0000", f"PW {SECRET}")
            writer.write(login)
            assert b"#GC 1" in await reader.readuntil(b"\n")
            process.send_signal(how)
            out, err = await process.communicate()
            writer.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        server.close()
    assert process.returncode == 0
    assert heard == login
    assert "frame 255  P1007 > P0000  PW *  checksum right" in out.decode()
    assert f"connections: 1; recorded in {file}" in err.decode()
    assert SECRET not in out.decode() + err.decode() + file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert main(["its", "replay", str(file)]) == 7
    assert "documented are SN in 253, UN in 254, PW in 255" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("x", "127.0.0.1:1"), 2, "the port 'x' is not a number"),
        (("0", "server"), 2, "expected host:port"),
        (("0", "127.0.0.1:1", "--log", "/nowhere/x"), 1, "/nowhere/x: cannot be written: No such file or directory"),
        (("192.0.2.1:0", "127.0.0.1:1"), 1, "this machine has no such address"),
    ],
)
def test_what_cannot_be_is_said(
    words: tuple[str, ...], status: int, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = () if "--log" in words else ("--log", str(tmp_path / "x"))
    assert main(["its", "tap", *words, *log]) == status
    told = capsys.readouterr().err
    assert why in told
    assert "recorded in" not in told
