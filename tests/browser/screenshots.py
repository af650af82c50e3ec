"""Takes the pictures of the README: python -m tests.browser.screenshots

They show a conversation, its answer, and a question that is being typed.
"""

from itertools import product
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import (
    LANGUAGES,
    ROOT,
    SIZES,
    DemoPage,
    Server,
    load,
    open_chromium,
    watch,
)

FOLDER = ROOT / "assets" / "screenshots"
TALK = {
    "en": ("My name is Ada.", "Write a bubble sort in Python", "What is my name? 👩‍🚀"),
    "zh": ("你好，我叫小明。", "用 Python 写一个冒泡排序", "我叫什么名字？👩‍🚀"),
}


def main() -> None:
    """Starts the app, talks to it in both languages and at both sizes, and saves what it sees."""
    FOLDER.mkdir(exist_ok=True)
    server = Server()
    with sync_playwright() as playwright:
        browser = open_chromium(playwright)
        for (name, (width, height)), language in product(SIZES.items(), LANGUAGES):
            page = browser.new_page(
                viewport={"width": width, "height": height}, locale=LANGUAGES[language]
            )
            demo = watch(page, language)
            page.goto(server.url)
            talk(demo)
            save(page, FOLDER / f"{name}-{language}.png", whole=width < 600)
            page.close()
    server.stop()


def talk(demo: DemoPage) -> None:
    """Asks two questions and types a third, whose control token is explained."""
    load(demo)
    first, second, draft = TALK[demo.language]
    demo.ask(first)
    demo.ask(second)
    demo.edit(lambda: demo.box.fill(draft))
    demo.page.locator(".tp-list .k.c").last.hover()


def save(page: Page, path: Path, *, whole: bool) -> None:
    """A phone's page is longer than its screen and is shown whole."""
    page.screenshot(path=path, full_page=whole)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
