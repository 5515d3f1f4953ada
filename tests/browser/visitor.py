"""Somebody who looks at the page, and notices whatever a browser complains about."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

WITHIN_MS = 30_000
expect.set_options(timeout=WITHIN_MS)


@dataclass
class Visitor:
    """A tab, and all that went wrong in it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """Errors on the console (a breach of the Content-Security-Policy is one), exceptions, requests to other hosts."""

    def watch(self) -> None:
        self.page.on("console", self._spoke)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("request", self._asked)

    async def open(self) -> None:
        """Until feeds are shown."""
        await self.page.goto(self.url)
        await expect(self.row().first).to_be_visible()

    def row(self, alias: str | None = None) -> Any:
        """The rows of the table of feeds, or that of one feed."""
        rows = self.page.locator("#feeds tbody tr")
        return rows if alias is None else rows.filter(has=self.page.get_by_role("button", name=alias, exact=True))

    @property
    def connection(self) -> Any:
        return self.page.locator("#connection")

    def _spoke(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:")):
            self.complaints.append(f"request to {request.url}")


@asynccontextmanager
async def visiting(browser: Browser, url: str, **options: Any) -> AsyncIterator[Visitor]:
    """A tab of its own, closed at the end; `options` are those of Playwright's contexts."""
    context: BrowserContext = await browser.new_context(**options)
    visitor = Visitor(await context.new_page(), url)
    visitor.watch()
    try:
        yield visitor
    finally:
        await context.close()
