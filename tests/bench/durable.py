"""The least that keeps every byte before it hands it on: pty to TCP with one fdatasync per read, and nothing else.

`python -m tests.bench.durable PTY PORT FILE`; what RaceDeck's latency consists of where its own work is left out.
"""

import os
import socket
import sys


def serve(pty: str, port: int, file: str) -> None:
    """Serve one client, until it or the device goes."""
    device = os.open(pty, os.O_RDONLY | os.O_NOCTTY)
    kept = os.open(file, os.O_WRONLY | os.O_CREAT)
    # As the WAL of a database that has run for a while: the file does not grow, it is written over.
    os.write(kept, bytes(1 << 22))
    os.fsync(kept)
    with socket.create_server(("127.0.0.1", port)) as server:
        client, _ = server.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    at = 0
    while data := os.read(device, 4096):
        at = os.pwrite(kept, data, at % (1 << 21)) + at
        os.fdatasync(kept)
        client.sendall(data)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
