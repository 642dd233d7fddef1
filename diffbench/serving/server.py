"""The server of one run: reads alone, answers this machine alone."""

from __future__ import annotations

import errno
import socketserver
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, final

from diffbench.errors import RunError
from diffbench.serving.files import TYPES, found
from diffbench.serving.watch import Watch

__all__ = ["Server"]

LOOPBACK = "127.0.0.1"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
# The page brings a stricter policy of its own; this one is for everything, and for frames.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
REFUSALS = {
    errno.EADDRINUSE: "is in use; take another, or leave --port out for a free one",
    errno.EACCES: "is not for everybody; take one above 1023, or leave --port out for a free one",
}


@final
class Server(ThreadingHTTPServer):
    """Serves ``folder`` on 127.0.0.1; port 0 takes a free one. Use it as a context manager.

    Raises RunError where there is no run, or the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self.watch = folder, Watch(folder)
        try:
            super().__init__((LOOPBACK, port), Handler)
        except OSError as error:
            why = REFUSALS.get(error.errno or 0, f"cannot be had: {error.strerror}")
            raise RunError(f"port {port} {why}") from error
        hosts = (LOOPBACK, "localhost")
        self.hosts = {f"{host}:{self.server_port}" for host in hosts}
        self.hosts |= set(hosts) if self.server_port == 80 else set()

    def server_bind(self) -> None:
        """As TCPServer: HTTPServer asks for the name of the machine, which may take long."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # IPv4: text and number

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def __enter__(self) -> Server:
        self.watch.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.watch.__exit__(*error)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of the page, its version, and the files of the run."""

    server: Server
    server_version = "diffbench"
    sys_version = ""
    timeout = 60  # seconds; a browser opens another connection

    def do_GET(self) -> None:
        """The answer to one request."""
        # A name that somebody else's DNS points here (rebinding) is not ours.
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"not this host\n", TEXT)
        elif self.path == "/":
            version, page = self.server.watch.latest()
            self._answer(HTTPStatus.OK, page.encode(), HTML, version)
        elif self.path == "/version":
            self._version()
        else:
            self._file()

    do_HEAD = do_GET

    def _version(self) -> None:
        version, _ = self.server.watch.latest()
        known = self.headers.get("If-None-Match") == f'"{version}"'
        status = HTTPStatus.NOT_MODIFIED if known else HTTPStatus.OK
        self._answer(status, b"" if known else version.encode(), TEXT, version)

    def _file(self) -> None:
        path = found(self.server.folder, self.path)
        try:
            content = None if path is None else path.read_bytes()
        except OSError:
            content = None
        if path is None or content is None:
            self._answer(HTTPStatus.NOT_FOUND, b"not found\n", TEXT)
        else:
            self._answer(HTTPStatus.OK, content, TYPES[path.suffix], attachment=True)

    def _answer(
        self,
        status: HTTPStatus,
        body: bytes,
        kind: str,
        version: str = "",
        attachment: bool = False,
    ) -> None:
        more = {"ETag": f'"{version}"'} if version else {}
        more |= {"Content-Disposition": "attachment"} if attachment else {}
        self.send_response(status)
        for name, value in {**HEADERS, **more, "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: only the command line speaks."""
