from typing import Any

import pytest

from yuan_demo.core.budget import fit
from yuan_demo.core.control_tokens import CUT_TOKENS
from yuan_demo.core.formats import FORMATS
from yuan_demo.core.messages import Message
from yuan_demo.core.options import EOS_TOKEN, Loading, PromptOptions
from yuan_demo.core.prompt import Origin, Prompt

ROOM = 1000


def prompt_of(text: str, tokenizer: Any, *, open_question: bool = True, **options: Any) -> Prompt:
    messages = (Message("user", text),)
    fitted = fit(
        messages, tokenizer, PromptOptions(ROOM, 1, **options), open_question=open_question
    )
    return fitted.prompt


def pieces(prompt: Prompt) -> str:
    return " ".join(token.encoded.piece for token in prompt.tokens)


@pytest.mark.parametrize(
    ("loading", "expected"),
    [
        (Loading.EXACT, "▁ 你好 <sep>"),
        (Loading.NO_FLAGS, "<s> ▁ 你好 <sep> </s>"),
        (Loading.NO_ADDED_TOKENS, "▁ 你好 < sep >"),
        (Loading.PLAIN, "<s> ▁ 你好 < sep > </s>"),
    ],
)
def test_what_a_forgotten_step_of_loading_does_to_the_prompt(
    loading: Loading, expected: str, real_tokenizer: Any
):
    assert pieces(prompt_of("你好", real_tokenizer, loading=loading)) == expected


def test_bos_and_eos_have_the_ids_of_the_llama_vocabulary(real_tokenizer: Any):
    ids = prompt_of("你好", real_tokenizer, loading=Loading.NO_FLAGS).input_ids

    assert (ids[0], ids[-1]) == (1, 2)


def test_without_flags_eod_is_text_and_eos_is_a_control_token():
    assert Loading.NO_FLAGS.idle_tokens == {"<eod>"}
    assert EOS_TOKEN in Loading.NO_FLAGS.acting_tokens
    assert Loading.EXACT.idle_tokens == {EOS_TOKEN}
    assert Loading.PLAIN.acting_tokens == {"<s>", "</s>", "<unk>"}


@pytest.mark.parametrize("loading", Loading)
def test_every_name_either_acts_or_is_idle(loading: Loading):
    assert loading.acting_tokens | loading.idle_tokens == {*CUT_TOKENS, EOS_TOKEN}
    assert not loading.acting_tokens & loading.idle_tokens


def test_a_history_that_asks_nothing_gets_no_eos(tokenizer: Any):
    prompt = prompt_of("a", tokenizer, open_question=False, loading=Loading.PLAIN)

    assert prompt.text == "<s>a"


def test_an_idle_control_token_of_a_format_is_still_marked_as_the_formats(tokenizer: Any):
    prompt = prompt_of("a", tokenizer, loading=Loading.NO_ADDED_TOKENS, format=FORMATS["n_join"])

    broken = [token for token in prompt.tokens if token.origin is Origin.CONTROL]
    assert len(broken) > 1
    assert b"".join(token.encoded.raw for token in broken) == b"<sep>"


@pytest.mark.parametrize("loading", Loading)
@pytest.mark.parametrize("name", [*CUT_TOKENS, EOS_TOKEN, "<n>", "<SEP>"])
def test_raw_mode_lets_act_what_the_loading_knows(name: str, loading: Loading, tokenizer: Any):
    raw = prompt_of(f"a{name}b", tokenizer, raw=True, loading=loading)
    safe = prompt_of(f"a{name}b", tokenizer, loading=loading)
    acts = name in loading.acting_tokens

    typed = [segment for segment in raw.segments if segment.is_typed]
    assert [segment.text for segment in typed] == [name] * acts
    assert raw.text == safe.text
    assert (raw.input_ids != safe.input_ids) == acts
    assert not any(segment.is_typed for segment in safe.segments)
    if acts:
        assert tokenizer.control_token_id(name) in raw.input_ids


def test_raw_mode_gives_the_ids_of_a_text_that_is_cut_at_control_tokens(tokenizer: Any):
    text = "a<sep><eod>b <n> <SEP><s>c<"

    prompt = prompt_of(text, tokenizer, raw=True)

    assert list(prompt.input_ids) == list(tokenizer.encode(f"{text}<sep>"))
    assert "".join(segment.text for segment in prompt.segments) == f"{text}<sep>"
