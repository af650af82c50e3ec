import inspect
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest

from yuan_demo.core.messages import Message
from yuan_demo.core.options import PromptOptions
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui import checks
from yuan_demo.ui.api import add_api
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.page_settings import PageSettings, naming_settings

HISTORY = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "您好"}]


@pytest.fixture
def model(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


@pytest.fixture
def endpoint(model: ChatModel) -> Callable[[str], Callable[..., Any]]:
    """The function behind an endpoint, by its name."""
    with gr.Blocks() as demo:
        add_api(model)
    functions = {fn.api_name: fn.fn for fn in demo.fns.values()}
    return functions.__getitem__


def test_tokenize_gives_ids_pieces_and_offsets(endpoint: Any, model: ChatModel):
    result = endpoint("tokenize")("你好<sep>")

    assert result["ids"] == model.tokenizer.encode("你好<sep>", split_special_tokens=True)
    assert result["pieces"] == model.tokenizer.convert_ids_to_tokens(result["ids"])
    assert result["offsets"][-1][1] == len("你好<sep>")


def test_tokenize_reads_control_tokens_when_asked(endpoint: Any, model: ChatModel):
    result = endpoint("tokenize")("你好<sep>", parse_control=True)

    assert result["ids"][-1] == model.tokenizer.control_token_id("<sep>")
    assert result["offsets"][-1] == [2, 7]


def test_tokenize_refuses_more_than_it_can_do_in_time(
    endpoint: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checks, "MAX_CHARACTERS", 30)
    tokenize = endpoint("tokenize")
    tokenize("a" * 30)

    with pytest.raises(gr.Error, match="at most 30 characters, but has 31"):
        tokenize("a" * 31)


def test_inspect_gives_the_prompt_that_would_be_sent(endpoint: Any, model: ChatModel):
    result = endpoint("inspect")("天气", HISTORY, 50)

    messages = [Message(item["role"], item["content"]) for item in HISTORY]
    fitted = model.fit([*messages, Message("user", "天气")], PromptOptions(1024, 50))
    assert result["input_ids"] == list(fitted.prompt.input_ids)
    assert result["text"] == "你好<n>您好<n>天气<sep>"
    assert [row["id"] for row in result["tokens"]] == result["input_ids"]
    assert [row["position"] for row in result["tokens"]] == list(range(len(result["tokens"])))
    assert {row["origin"] for row in result["tokens"]} == {"user", "assistant", "join", "control"}
    parts = result["budget"]
    total = parts["history"] + parts["message"] + parts["reserved"] + parts["free"]
    assert total == parts["window"] == 1024


def test_inspect_names_the_turns_that_fall_out(endpoint: Any):
    long_history = [{"role": "user", "content": "好" * 600}, *HISTORY]

    assert endpoint("inspect")("天气", long_history, 600)["dropped_turns"] == [1]


def test_inspect_reserves_the_default_when_not_told(endpoint: Any):
    assert endpoint("inspect")("天气")["budget"]["reserved"] == 256


@pytest.mark.parametrize(
    ("message", "history", "reserved", "reason"),
    [
        ("好" * 2000, None, None, "Shorten it"),
        ("好", "text", None, "list of messages"),
        ("好", [{"role": "user", "content": "a", "metadata": 5}, 5], None, "item 1"),
        ("好", None, 5000, "at most 992"),
        ("好", None, -5, "between 1 and"),
    ],
)
def test_inspect_refuses_with_a_sentence(
    endpoint: Any, message: str, history: Any, reserved: Any, reason: str
):
    with pytest.raises(gr.Error, match=reason):
        endpoint("inspect")(message, history, reserved)


def test_settings_of_the_chat_have_names_for_programs(model: ChatModel):
    chat = naming_settings(PageHandlers(model).chat)

    names = list(inspect.signature(chat).parameters)
    assert names == ["message", "history", "request", *PageSettings._fields]
    assert inspect.isgeneratorfunction(chat), "the chat streams"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"format": "newline"}, "你好\n您好\n天<sep>气<sep>"),
        ({"format": "custom", "turn_template": "", "question_template": "问{user}"}, "问天<sep>气"),
        ({"loading": "plain"}, "<s>你好<n>您好<n>天<sep>气<sep></s>"),
        ("nonsense", "你好<n>您好<n>天<sep>气<sep>"),
        ({"nonsense": 1}, "你好<n>您好<n>天<sep>气<sep>"),
    ],
)
def test_inspect_takes_the_settings_of_the_page(endpoint: Any, settings: Any, expected: str):
    assert endpoint("inspect")("天<sep>气", HISTORY, 50, settings)["text"] == expected


def test_inspect_in_raw_mode_reads_typed_control_tokens(endpoint: Any, model: ChatModel):
    sep = model.tokenizer.control_token_id("<sep>")

    safe = endpoint("inspect")("a<sep>b")
    raw = endpoint("inspect")("a<sep>b", settings={"raw": True})

    assert (safe["input_ids"].count(sep), raw["input_ids"].count(sep)) == (1, 2)
    assert "acting_control" in [finding["code"] for finding in raw["findings"]]


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "x"},
        {"policy": 5},
        {"loading": []},
        {"window": 9},
        {"window": "big"},
        {"pinned": "1"},
        {"format": "custom", "question_template": "no place"},
    ],
    ids=repr,
)
def test_inspect_refuses_settings_that_cannot_be(endpoint: Any, settings: Any):
    with pytest.raises(gr.Error, match="must"):
        endpoint("inspect")("a", settings=settings)
