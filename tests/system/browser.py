"""A real browser that reaches nothing but this machine."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect, sync_playwright

from tests.patience import HANG_SECONDS
from tests.system.judge import require
from tests.system.project import ROOT

SCREENSHOTS = ROOT / ".screenshots"
"""Where every page is kept as it looked at the end, also when a test of it failed."""

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
_ELSEWHERE = re.compile(r"^(?!(http|ws)://127\.0\.0\.1[:/])")


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Lend a browser; where there is none, that is a failure in CI and a skip elsewhere."""
    program = require("chromium")
    expect.set_options(timeout=HANG_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """Opens pages in one browser and keeps what they asked of others: that is refused."""

    def __init__(self, browser: Browser, origin: str) -> None:
        self.strangers: list[str] = []
        self._context = browser.new_context(
            base_url=origin, viewport={"width": 1400, "height": 1000}, service_workers="block"
        )
        self._context.set_default_timeout(HANG_SECONDS * 1000)
        self._context.route(_ELSEWHERE, self._refuse)
        self._context.route_web_socket(_ELSEWHERE, self._refuse_socket)

    @contextmanager
    def page(self, name: str) -> Iterator[Page]:
        """Lend a page, and keep a picture of how it looks at the end, whatever happened."""
        page = self._context.new_page()
        try:
            yield page
        finally:
            shoot(page, name)
            page.close()

    def close(self) -> None:
        """Close all pages."""
        self._context.close()

    def _refuse(self, route: Route) -> None:
        self.strangers.append(route.request.url)
        route.abort()

    def _refuse_socket(self, socket: WebSocketRoute) -> None:
        self.strangers.append(socket.url)
        socket.close()


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page as it is now."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
