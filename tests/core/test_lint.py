import random
from collections.abc import Callable
from dataclasses import replace
from time import process_time
from typing import Any

import pytest

from yuan_demo.core.budget import FittedPrompt, fit
from yuan_demo.core.control_tokens import CONTROL_TOKENS
from yuan_demo.core.formats import FORMATS, PromptFormat
from yuan_demo.core.lint import Finding, Severity, lint
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Loading, Policy, PromptOptions

Draw = Callable[[random.Random], tuple[Message, ...]]
ROOMY = PromptOptions(8192, 256)


def said(*texts: str) -> tuple[Message, ...]:
    """Questions and answers by turns."""
    return tuple(
        Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)
    )


def linted(
    messages: tuple[Message, ...],
    tokenizer: Any,
    options: PromptOptions = ROOMY,
    *,
    open_question: bool = True,
) -> tuple[FittedPrompt, dict[str, Finding]]:
    """The prompt and its findings by code."""
    fitted = fit(messages, tokenizer, options, open_question=open_question)
    findings = lint(messages, fitted, tokenizer, open_question=open_question)
    codes = [finding.code for finding in findings]
    assert len(codes) == len(set(codes))
    ranks = [list(Severity).index(finding.severity) for finding in findings]
    assert ranks == sorted(ranks)
    for finding in findings:
        end = 0
        for start, past in finding.spans:
            assert end <= start < past <= len(fitted.prompt.tokens)
            end = past
    return fitted, {finding.code: finding for finding in findings}


def marked(fitted: FittedPrompt, finding: Finding) -> list[str]:
    """The text that a finding points at, stretch by stretch."""
    tokens, text = fitted.prompt.tokens, fitted.prompt.text
    return [
        text[tokens[start].encoded.start : tokens[end - 1].encoded.end]
        for start, end in finding.spans
    ]


def mended(
    finding: Finding, tokenizer: Any, *, open_question: bool = True
) -> tuple[FittedPrompt, dict[str, Finding]]:
    """The prompt after the repair, which must have made the finding go away."""
    assert finding.repair
    fitted, findings = linted(
        finding.repair.messages, tokenizer, finding.repair.options, open_question=open_question
    )
    assert finding.code not in findings
    return fitted, findings


@pytest.mark.parametrize(
    "messages",
    [
        said("你好"),
        said("你好", "您好，请问您需要哪方面的帮助？", "给我写首诗，主题是明月"),
        said("Hello! Who are you?", "I am Yuan.", "What is 1 < 2 > 0?"),
        said(
            "Fix this:\nif x:\n    print(1)", "```py\nif x:\n    print(1)\n```", "👨‍👩‍👧 哈哈哈哈哈"
        ),
        said("1.", "OK", "2.", "OK", "| a | b |\n| --- | --- |\n-----------------------------"),
    ],
)
def test_an_ordinary_conversation_has_nothing_worse_than_a_note(
    messages: tuple[Message, ...], tokenizer: Any
):
    for open_question in (True, False):
        _, findings = linted(messages, tokenizer, open_question=open_question)
        assert {finding.severity for finding in findings.values()} <= {Severity.NOTE}


# --- the format, the loading and the window -----------------------------------------------------


def test_a_question_without_sep_gets_one(tokenizer: Any):
    options = replace(ROOMY, format=FORMATS["roles"])
    fitted, findings = linted(said("a", "b", "c"), tokenizer, options)

    assert findings["no_sep"].severity is Severity.ERROR
    assert marked(fitted, findings["no_sep"])[0].endswith(":")
    repaired, _ = mended(findings["no_sep"], tokenizer)
    assert repaired.prompt.text == fitted.prompt.text + "<sep>"
    assert repaired.options.format.name == "custom"


@pytest.mark.parametrize("question", ["{user}<sep>\n", "<sep>{user}", "{user}<sep><eod>", "{user}"])
def test_a_sep_in_the_wrong_place_is_none(tokenizer: Any, question: str):
    options = replace(ROOMY, format=PromptFormat("custom", "", question))

    fitted, _ = mended(linted(said("a"), tokenizer, options)[1]["no_sep"], tokenizer)

    assert fitted.prompt.text.endswith("a<sep>")


def test_a_sep_for_which_the_template_has_no_room_is_not_offered(tokenizer: Any):
    options = replace(ROOMY, format=PromptFormat("custom", "", "x" * 490 + "{user}"))

    assert linted(said("a"), tokenizer, options)[1]["no_sep"].repair is None


def test_a_history_needs_no_sep(tokenizer: Any):
    _, findings = linted(said("a", "b"), tokenizer, open_question=False)

    assert "no_sep" not in findings


def test_a_forgotten_step_of_loading_breaks_sep_and_adds_bos_and_eos(real_tokenizer: Any):
    fitted, findings = linted(said("你好"), real_tokenizer, replace(ROOMY, loading=Loading.PLAIN))

    assert list(findings) == ["broken_control", "added_bos_eos"]
    assert findings["broken_control"].values == {
        "names": "<sep>",
        "count": 1,
        "pieces": "< sep >",
    }
    assert marked(fitted, findings["broken_control"]) == ["<sep>"]
    assert findings["added_bos_eos"].spans == ((0, 1), (6, 7))
    for finding in findings.values():
        assert mended(finding, real_tokenizer)[0].prompt.text == "你好<sep>"


def test_flags_alone_leave_sep_whole(tokenizer: Any):
    loading = replace(ROOMY, loading=Loading.NO_FLAGS)
    fitted, findings = linted(said("a"), tokenizer, loading)

    assert {"added_bos_eos"} == {
        code for code, found in findings.items() if found.severity is Severity.ERROR
    }
    assert marked(fitted, findings["added_bos_eos"]) == ["<s>", "</s>"]
    _, findings = linted(said("a", "b"), tokenizer, loading, open_question=False)
    assert findings["added_bos_eos"].values == {"names": "<s>"}


def test_what_a_format_does_to_a_message_is_shown(tokenizer: Any):
    options = replace(ROOMY, format=FORMATS["fastchat_yuan2"])
    fitted, findings = linted(said("a", "b", "use python"), tokenizer, options)

    finding = findings["format_changes_text"]
    assert finding.values == {"count": 1, "before": "use python", "after": "use pytho"}
    assert marked(fitted, finding)[0].endswith("o")
    assert mended(finding, tokenizer)[0].prompt.text.endswith("use python<sep>")

    options = replace(ROOMY, format=FORMATS["yuanchat"])
    _, findings = linted(said("你好", "您好", "再见"), tokenizer, options)
    assert findings["format_changes_text"].values == {
        "count": 2,
        "before": "你好",
        "after": "你好？",
    }


def test_a_left_cut_inside_a_turn_is_told_and_one_between_turns_is_not(tokenizer: Any):
    messages = said("一二三四", "五六七八", "九十", "好", "再见")
    whole = fit(messages, tokenizer, ROOMY).whole
    of_first = sum(token.turn == 1 for token in whole.tokens)
    codes = {}
    for cut in range(1, len(whole.tokens)):
        window = len(whole.tokens) - cut + 16
        options = PromptOptions(window, 16, policy=Policy.LEFT_CUT)
        _, findings = linted(messages, tokenizer, options)
        codes[cut] = findings.get("cut_inside")

    assert codes[1].values == {"turn": 1, "tokens": 1}
    assert codes[of_first] is None
    assert codes[of_first + 2].values == {"turn": 2, "tokens": 2}
    assert codes[of_first + 2].spans[0][0] == 0
    mended(codes[of_first + 2], tokenizer)
    assert codes[len(whole.tokens) - 1].repair is None  # the question itself is too long


def test_an_answer_shrunk_to_nothing_is_told(tokenizer: Any):
    messages = said("一二三四" * 5, "五六七八" * 5, "再见")
    length = len(fit(messages, tokenizer, ROOMY).whole.tokens)
    options = PromptOptions(length + 20, 60, policy=Policy.SHRINK_ANSWER)

    fitted, findings = linted(messages, tokenizer, options)

    assert fitted.budget.reserved == 20
    assert findings["short_answer_room"].values == {"tokens": 20, "asked": 60}
    assert mended(findings["short_answer_room"], tokenizer)[0].budget.reserved == 60
    wider = replace(options, window=length + 40)
    assert "short_answer_room" not in linted(messages, tokenizer, wider)[1]


def test_a_format_that_forgets_the_history_says_so(tokenizer: Any):
    options = replace(ROOMY, format=FORMATS["last_question"])
    _, findings = linted(said("a", "b", "c"), tokenizer, options)

    assert findings["history_unwritten"].values == {"count": 1}
    assert mended(findings["history_unwritten"], tokenizer)[0].prompt.text == "a<n>b<n>c<sep>"
    assert "history_unwritten" not in linted(said("c"), tokenizer, options)[1]


# --- the messages -------------------------------------------------------------------------------


def test_a_typed_control_token_shows_both_encodings(real_tokenizer: Any):
    fitted, findings = linted(said("你好<sep>", "a<eod>", "b"), real_tokenizer)

    finding = findings["typed_control"]
    assert (finding.severity, finding.repair) == (Severity.NOTE, None)
    assert finding.values["names"] == "<sep>, <eod>"
    assert finding.values["as_control"] == (77187,)
    pieces = real_tokenizer.convert_ids_to_tokens(finding.values["as_text"])
    assert pieces == ["<", "sep", "><"]  # with the `<` of the join
    assert marked(fitted, finding) == ["<sep><", "<eod><"]


def test_in_raw_mode_a_typed_control_token_acts_and_can_be_made_text(real_tokenizer: Any):
    fitted, findings = linted(said("你好<sep>哈"), real_tokenizer, replace(ROOMY, raw=True))

    finding = findings["acting_control"]
    assert "typed_control" not in findings
    assert finding.severity is Severity.WARNING
    assert marked(fitted, finding) == ["<sep>"]
    assert finding.values["as_control"] == (77187,)
    assert len(finding.values["as_text"]) == 3
    repaired, findings = mended(finding, real_tokenizer)
    assert repaired.prompt.text == fitted.prompt.text
    assert "typed_control" in findings


def test_a_typed_join_becomes_a_line_break(tokenizer: Any):
    fitted, findings = linted(said("a<n>b", "c", "d"), tokenizer)

    assert findings["typed_join"].values == {"count": 1}
    assert marked(fitted, findings["typed_join"]) == ["<n>"]
    assert mended(findings["typed_join"], tokenizer)[0].prompt.text == "a\nb<n>c<n>d<sep>"
    newline = replace(ROOMY, format=FORMATS["newline"])
    assert "typed_join" not in linted(said("a<n>b", "c", "d"), tokenizer, newline)[1]


def test_a_greeting_goes_and_pins_stay_with_their_turns(tokenizer: Any):
    messages = (Message("assistant", "您好，请问您需要哪方面的帮助？"), *said("a", "b", "c"))
    options = replace(ROOMY, pinned=frozenset({2}))

    fitted, findings = linted(messages, tokenizer, options)

    assert marked(fitted, findings["greeting_turn"]) == ["您好，请问您需要哪方面的帮助？<n>"]
    repaired, _ = mended(findings["greeting_turn"], tokenizer)
    assert repaired.prompt.text == "a<n>b<n>c<sep>"
    assert repaired.options.pinned == {1}


def test_space_before_sep_is_stripped_even_where_the_format_strips_too(tokenizer: Any):
    fitted, findings = linted(said("a", "b ", "c \n"), tokenizer)

    assert findings["trailing_space"].values == {"count": 2}
    assert marked(fitted, findings["trailing_space"]) == [" \n"]
    assert mended(findings["trailing_space"], tokenizer)[0].prompt.text == "a<n>b <n>c<sep>"

    fastchat = replace(ROOMY, format=FORMATS["fastchat_yuan2"])
    _, findings = linted(said("a n <n>"), tokenizer, fastchat)
    assert mended(findings["trailing_space"], tokenizer)[0].prompt.text == "a<sep>"
    assert "trailing_space" not in linted(said("a "), tokenizer, open_question=False)[1]


def test_characters_that_nobody_sees_are_taken_out(tokenizer: Any):
    flag = "🏴\U000e0067\U000e0062\U000e007f"
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    messages = said(f"a\u200bb\r\nc {flag}👨‍👩‍👧", "ok", f"x{hidden}\u202e")

    _, findings = linted(messages, tokenizer)

    assert findings["invisible_characters"].values == {
        "names": "U+200B, U+000D, U+E006F, U+202E",
        "count": 4,
    }
    repaired, _ = mended(findings["invisible_characters"], tokenizer)
    assert repaired.prompt.text == f"ab\nc {flag}👨‍👩‍👧<n>ok<n>x<sep>"


def test_an_answer_given_twice_is_left_out_the_second_time(tokenizer: Any):
    same = "我不知道你在说什么。"
    messages = said("a", same, "b", "ok", "c", f"{same}\n", "d", "ok", "e")
    _, findings = linted(messages, tokenizer, replace(ROOMY, pinned=frozenset({4})))

    finding = findings["repeated_answer"]
    assert finding.values == {"first": 1, "turn": 3, "text": same, "count": 1}
    assert len(finding.spans) == 2
    repaired, _ = mended(finding, tokenizer)
    assert repaired.prompt.text == f"a<n>{same}<n>b<n>ok<n>d<n>ok<n>e<sep>"
    assert repaired.options.pinned == {3}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("我不知道。" * 6, "我不知道。"),
        ("One. " + "Line after line.\n" * 4 + "End.", "One. Line after line.\nEnd."),
        ("1000" + "0" * 60, "10"),
        ("-1-2-3" * 5 + "-1-2", "-1-2-3-1-2"),
        ("x" + "ab" * 15 + "y" + "cde" * 12, "xabycde"),
    ],
)
def test_a_stretch_over_and_over_is_cut_down_to_one(text: str, left: str, real_tokenizer: Any):
    _, findings = linted(said("a", text, "b"), real_tokenizer)

    repaired, _ = mended(findings["repeated_text"], real_tokenizer)
    assert repaired.prompt.text == f"a<n>{left}<n>b<sep>"


@pytest.mark.parametrize(
    "text", ["哈哈哈哈哈", "yes yes yes", " " * 80, "-" * 80, "| --- " * 12, "\n" * 40, "abc" * 7]
)
def test_a_laugh_a_line_and_a_table_are_no_loop(text: str, real_tokenizer: Any):
    assert "repeated_text" not in linted(said("a", f"x{text}y", "b"), real_tokenizer)[1]


def test_a_question_without_an_answer_may_be_left_out(tokenizer: Any):
    messages = (Message("user", "一"), *said("二", "  ", "三", "ok", "四"))
    _, findings = linted(messages, tokenizer)

    finding = findings["unanswered_question"]
    assert finding.values == {"turns": "1, 2", "count": 2}
    assert mended(finding, tokenizer)[0].prompt.text == "三<n>ok<n>四<sep>"


def test_a_character_that_the_vocabulary_lacks_is_named_with_its_cost(real_tokenizer: Any):
    fitted, findings = linted(said("𰻞𰻞 ok\n👍"), real_tokenizer)

    finding = findings["byte_characters"]
    assert finding.values == {"characters": "𰻞 👍", "count": 3, "tokens": 12}
    assert marked(fitted, finding) == ["𰻞𰻞", "👍"]


def test_a_piece_over_the_end_of_a_message_is_named(real_tokenizer: Any):
    fitted, findings = linted(said("1.", "好", "2"), real_tokenizer)

    assert findings["join_merged"].values == {"piece": ".<", "count": 1}
    assert marked(fitted, findings["join_merged"]) == [".<"]


# --- laws, over random conversations ------------------------------------------------------------

SALT = [
    "<sep>", "<eod>", "<n>", "</s>", "<s>", " ", "\u200b", "python", "哈哈好" * 9, "ab" * 20,
    "我不知道你在说什么。", "龘龘", "1.", *CONTROL_TOKENS,
]  # fmt: skip


def salted(rng: random.Random, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A conversation with something in it for every rule."""
    result = [Message("assistant", "您好，请问？")] if rng.random() < 0.2 else []
    for message in messages:
        text = message.content
        if rng.random() < 0.4:
            text = rng.choice((text, "")) + rng.choice(SALT) + rng.choice(("", " ", text))
        result.append(Message(message.role, text))
    return tuple(result)


def random_options(rng: random.Random) -> PromptOptions:
    window = rng.choice((rng.randint(24, 300), 4000))
    custom = PromptFormat(
        "custom", rng.choice(("", "{user}\n", "Q{user}<n>A{assistant}")), "{user}"
    )
    return PromptOptions(
        window,
        rng.choice((rng.randint(1, window - 8), window // 2)),
        format=rng.choice((*FORMATS.values(), custom)),
        raw=rng.random() < 0.4,
        loading=rng.choice(list(Loading)),
        policy=rng.choice((*Policy, Policy.SHRINK_ANSWER)),
        pinned=frozenset(rng.sample(range(1, 14), rng.choice((0, 0, 0, 3)))),
    )


def test_every_repair_makes_its_finding_go_away(tokenizer: Any, random_conversation: Draw):
    rng = random.Random(21)
    seen, repaired = set(), set()
    for _ in range(700):
        messages, options = salted(rng, random_conversation(rng)), random_options(rng)
        open_question = rng.random() < 0.8
        if not open_question:
            messages = messages[:-1]
        _, findings = linted(messages, tokenizer, options, open_question=open_question)
        seen |= set(findings)
        for finding in findings.values():
            if finding.repair:
                mended(finding, tokenizer, open_question=open_question)
                repaired.add(finding.code)

    notes = {"typed_control", "byte_characters", "join_merged"}
    assert seen == repaired | notes
    assert len(seen) == 18, seen


def test_a_full_window_is_looked_over_in_time(
    real_tokenizer: Any, random_text: Callable[[random.Random], str]
):
    rng = random.Random(22)
    messages = [
        Message(("user", "assistant")[place % 2], " ".join(random_text(rng) for _ in range(4)))
        for place in range(61)
    ]
    messages[7] = Message("assistant", "<sep> 龘 <n> " * 20)
    times = []
    for _ in range(9):
        messages[-1] = Message("user", messages[-1].content + "a")
        fitted = fit(messages, real_tokenizer, ROOMY)
        start = process_time()
        lint(messages, fitted, real_tokenizer)
        times.append(process_time() - start)

    assert len(fitted.prompt.tokens) > 3000
    # 10 ms on an idle machine of two cores; room for a busy one.
    assert sorted(times)[4] < 0.03
