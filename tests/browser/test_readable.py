"""Whether people can read and use it: contrast, a phone's screen, a thumb, both languages."""

import re
from collections.abc import Iterable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import link_to

FOX = "the quick brown fox jumps over the lazy dog. " * 3
SAID = (f"one {FOX}", "first answer", f"two {FOX}", "second answer")
# Dropped turns, every origin, findings of every kind, a template of one's own.
SETTINGS = {"window": 200, "max_new_tokens": 32, "raw": True}
DRAFT = f"three<n> {FOX} 龘<sep> x "

# Every visible text in an element with its contrast (WCAG 2: relative luminance), worst first. The
# colours of a gradient and of what lies behind are taken as they are computed, alpha included.
_CONTRASTS = r"""
root => {
  const rgba = color => {
    const numbers = color.match(/-?[\d.]+(e-?\d+)?/g).map(Number);
    const scale = color.startsWith('color(') ? 255 : 1;
    return [...numbers.slice(0, 3).map(n => n * scale), numbers[3] ?? 1];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((n, i) => n * a + below[i] * (1 - a));
  const linear = n => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4;
  const luminance = color => color.map(n => linear(n / 255))
    .reduce((sum, n, i) => sum + n * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const found = [], nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    const holder = node.parentElement;
    const options = { visibilityProperty: true, opacityProperty: true };
    if (!node.data.trim() || !holder.checkVisibility(options)) continue;
    if (holder.closest('style, script, button:disabled')) continue;
    const box = holder.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) continue;
    let below = [255, 255, 255], opacity = 1;
    const above = [];
    for (let each = holder; each; each = each.parentElement) above.unshift(getComputedStyle(each));
    for (const style of above) {
      const [r, g, b, a] = rgba(style.backgroundColor);
      opacity *= +style.opacity;
      below = over([r, g, b, a * opacity], below);
    }
    const [r, g, b, a] = rgba(getComputedStyle(holder).color);
    const contrast = ratio(over([r, g, b, a * opacity], below), below);
    found.push([+contrast.toFixed(2), node.data.trim().slice(0, 30), holder.className]);
  }
  return found.sort((one, other) => one[0] - other[0]);
}
"""

_SMALL_TARGETS = """
root => [...root.querySelectorAll('button, summary')]
  .filter(node => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .map(node => [node.innerText || node.ariaLabel || node.className, node.getBoundingClientRect()])
  .filter(([, box]) => box.height > 2 && box.height < 39.5)
  .map(([name, box]) => `${name}: ${box.width.toFixed(0)} x ${box.height.toFixed(0)}`)
"""


def assert_none(found: Iterable[Any]) -> None:
    """Names all that were found, which pytest's own message cuts short."""
    found = sorted(set(found))
    assert not found, "\n" + "\n".join(map(str, found))


def show_everything(demo) -> None:
    """Unfolds what stands folded in the Prompt tab."""
    demo.page.locator(".cx-fold").click()
    demo.open_findings()
    demo.page.locator(".tk-find").click()
    demo.open_prompt_settings()
    demo.page.locator("#token-panel summary").click()


def ask_both_formats(demo, name: str) -> None:
    demo.page.locator("#panel-tabs textarea:visible").last.fill("An answer.")
    demo.page.get_by_role("button", name=name).click()
    expect(demo.page.locator(".fc-mean")).to_have_count(2, timeout=30_000)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_of_the_panel_has_enough_contrast(open_page, server, theme):
    url = f"{server.url}?__theme={theme}"
    demo = open_page(url=url + link_to(SAID, DRAFT, SETTINGS))
    assert demo.page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
    show_everything(demo)
    demo.page.locator(".tk-search input").fill("fox")
    panel = demo.page.locator("#token-panel")
    texts = panel.evaluate(_CONTRASTS)
    demo.page.locator(".tk-tools").get_by_role("button", name="Bytes").click()
    demo.page.locator(".tk-search .tk-end").click()
    demo.tokens.first.hover()
    texts += panel.evaluate(_CONTRASTS)
    # What is new and gone since the last send.
    demo.box.press("Enter")
    demo.wait_idle()
    demo.edit(lambda: demo.box.fill("And now?"))
    demo.page.locator(".tk-change button").click()
    texts += panel.evaluate(_CONTRASTS)
    texts += demo.page.locator("#conversation").evaluate(_CONTRASTS)
    demo.open_tab("formats")
    ask_both_formats(demo, "Compare: ask the model")
    texts += panel.evaluate(_CONTRASTS)
    demo.open_tab("lessons")
    demo.edit(demo.page.locator("#ls-load-fourth_question").click)
    texts += panel.evaluate(_CONTRASTS)
    texts += demo.page.locator("#page-header").evaluate(_CONTRASTS)

    assert len(texts) > 300
    assert_none(tuple(text) for text in texts if text[0] < 4.5)


def test_a_phone_needs_no_sideways_scroll_and_no_fine_finger(open_page, server):
    demo = open_page("390x844", url=server.url + link_to(SAID, DRAFT, SETTINGS))
    panel = demo.page.locator("#token-panel")
    show_everything(demo)
    small = panel.evaluate(_SMALL_TARGETS)
    assert demo.has_no_sideways_scroll()
    demo.page.locator(".tk-copy").click()
    small += panel.evaluate(_SMALL_TARGETS)
    demo.open_tab("formats")
    ask_both_formats(demo, "Compare: ask the model")
    small += panel.evaluate(_SMALL_TARGETS)
    assert demo.has_no_sideways_scroll()
    demo.open_tab("lessons")
    for name in ("fourth_question", "transformers_indentation"):
        demo.edit(demo.page.locator(f"#ls-load-{name}").click)
        assert demo.has_no_sideways_scroll()
    small += panel.evaluate(_SMALL_TARGETS)
    demo.page.locator(".hd-share").click()
    expect(demo.page.locator("dialog")).to_be_visible()
    assert demo.has_no_sideways_scroll()

    assert_none(small)
    assert demo.errors == []


# What stands in Latin letters on a Chinese page: names, and terms that have no Chinese word.
_NAMES = r"""
    <[^<>\s]+> | \{\w+\} | yuan2-embedded | Yuan2[-\w]* | YuanChat | FastChat | LLaMA-Factory
    | Llama | StarCoder | BERT | Jupyter | Git\w* | ms-swift | transformers | SentencePiece
    | from_pretrained | max_new_tokens | add_bos_token | add_eos_token | eos_token | User:
    | Assistant: | JSON | cpu | float32 | \bid\b | U\+[0-9A-F]+ | top-[kp] | English
    | end\ of\ document | fill\ in\ the\ middle
"""


def test_the_chinese_page_says_nothing_of_ours_in_english(open_page, server):
    demo = open_page(language="zh", url=server.url + link_to(("你好", "您好"), "今天 ", SETTINGS))
    demo.open_findings()
    demo.open_prompt_settings()
    demo.page.locator("#token-panel summary").click()
    panel = demo.page.locator("#token-panel")
    shown = [panel.inner_text(), demo.page.locator("#page-header").inner_text()]
    demo.page.locator(".hd-share").click()
    shown.append(demo.page.locator("dialog").inner_text())
    demo.page.locator(".hd-close").click()
    demo.open_tab("formats")
    ask_both_formats(demo, "比较：询问模型")
    shown.append(
        " ".join(
            demo.page.locator(
                "#panel-tabs label span, #panel-tabs button, .fc-summary, .fc-cost, .fc-mean"
            ).all_inner_texts()
        )
    )
    demo.open_tab("lessons")
    # The messages of lessons are theirs; their words are ours.
    shown += demo.page.locator("#lesson-list h3, #lesson-list button").all_inner_texts()
    texts = " ".join(shown)
    words = re.findall(r"[A-Za-z]{3,}", re.sub(_NAMES, " ", texts, flags=re.X))

    assert "上下文窗口" in texts
    assert "__i18n__" not in texts
    assert_none(words)
