"""Every word of ours that a person sees, in English and Chinese.

A sentence may hold `{name}` places; the same table serves Gradio's labels, toasts, and the panel's
JavaScript, which fills the places in the same way.
"""

from typing import Any, Literal

from yuan_demo.core.errors import PageError

Language = Literal["en", "zh"]

# key: (English, Chinese)
LABELS: dict[str, tuple[str, str]] = {
    "message_placeholder": (
        "Type a message: the panel shows its tokens as you type",
        "输入消息：面板会随输入实时显示词元",
    ),
    "message_label": ("Message", "消息"),
    "chatbot_label": ("Conversation", "对话"),
    "settings": ("Sampling settings", "采样设置"),
    "max_new_tokens": ("Longest answer (tokens)", "回答最长词元数（max_new_tokens）"),
    "max_new_tokens_info": (
        "max_new_tokens: reserved in the context window before anything else",
        "优先从上下文窗口中为回答预留",
    ),
    "greedy": ("Greedy: always the most likely token", "贪心：总是取概率最高的词元"),
    "greedy_info": (
        "Temperature, top-k, top-p and seed are then unused",
        "此时温度、top-k、top-p 和随机种子不起作用",
    ),
    "temperature": ("Temperature", "温度（temperature）"),
    "temperature_info": (
        "Below 1 sharper, above 1 more random",
        "小于 1 更确定，大于 1 更随机",
    ),
    "top_k": ("Top-k", "Top-k"),
    "top_k_info": ("Only the k most likely tokens; 0 keeps all", "只保留概率最高的 k 个；0 为全部"),
    "top_p": ("Top-p", "Top-p"),
    "top_p_info": (
        "The smallest set of tokens that reaches this probability",
        "累计概率达到该值的最小词元集合",
    ),
    "repetition_penalty": ("Repetition penalty", "重复惩罚（repetition_penalty）"),
    "repetition_penalty_info": (
        "Above 1 makes used tokens less likely; 1 is off",
        "大于 1 时降低已出现词元的概率；1 为关闭",
    ),
    "seed": ("Seed", "随机种子"),
    "seed_info": (
        "The same seed repeats a sampled answer; -1 draws a new one",
        "相同种子可重现采样结果；-1 为随机",
    ),
}

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
        "The longest answer must be at most {limit} tokens in a window of {window}, but is "
        "{reserved}. Lower it in the settings.",
        "窗口为 {window} 时，回答最多 {limit} 个词元，现在是 {reserved}。请在设置中减小。",
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
        "The device ran out of memory after {tokens} tokens. Shorten the conversation, or start "
        "the demo with a smaller --context-window.",
        "处理 {tokens} 个词元后设备内存不足。请缩短对话，或用更小的 --context-window 启动。",
    ),
    "unexpected": (
        "Something went wrong on our side; the details are in the server's log. Your message is "
        "kept: press retry.",
        "服务器内部出错，详情见服务器日志。你的消息已保留，请点重试。",
    ),
}

PANEL: dict[str, tuple[str, str]] = {
    "context": ("Context window", "上下文窗口"),
    "used_of": ("{used} of {window} tokens", "{used} / {window} 词元"),
    "history": ("History", "历史"),
    "message": ("This message", "本条消息"),
    "answer": ("Answer", "回答"),
    "reserved": ("Reserved for the answer", "为回答预留"),
    "free": ("Free", "空闲"),
    "state_empty": (
        "What the model will read appears here as you type.",
        "模型将读到的内容会随输入显示在这里。",
    ),
    "state_history": (
        "The conversation as the next question will find it.",
        "下一个问题之前，模型上下文中的对话。",
    ),
    "state_preview": (
        "Preview: exactly what pressing Enter sends now.",
        "预览：现在按回车，发送的就是这些词元。",
    ),
    "state_blocked": (
        "This message cannot be sent as it is.",
        "这条消息现在无法发送。",
    ),
    "state_answering": (
        "Sent: what the model got, and its answer so far.",
        "已发送：模型收到的词元，以及正在生成的回答。",
    ),
    "state_sent": (
        "Sent: what the model really got, and what it answered.",
        "已发送：模型真正收到的词元和它的回答。",
    ),
    "prompt_tokens": ("{n} prompt tokens", "提示 {n} 词元"),
    "answer_tokens": ("{n} answer tokens", "回答 {n} 词元"),
    "finish_stop": ("ended with <eod>", "以 <eod> 结束"),
    "finish_length": ("cut off at the longest answer", "达到最长回答长度"),
    "finish_context": ("the window is full", "窗口已满"),
    "finish_cancelled": ("stopped", "已停止"),
    "seed_used": ("seed {n}", "随机种子 {n}"),
    "speed": ("{n} tokens/s", "{n} 词元/秒"),
    "dropped": (
        "Dropped to make room, oldest first: {turns} ({n} tokens). The model no longer sees this.",
        "为腾出空间，已从最早开始丢弃：{turns}（{n} 词元）。模型看不到它们了。",
    ),
    "will_drop": (
        "Sending this drops the oldest: {turns} ({n} tokens).",
        "发送这条消息会丢弃最早的：{turns}（{n} 词元）。",
    ),
    "one_turn": ("turn {turns}", "第 {turns} 轮"),
    "some_turns": ("turns {turns}", "第 {turns} 轮"),
    "cut_off": (
        "Only the first {n} tokens are drawn.",
        "只画出前 {n} 个词元。",
    ),
    "show_text": ("Text", "文本"),
    "show_ids": ("IDs", "编号"),
    "show_label": ("Show tokens as", "词元显示为"),
    "glossary": ("What the special tokens mean", "特殊词元的含义"),
    "origin_user": ("your text", "用户文本"),
    "origin_assistant": ("earlier answer", "历史回答"),
    "origin_join": ("join <n>", "连接符 <n>"),
    "origin_control": ("control token", "控制词元"),
    "origin_answer": ("new answer", "新的回答"),
    "tip_position": ("position", "位置"),
    "tip_id": ("id", "编号"),
    "tip_piece": ("piece", "词片"),
    "tip_bytes": ("bytes", "字节"),
    "tip_origin": ("origin", "来源"),
    "tip_turn": ("turn {n}", "第 {n} 轮"),
    "tip_phantom": (
        "A space mark that SentencePiece puts before every stretch of text. You did not type it, "
        "but the model reads it.",
        "SentencePiece 在每段文本前自动加的空格标记。你没有输入它，但模型会读到。",
    ),
    "tip_crosses": (
        "This one token covers the end of a message and the start of the join.",
        "这一个词元同时包含消息的结尾和连接符的开头。",
    ),
    "tip_typed": (
        "{name} stands here as text: it is sent as these ordinary characters and controls nothing.",
        "这里的 {name} 是文本，按普通字符发送，不起控制作用。",
    ),
    "tip_typed_join": (
        "This <n> is part of a message. Turns are joined by the same characters: the model cannot "
        "tell it from a real join.",
        "这个 <n> 是消息的一部分，与轮次之间的连接符完全相同，模型无法区分。",
    ),
    "tip_group": (
        "{n} tokens make up what you see as one character.",
        "你看到的这一个字符由 {n} 个词元组成。",
    ),
    "tip_unused_id": ("not in this vocabulary", "此词表中没有"),
    "pieces": ("{n} tokens", "{n} 个词元"),
    "model_params": ("{n} M parameters", "{n} M 参数"),
    "embedded_note": (
        "a tiny model of ours, not Yuan2-2B",
        "自训微型模型，不是 Yuan2-2B",
    ),
}

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


def error_text(error: PageError, language: Language) -> str:
    """The sentence for an error, in the language of the page."""
    values: dict[str, Any] = dict(error.values)
    if "limit" in values and "tokens" in values:
        values["over"] = values["tokens"] - values["limit"]
    values = {k: f"{v:,}" if type(v) is int else v for k, v in values.items()}
    english, chinese = ERRORS.get(error.code, ERRORS["unexpected"])
    return (chinese if language == "zh" else english).format(**values)
