"""Chromium without a window, driven by its DevTools protocol over a pipe: JSON texts that end in a zero byte."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-dev-shm-usage",
    "--disable-background-networking", "--remote-debugging-pipe",
)  # fmt: skip
# The browser reads from descriptor 3 and writes to 4. First each end gets a number from 10 on, out of their way.
LAUNCH = """import fcntl, os, sys
a, b = (fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in ({}, {}))
os.dup2(a, 3), os.dup2(b, 4)
os.execv(sys.argv[1], sys.argv[1:])"""
PATIENCE = 60  # seconds for an answer


class Browser:
    """A browser with one page; `events` are the messages that came unasked, such as requests and errors."""

    def __init__(self, folder: Path) -> None:
        theirs_in, self.out = os.pipe()
        self.inward, theirs_out = os.pipe()
        program = LAUNCH.format(theirs_in, theirs_out)
        command = [sys.executable, "-c", program, PROGRAM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
        ours = (theirs_in, theirs_out)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, pass_fds=ours, start_new_session=True, **quiet)
        for descriptor in ours:
            os.close(descriptor)
        self.number, self.rest, self.events, self.session = 0, b"", list[dict[str, Any]](), None
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        """Take the first page, and have it tell of requests and errors."""
        (target,) = [each for each in self.ask("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; return its result. Raises AssertionError where the browser answers with an error."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            assert select.select([self.inward], [], [], PATIENCE)[0], "the browser does not answer"
            more = os.read(self.inward, 1 << 16)
            assert more, "the browser has ended"
            self.rest += more
        text, _, self.rest = self.rest.partition(b"\0")
        return json.loads(text)

    def open(self, path: Path, width: int = 1280, dark: bool = False) -> None:
        """Load a file, with a window of that width."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while self.js("document.readyState") != "complete":
            time.sleep(0.05)

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def move(self, selector: str, share: float) -> None:
        """Move the mouse over an element: into its middle row, at a share of its width."""
        self.js(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = f"document.querySelector({selector!r}).getBoundingClientRect()"
        x, y, width, height = (self.js(f"{box}.{name}") for name in ("x", "y", "width", "height"))
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x + share * width, y=y + height / 2)

    def press(self, key: str, code: int) -> None:
        """Press a key for what has the focus; code: its number in the browser, such as 37 for ArrowLeft."""
        for kind in ("rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def wrong(self) -> list[str]:
        """Return what the browser complained of since the page was opened, and requests that leave it."""
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                found.append(f"{method}: {json.dumps(parameters)[:500]}")
            elif method == "Network.requestWillBeSent" and parameters["type"] != "Document":
                url = parameters["request"]["url"]
                found += [] if url.startswith(("data:", "blob:")) else [f"request: {url[:200]}"]
        return found

    def close(self) -> None:
        """End the browser with all its processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.out)
        os.close(self.inward)
