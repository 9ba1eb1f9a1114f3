"""A JupyterLab and a headless Chromium for the tests of this folder, which only `make test-browser` runs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A fresh profile comes with launch(); without these it would look for updates and a graphics card.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a browser, unless it is asked for and there is one."""
    asked = "browser" in (config.getoption("-m") or "")
    reason = "needs a browser: run `make test-browser`"
    if asked and chromium() is None:
        reason = f"no Chromium was found ({', '.join(NAMES)}): apt-get install chromium"
    for item in items:
        if item.get_closest_marker("browser") and (not asked or chromium() is None):
            item.add_marker(pytest.mark.skip(reason=reason))


def chromium() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its folder of notebooks, and where its settings lie."""

    url: str
    token: str
    folder: Path
    settings: Path

    def address(self, notebook: str) -> str:
        """Return where a notebook of the folder opens; the session before is forgotten."""
        return f"{self.url}/lab/tree/{notebook}?reset&token={self.token}"

    def wait_for_kernel(self, notebook: str, seconds: float) -> None:
        """Return when the kernel of a notebook is idle and a page listens to it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sessions = json.loads(self.ask("api/sessions"))
            kernels = [one["kernel"] for one in sessions if one["path"] == notebook]
            if any(one["execution_state"] == "idle" and one["connections"] for one in kernels):
                return
            time.sleep(0.2)
        raise RuntimeError(f"{notebook} has no kernel that is idle after {seconds:g} s: {kernels}")

    def ask(self, path: str) -> bytes:
        """Return what the server answers."""
        with urllib.request.urlopen(f"{self.url}/{path}?token={self.token}", timeout=5) as answer:
            return bytes(answer.read())

    def set_theme(self, theme: str) -> None:
        """Choose the theme of pages that are opened from now on."""
        write_settings(self.settings, "themes", {"theme": theme})


def write_settings(
    folder: Path, plugin: str, values: dict[str, Any], *, extension: str = "apputils-extension"
) -> None:
    file = folder / "@jupyterlab" / extension / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab in a folder of its own, with no settings of the user's."""
    home = tmp_path_factory.mktemp("lab")
    folder, settings = home / "notebooks", home / "settings"
    folder.mkdir()
    write_settings(settings, "notification", {"fetchNews": "false", "checkForUpdates": False})
    # Cells out of sight stay on the page, so that a notebook can be pictured whole.
    write_settings(settings, "tracker", {"windowingMode": "none"}, extension="notebook-extension")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(16), folder, settings)
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "OTANALYSIS_DATA": os.environ.get("OTANALYSIS_DATA", str(ROOT / "data")),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += [f"--IdentityProvider.token={running.token}", f"--ServerApp.root_dir={folder}"]
    command += ["--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_for(running, server, home / "log")
        yield running
    finally:
        server.terminate()
        server.wait(30)


def wait_for(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            lab.ask("api/status")
            return
        except OSError:
            time.sleep(0.3)
    raise RuntimeError(f"JupyterLab did not start within {START_SECONDS} s:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def shots() -> Path:
    """Return the folder of the screenshots, which git ignores."""
    folder = ROOT / "results" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
