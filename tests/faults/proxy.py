"""A TCP proxy whose cable a test can pull: before the request, or between the request and its reply."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE = 65_536


class Proxy:
    """Forwards connections on a port of its own to another port of this machine.

    drop_replies: so many connections are cut at the first byte of the reply. cut(): every connection, and all to come
    until mend().
    """

    def __init__(self, target_port: int, *, drop_replies: int = 0) -> None:
        self._target_port = target_port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self.drop_replies = drop_replies
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Pull the cable."""
        with self._lock:
            self._is_cut = True
            for one in self._open:
                _hang_up(one)

    def mend(self) -> None:
        """Plug it in again."""
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        """Stop listening, and hang up."""
        self.cut()
        _hang_up(self._listener)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        with client, server:
            with self._lock:
                self._open |= {client, server}
                if self._is_cut:
                    _hang_up(client)
                    _hang_up(server)
            back = threading.Thread(target=self._pump, args=(server, client), kwargs={"is_reply": True}, daemon=True)
            back.start()
            self._pump(client, server, is_reply=False)
            back.join()
            with self._lock:
                self._open -= {client, server}

    def _pump(self, source: socket.socket, target: socket.socket, *, is_reply: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                if is_reply and self._is_dropped():
                    break
                target.sendall(piece)
        _hang_up(source)
        _hang_up(target)

    def _is_dropped(self) -> bool:
        with self._lock:
            if not self.drop_replies:
                return False
            self.drop_replies -= 1
            return True


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
