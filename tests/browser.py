"""A real Chromium, without a network, for the tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
    *("--autoplay-policy=no-user-gesture-required", "--mute-audio", "--hide-scrollbars"),
)


@contextmanager
def browser() -> Iterator[Any]:
    """A driver of selenium's; skips where Chromium, its driver or selenium are not here."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("no Chromium with its driver here")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        cdp = driver.execute_cdp_cmd
        cdp("Network.enable", {})
        nothing = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        cdp("Network.emulateNetworkConditions", nothing)
        yield driver
    finally:
        driver.quit()


def show(
    driver: Any, page: Path, width: int = 1280, *, dark: bool = False, height: int = 900
) -> None:
    """Open a page from the disk."""
    theme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": theme})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(page.resolve().as_uri())


def complaints(driver: Any) -> list[str]:
    """What the console says."""
    return [entry["message"] for entry in driver.get_log("browser")]
