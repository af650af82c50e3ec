import pytest

from yuan_demo.core.control_tokens import (
    ADDED_TOKENS,
    CONTROL_TOKENS,
    CUT_TOKENS,
    SPLIT_TOKENS,
    controls_in,
)


def test_every_symbol_is_explained_once_and_only_symbols_are():
    assert list(CONTROL_TOKENS) == [record.name for record in CONTROL_TOKENS.values()]
    assert set(CONTROL_TOKENS) == {*CUT_TOKENS, *SPLIT_TOKENS}
    assert len(CONTROL_TOKENS) == len(CUT_TOKENS) + len(SPLIT_TOKENS) == 20


def test_added_tokens_are_the_fifteen_of_yuan2_in_the_order_of_the_vocabulary():
    assert " ".join(ADDED_TOKENS) == (
        "<sep> <pad> <mask> <predict> <FIM_SUFFIX> <FIM_PREFIX> <FIM_MIDDLE> <commit_before> "
        "<commit_msg> <commit_after> <jupyter_start> <jupyter_text> <jupyter_code> "
        "<jupyter_output> <empty_output>"
    )


@pytest.mark.parametrize("name", CONTROL_TOKENS)
def test_a_record_tells_in_both_languages_and_admits_what_is_not_documented(name: str):
    record = CONTROL_TOKENS[name]

    assert record.cut == (name not in SPLIT_TOKENS)
    assert record.meaning_en.endswith(".")
    assert record.meaning_zh.endswith("。")
    assert ("Not documented" in record.meaning_en) is not record.documented
    assert ("官方未说明" in record.meaning_zh) is not record.documented


@pytest.mark.parametrize("name", ["<sep>", "<eod>", "<n>"])
def test_what_the_vendor_explains_counts_as_documented(name: str):
    assert CONTROL_TOKENS[name].documented


def test_spans_are_those_of_the_typed_symbols():
    text = "你好<sep><n>a<<pad>> </s>"

    spans = controls_in(text)

    assert [span.token.name for span in spans] == ["<sep>", "<n>", "<pad>", "</s>"]
    assert all(text[span.start : span.end] == span.token.name for span in spans)
    assert [span.start for span in spans] == [2, 7, 12, 19]


@pytest.mark.parametrize("text", ["", "<SEP>", "< sep>", "<sep", "sep>", "<fim_prefix>", "&lt;n>"])
def test_near_misses_are_text(text: str):
    assert controls_in(text) == ()
