"""Takes the pictures of the README: python -m tests.browser.screenshots

They show a conversation with a question that is being typed; and, on a wide screen, an answer token
by token, the turn that it owes to, two formats side by side, and a lesson.
"""

from functools import partial
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

NAMES = {
    "en": ("My name is Ada.", "My friend's name is Bob.", "What is my friend's name?"),
    "zh": ("我叫小红。", "我的朋友叫小明。", "我的朋友叫什么名字？"),
}


def main() -> None:
    """Starts the app, talks to it in both languages and at both sizes, and saves what it sees."""
    FOLDER.mkdir(exist_ok=True)
    server = Server()
    with sync_playwright() as playwright:
        browser = open_chromium(playwright)
        for (name, (width, height)), language in product(SIZES.items(), LANGUAGES):
            size = {"width": width, "height": height}
            new_page = partial(browser.new_page, viewport=size, locale=LANGUAGES[language])
            page = new_page()
            demo = watch(page, language)
            page.goto(server.url)
            talk(demo)
            save(page, FOLDER / f"{name}-{language}.png", whole=width < 600)
            if width > 600:
                open_answer(demo)
                save(page, FOLDER / f"answer-{language}.png", whole=False)
                compare(demo)
                save(page, FOLDER / f"formats-{language}.png", whole=False)
                open_lesson(demo)
                save(page, FOLDER / f"lesson-{language}.png", whole=False)
                page.close()
                page = new_page()
                demo = watch(page, language)
                find_the_turn(demo, server.url)
                save(page, FOLDER / f"why-{language}.png", whole=False)
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


def open_answer(demo: DemoPage) -> None:
    """Opens the last answer, with one of its tokens."""
    demo.open_tab("answer")
    demo.page.locator(".an-k").nth(6).hover()


def compare(demo: DemoPage) -> None:
    """Compares the conversation in two formats, with what the model would say after each."""
    page = demo.page
    demo.open_tab("formats")
    page.locator("#panel-tabs button.primary").click()
    page.wait_for_selector(".fc-row")
    page.wait_for_function("document.querySelectorAll('.fc-row').length >= 10")
    page.locator("#panel-tabs").evaluate(
        "tabs => tabs.querySelector('.fc-summary').scrollIntoView()"
    )


def find_the_turn(demo: DemoPage, url: str) -> None:
    """Asks for one of two names, and which turn the answer owes to."""
    demo.page.goto(url)
    load(demo)
    for question in NAMES[demo.language]:
        demo.ask(question)
    demo.open_tab("why")
    demo.page.locator(".wy-find").click()
    demo.page.wait_for_function("document.querySelector('.wy-line')?.textContent")
    demo.settle()
    demo.page.locator(".wy-line").scroll_into_view_if_needed()


def open_lesson(demo: DemoPage) -> None:
    """Opens the lesson on the fourth question."""
    page = demo.page
    demo.open_tab("lessons")
    demo.edit(lambda: page.locator("#lesson-list li button").first.click())
    demo.wait_mode("blocked")
    demo.settle()


def save(page: Page, path: Path, *, whole: bool) -> None:
    """A phone's page is longer than its screen and is shown whole."""
    page.screenshot(path=path, full_page=whole)
    print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
