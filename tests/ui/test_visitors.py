import threading

from yuan_demo.core.messages import Message
from yuan_demo.ui import visitors as visitors_module
from yuan_demo.ui.visitors import Visitor, Visitors

HELLO = (Message("user", "你好"),)


def test_a_page_is_remembered_with_its_language():
    visitors = Visitors()
    page = visitors.of("a", "zh")
    page.is_page = True

    assert visitors.of("a", "en") is page
    assert (page.language, page.is_page) == ("zh", True)


def test_pages_share_nothing():
    visitors = Visitors()
    first, second = visitors.of("a", "zh"), visitors.of("b", "zh")
    first.begin()

    assert second.messages == ()
    assert not second.is_answering
    second.cancelled.set()
    assert not first.cancelled.is_set()


def test_a_caller_without_a_page_is_not_remembered():
    visitors = Visitors()

    assert visitors.of(None, "en") is not visitors.of(None, "en")


def test_a_page_that_leaves_stops_its_answer_and_is_forgotten():
    visitors = Visitors()
    page = visitors.of("a", "en")
    cancelled = page.begin()

    visitors.leave("a")

    assert cancelled.is_set()
    assert visitors.of("a", "en") is not page


def test_whoever_was_never_here_may_leave():
    Visitors().leave("a")
    Visitors().leave(None)


def test_the_page_unused_for_longest_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(visitors_module, "MAX_VISITORS", 2)
    visitors = Visitors()
    first, second = visitors.of("a", "en"), visitors.of("b", "en")
    cancelled = second.begin()
    visitors.of("a", "en")

    visitors.of("c", "en")

    assert visitors.of("a", "en") is first
    assert cancelled.is_set()
    assert visitors.of("b", "en") is not second


def test_pages_that_come_at_once_are_one_page_each():
    visitors = Visitors()
    seen: list[Visitor] = []
    barrier = threading.Barrier(8)

    def come() -> None:
        barrier.wait()
        seen.append(visitors.of("a", "en"))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert len({id(page) for page in seen}) == 1


def test_a_new_answer_stops_the_one_before_and_starts_empty():
    page = Visitor("en")
    first = page.begin()

    second = page.begin()

    assert first.is_set()
    assert not second.is_set()
    assert page.cancelled is second
    assert page.messages == ()
    assert page.answer is None


def test_an_answer_that_ends_late_does_not_end_the_newer_one():
    page = Visitor("en")
    first = page.begin()
    second = page.begin()

    page.end(first)
    assert page.is_answering
    assert not second.is_set()

    page.end(second)
    assert not page.is_answering


def test_only_the_newest_answer_is_kept_and_only_its_end_ends_the_page():
    page = Visitor("en")
    older = page.begin()
    newer = page.begin()
    page.record("older", older)
    page.end(older)
    page.record("newer", newer)

    assert page.answer == "newer"
    assert page.is_answering
    page.end(newer)
    assert not page.is_answering
