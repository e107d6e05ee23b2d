"""A gateway in a process of its own, and requests to it."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from prefactor_otel.devserver import DevServer
from tests.cli.command import COMMAND, clean
from tests.patience import PATIENCE

_URL = re.compile(r"OTLP/HTTP on (http://\S+),")


class Answer(NamedTuple):
    """What came back: the status, the headers in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Gateway:
    """One that runs. ``told`` is what it has written so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: list[str] = []
        self._ready = threading.Event()
        self.url = ""
        assert process.stderr is not None
        self._reading = threading.Thread(target=self._read, args=(process.stderr,), daemon=True)
        self._reading.start()
        assert self._ready.wait(PATIENCE)
        assert self.url, self.told

    @property
    def told(self) -> str:
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def peak_kib(self) -> int:
        """The most memory that it has ever taken."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = [each for each in status.splitlines() if each.startswith("VmHWM:")]
        return int(line.split()[1])

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.append(line)
            if (found := _URL.search(line)) is not None:
                self.url = found[1]
            if "waits in" in line:
                self._ready.set()
        self._ready.set()

    def post(
        self,
        body: bytes,
        path: str = "/v1/traces",
        content_type: str = "application/x-protobuf",
        **headers: str,
    ) -> Answer:
        """Send a request; the names of headers with underscores for dashes."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.ask(path, body, {"Content-Type": content_type, **named})

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = {},
        method: str | None = None,
        timeout: float = PATIENCE,
    ) -> Answer:
        """Send any request."""
        request = Request(self.url + path, body, dict(headers), method=method)
        try:
            with urlopen(request, timeout=timeout) as response:
                status, found, content = response.status, response.headers, response.read()
        except HTTPError as error:
            with error:
                status, found, content = error.code, error.headers, error.read()
        return Answer(status, {name.lower(): text for name, text in found.items()}, content)

    def kill(self) -> None:
        """At once, and without a word."""
        self._process.kill()
        self._process.wait(PATIENCE)
        self._reading.join(PATIENCE)

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """As an operator would. The exit code."""
        self._process.send_signal(by)
        code = self._process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return code


@contextmanager
def running(*words: str, **variables: str) -> Iterator[Gateway]:
    """A gateway with these arguments and variables, on a free port."""
    with subprocess.Popen(
        [*COMMAND, "gateway", "--port", "0", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=clean(**variables),
    ) as process:
        try:
            yield Gateway(process)
        finally:
            process.kill()


@contextmanager
def before(api: DevServer, spool: Path, *words: str, **variables: str) -> Iterator[Gateway]:
    """One that sends to this API by its own token."""
    settings = {
        "PREFACTOR_API_URL": api.url,
        "PREFACTOR_API_TOKEN": api.token,
        "PREFACTOR_SHUTDOWN_TIMEOUT": str(PATIENCE),
    }
    with running("--spool-dir", str(spool), *words, **settings | variables) as gateway:
        yield gateway
