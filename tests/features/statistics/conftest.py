"""Drives Chromium over the WebDriver protocol (W3C), which is JSON over HTTP."""

import base64
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Key of an element's id, fixed by the protocol."""

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Browser:
    """One window."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a command and return its value; an error of the driver raises."""
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["value"]

    def open(self, path: Path, fragment: str = "") -> None:
        self.ask("POST", "/url", {"url": path.as_uri() + fragment})

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return what it returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def click(self, selector: str) -> None:
        found = self.ask("POST", "/element", {"using": "css selector", "value": selector})
        self.ask("POST", f"/element/{found[ELEMENT]}/click")

    def press(self, keys: str) -> None:
        """Press and release keys, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self.ask("POST", "/actions", {"actions": [keyboard]})

    def devtools(self, command: str, **parameters: object) -> Any:
        body = {"cmd": command, "params": parameters}
        return self.ask("POST", "/goog/cdp/execute", body)

    def prefer(self, scheme: str, *, width: int = 1240) -> None:
        """Emulate a screen of a width whose system prefers ``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **size)

    def log(self) -> list[str]:
        """Return the messages of the console since the last call: errors of scripts, too."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]

    def screenshot(self) -> bytes:
        return base64.b64decode(self.ask("GET", "/screenshot"))


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return the window of a browser with a new profile."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if absent:
        pytest.skip(f"needs {' and '.join(absent)}: apt-get install chromium chromium-driver")
    profile = tmp_path_factory.mktemp("profile")
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert driver.stdout is not None
        line = next(line for line in driver.stdout if "started successfully on port" in line)
        root = Browser(f"http://127.0.0.1:{line.rsplit(maxsplit=1)[1].rstrip('.')}")
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = root.ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
        window = Browser(f"{root.url}/session/{session['sessionId']}")
        yield window
        window.ask("DELETE", "")
    finally:
        driver.terminate()
        driver.wait()
        if driver.stdout is not None:
            driver.stdout.close()
