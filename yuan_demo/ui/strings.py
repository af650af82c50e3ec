"""Every word of ours that a person sees, in English and Chinese.

A sentence may hold `{name}` places; the same table serves Gradio's labels, toasts, and the panel's
JavaScript, which fills the places in the same way.
"""

from typing import Any, Literal

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.errors import PageError
from yuan_demo.ui.trace_strings import TRACE_ERRORS

Language = Literal["en", "zh"]

ERRORS: dict[str, tuple[str, str]] = {
    "empty_message": (
        "A message needs at least one visible character. Type something and send it again.",
        "消息至少要有一个可见字符。请输入内容后再发送。",
    ),
    "message_too_long": (
        "This message has {tokens} tokens, but only {limit} fit: the window of {window} less "
        "{reserved} reserved for the answer. Shorten it by {over}, or lower the longest answer "
        "in the settings.",
        "这条消息有 {tokens} 个词元，最多只能放下 {limit} 个：窗口 {window} 减去为回答预留的 "
        "{reserved}。请缩短 {over} 个词元，或在设置中减小回答长度。",
    ),
    "message_beyond_window": (
        "This message has {tokens} tokens, more than the window of {window} has room for: only "
        "{limit} fit beside the {reserved} reserved for the answer. Shorten it by {over}.",
        "这条消息有 {tokens} 个词元，超过了整个窗口 {window}：减去为回答预留的 {reserved}，"
        "最多只能放下 {limit} 个。请缩短 {over} 个词元。",
    ),
    "pinned_too_long": (
        "The turns that must stay and this message have {tokens} tokens, but only {limit} fit: the "
        "window of {window} less {reserved} reserved for the answer. Unpin a turn, shorten the "
        "message by {over}, or choose another way in the prompt settings.",
        "必须保留的轮次加上这条消息共 {tokens} 个词元，最多只能放下 {limit} 个："
        "窗口 {window} 减去为回答预留的 {reserved}。"
        "请取消固定某一轮，或缩短 {over} 个词元，或在提示设置中换一种处理方式。",
    ),
    "window_full": (
        "The context window is full: the prompt has {tokens} tokens, but only {limit} fit beside "
        "the {reserved} reserved for the answer in a window of {window}. The baseline dies here; "
        "you can let old turns be dropped (prompt settings), start a new chat, or shorten it by "
        "{over}.",
        "上下文窗口已满：提示有 {tokens} 个词元，窗口 {window} 减去为回答预留的 {reserved}，"
        "最多只能放下 {limit} 个。基线程序到这里就会崩溃；你可以在提示设置中改为丢弃旧轮次、"
        "开始新对话，或缩短 {over} 个词元。",
    ),
    "window_out_of_range": (
        "The context window must be a whole number between {low} and {high}, but is {window}. "
        "Change it in the prompt settings.",
        "上下文窗口必须是 {low} 到 {high} 之间的整数，现在是 {window}。请在提示设置中修改。",
    ),
    "template_too_long": (
        "A template must have at most {limit} characters, but has {count}. Shorten it.",
        "模板最多 {limit} 个字符，现在有 {count} 个。请缩短。",
    ),
    "bad_question_template": (
        "The template of the newest question must hold {{user}} once and not {{assistant}}, but is "
        "“{template}”. Write for example {{user}}<sep>.",
        "最新问题的模板必须恰好包含一个 {{user}}，且不含 {{assistant}}，现在是“{template}”。"
        "例如可以写 {{user}}<sep>。",
    ),
    "bad_turn_template": (
        "The template of an earlier turn must hold {{user}} once and behind it at most one "
        "{{assistant}}, or be empty to leave the history out, but is “{template}”. Write for "
        "example {{user}}<n>{{assistant}}<n>.",
        "历史轮次的模板必须恰好包含一个 {{user}}，其后最多一个 {{assistant}}；留空表示不写历史。"
        "现在是“{template}”。例如可以写 {{user}}<n>{{assistant}}<n>。",
    ),
    "unknown_format": (
        "The prompt format must be one of {known}, but is {name}. Choose another.",
        "提示格式必须是以下之一：{known}，现在是 {name}。请重新选择。",
    ),
    "not_a_text": (
        "A message must be a text, but is of type {kind}. Send a string.",
        "消息必须是文本，现在的类型是 {kind}。请发送字符串。",
    ),
    "too_many_characters": (
        "A text must have at most {limit} characters, but has {count}. Shorten it.",
        "文本最多 {limit} 个字符，现在有 {count} 个。请缩短。",
    ),
    "lone_surrogate": (
        "The message holds half a character (U+{code_point}, a lone surrogate), which no text "
        "can contain. Delete it at character {position} and send again.",
        "消息中有半个字符（U+{code_point}，孤立的代理项），文本中不允许出现。"
        "请删除第 {position} 个字符后再发送。",
    ),
    "reserved_too_large": (
        "The longest answer must be at most {limit} tokens in a window of {window}, which leaves "
        "room for a prompt, but is {reserved}. Lower it in the sampling settings below the chat.",
        "窗口为 {window} 时要给提示留出空间，回答最多 {limit} 个词元，现在是 {reserved}。"
        "请在聊天下方的采样设置中减小。",
    ),
    "setting_out_of_range": (
        "{name} must be between {low} and {high}, but is {value}. Change it in the settings.",
        "{name} 必须在 {low} 到 {high} 之间，现在是 {value}。请在设置中修改。",
    ),
    "setting_not_whole": (
        "{name} must be a whole number between {low} and {high}, but is {value}. Change it in the "
        "settings.",
        "{name} 必须是 {low} 到 {high} 之间的整数，现在是 {value}。请在设置中修改。",
    ),
    "bad_history": (
        "The history must be a list of messages with a role (user or assistant) and a text, "
        "but item {index} is not.",
        "历史必须是由 role（user 或 assistant）和文本组成的消息列表，但第 {index} 项不是。",
    ),
    "empty_prompt": (
        "There is nothing to answer. Type a message first.",
        "没有可回答的内容。请先输入消息。",
    ),
    "prompt_fills_window": (
        "The prompt has {tokens} tokens and leaves no room for an answer in the window of "
        "{window}. Shorten it.",
        "提示有 {tokens} 个词元，在 {window} 的窗口中没有留给回答的空间。请缩短。",
    ),
    "out_of_memory": (
        "The device ran out of memory after {tokens} tokens. Your message is kept: press retry "
        "when fewer people are asking, shorten the conversation, or start the demo with fewer "
        "--slots or a smaller --context-window.",
        "处理 {tokens} 个词元后设备内存不足。你的消息已保留：请在提问的人较少时点重试，或缩短对话，"
        "或用更小的 --slots 或 --context-window 启动。",
    ),
    "engine_failed": (
        "The model failed while it computed this answer; the details are in the server's log. "
        "Your message is kept: press retry. If it fails again, the demo must be started anew.",
        "模型在计算这个回答时出错，详情见服务器日志。你的消息已保留，请点重试；"
        "如果再次失败，需要重新启动演示程序。",
    ),
    "device_lost": (
        "The device that computes the model is lost, and nothing can be answered until the demo "
        "is started anew. Your message is kept: press retry after that.",
        "运行模型的设备已失去响应，重新启动演示程序之前无法回答。你的消息已保留，请在重启后点重试。",
    ),
    "unknown_choice": (
        "{name} must be one of {known}, but is {value}. Choose another.",
        "{name} 必须是以下之一：{known}，现在是 {value}。请重新选择。",
    ),
    "bad_pins": (
        "Pinned turns must be a list of turn numbers, but are {value}. Send for example [1, 3].",
        "固定的轮次必须是轮次编号的列表，现在是 {value}。例如可以发送 [1, 3]。",
    ),
    "bad_link": (
        "This link cannot be opened: it must hold a conversation made by “Copy link” here, whole. "
        "Copy it again; your own conversation is untouched.",
        "这个链接无法打开：它必须是这里用“复制链接”生成的完整链接。请重新复制；你自己的对话没有改动。",
    ),
    "bad_token_ids": (
        "Tokens must be a list of at least {least} ids between 0 and {high}, but are not. Load the "
        "page again.",
        "词元必须是至少 {least} 个编号的列表，编号在 0 到 {high} 之间。请重新加载页面。",
    ),
    "bad_stretch": (
        "A stretch must lie within the {tokens} tokens of the answer, and another token can be set "
        "against a single one only; this one goes from {start} to {end}. Select it again.",
        "选段必须在回答的 {tokens} 个词元之内，且只有单个词元才能与别的词元对比；"
        "现在是从 {start} 到 {end}。请重新选择。",
    ),
    "bad_part": (
        "The prompt has no part at {path}. Load the page again.",
        "提示中没有位于 {path} 的部分。请重新加载页面。",
    ),
    "other_prompt": (
        "From this conversation and these settings the prompt that was answered cannot be made "
        "again: the demo runs with another model, tokenizer or window by now. Press retry, and go "
        "on with the new answer.",
        "用这段对话和设置无法还原当时的提示：演示的模型、分词器或窗口已经不同。"
        "请点重试，再从新的回答继续。",
    ),
    "same_token": (
        "To ask why not another token, it must be another one, but both are {piece}. Choose or "
        "type another.",
        "要对比“为什么不是另一个”，两个词元必须不同，现在都是 {piece}。请另选或另输入一个。",
    ),
    "no_passes_left": (
        "All {limit} passes of this question are used. Allow {limit} more to go on.",
        "这个问题的 {limit} 次前向计算已用完。可以再允许 {limit} 次后继续。",
    ),
    "no_whole_model": (
        "This view needs the model's weights as they were trained, but here they are quantized, "
        "offloaded or laid out for the processor. Start the demo on a GPU and without --quantize, "
        "or with the embedded model.",
        "此视图需要原样的模型权重，但这里的权重已被量化、卸载或为处理器重新排布。"
        "请在 GPU 上启动演示且不带 --quantize，或使用自带的小模型。",
    ),
    "nothing_changed": (
        "The second answer must differ from the first in at least one setting, but none is given. "
        "Choose a format, a value or a seed for it.",
        "第二个回答至少要有一项设置不同，现在一项也没有。请为它选择格式、数值或随机种子。",
    ),
    "behind_the_end": (
        "Nothing can stand behind <eod>, which ends an answer. Choose a place before it.",
        "<eod> 表示回答结束，其后不能再有内容。请选择它之前的位置。",
    ),
    "other_conversation": (
        "This answer belongs to another conversation than the one in the chat. Put that one up "
        "again under “Branches”, or branch from an answer of this one.",
        "这个回答不属于聊天中的这段对话。请在“分支”中换回那段对话，或从当前对话的回答分支。",
    ),
    "beginning_too_long": (
        "The answer is to begin with {tokens} tokens, but may have at most {limit}. Branch at an "
        "earlier token, or raise the longest answer in the settings and ask anew.",
        "回答要以 {tokens} 个词元开头，但最多只能有 {limit} 个。"
        "请在更靠前的词元处分支，或在设置中增大回答长度后重新提问。",
    ),
    "answer_running": (
        "An answer is being written. Stop it, or wait for its end, and try again.",
        "正在生成回答。请先停止或等它结束，再试一次。",
    ),
    "nothing_to_compare": (
        "There is no question to compare formats with. Type a message, or ask something first.",
        "还没有可用来比较格式的问题。请先输入消息或提一个问题。",
    ),
    "unexpected": (
        "Something went wrong on our side; the details are in the server's log. Your message is "
        "kept: press retry.",
        "服务器内部出错，详情见服务器日志。你的消息已保留，请点重试。",
    ),
    **TRACE_ERRORS,
}

ENDINGS: dict[str, tuple[str, str]] = {
    "deadline": (
        "This answer took longer than {seconds} seconds and was ended; what was written is kept. "
        "Press retry, or lower the longest answer in the settings.",
        "这个回答超过了 {seconds} 秒，已被结束；已生成的内容保留。"
        "请点重试，或在设置中减小回答长度。",
    ),
    "shutdown": (
        "The server is being stopped, which ended this answer; what was written is kept. Press "
        "retry when it runs again.",
        "服务器正在停止，回答因此结束；已生成的内容保留。请在服务器恢复后点重试。",
    ),
}
"""Sentences behind answers that were ended neither by the model nor by who asked."""

IN_LINE = (
    "You are number {place} in line; others are being answered.",
    "你排在第 {place} 位，正在为其他人生成回答。",
)
LEFT_LINE = (
    "This question left the line before its turn came. Press retry to ask it again.",
    "这个问题在轮到之前离开了队列。请点重试重新提问。",
)
UNANSWERED = (
    "The page was left, or the answer stopped, before anything was written. Press retry to ask it "
    "again.",
    "页面在写出回答之前被离开，或回答已被停止。请点重试重新提问。",
)

GRADIO_OWN = {
    "chat_interface.new_chat": "新对话",
    "chat_interface.additional_inputs": "更多设置",
    "chat_interface.message_placeholder": "输入消息…",
    "chat_interface.chatbot": "对话",
}
"""Words of Gradio 6.31 that its own Chinese dictionary lacks."""

EXAMPLES: dict[Language, tuple[str, ...]] = {
    "en": (
        "Hello! Who are you?",
        "My name is Ada.",
        "Write a bubble sort in Python",
        "What is the capital of France?",
    ),
    "zh": (
        "你好，你是谁？",
        "我叫小明。",
        "用 Python 写一个冒泡排序",
        "法国的首都是哪里？",
    ),
}


def language_of(accept_language: str | None) -> Language:
    """The language of a request that has told nothing but an Accept-Language header."""
    return "zh" if (accept_language or "").strip().lower().startswith("zh") else "en"


def event_heading(language: Language) -> str:
    """Heads the line in the chat that tells what had to go before an answer."""
    return "上下文已满" if language == "zh" else "Context full"


def toast_heading(language: Language) -> str:
    """Heads a toast that says why nothing was done."""
    return "没有执行" if language == "zh" else "Nothing was changed"


def event_text(fitted: FittedPrompt, language: Language) -> str:
    """What had to go before an answer: one line, and one that explains it."""
    before, after = len(fitted.whole.tokens), len(fitted.prompt.tokens)
    turns = [turn.number for turn in fitted.dropped]
    is_cut = fitted.options.policy == "left_cut"
    if language == "zh":
        gone = [f"第 {'、'.join(map(str, turns))} 轮未发送"] * bool(turns)
        gone += ["开头被截断"] * is_cut
        return f"{before:,} → {after:,} 个词元，{'，'.join(gone)}\n模型看不到这些内容。"
    numbers = ("turn " if len(turns) == 1 else "turns ") + ", ".join(map(str, turns))
    gone = [f"{numbers} left out"] * bool(turns) + ["the beginning cut off"] * is_cut
    return f"{before:,} → {after:,} tokens, {', '.join(gone)}\nThe model does not see what is gone."


def line_text(place: int, language: Language) -> str:
    """Where a question stands in line."""
    return IN_LINE[language == "zh"].format(place=place)


def left_line_text(language: Language) -> str:
    """What stands in the chat of who left the line."""
    return LEFT_LINE[language == "zh"]


def unanswered_text(language: Language) -> str:
    """What stands in a chat that ends in a question when its page is loaded anew."""
    return UNANSWERED[language == "zh"]


def ending_text(reason: str | None, seconds: float | None, language: Language) -> str:
    """Why an answer was ended, if a person should be told; else nothing.

    Args:
        reason: its finish reason, or None while it goes on.
        seconds: what an answer may take.
        language: of the page.
    """
    if reason not in ENDINGS:
        return ""
    return ENDINGS[reason][language == "zh"].format(seconds=f"{seconds or 0:,.0f}")


def error_text(error: PageError, language: Language) -> str:
    """The sentence for an error, in the language of the page."""
    values: dict[str, Any] = dict(error.values)
    if "limit" in values and "tokens" in values:
        values["over"] = values["tokens"] - values["limit"]
    values = {k: f"{v:,}" if type(v) is int else v for k, v in values.items()}
    english, chinese = ERRORS.get(error.code, ERRORS["unexpected"])
    return (chinese if language == "zh" else english).format(**values)


def sentences(error: PageError) -> dict[str, str]:
    """The sentence for an error in both languages, for what the page says itself."""
    return {"en": error_text(error, "en"), "zh": error_text(error, "zh")}
