"""The words of the context card and of the token list, in English and Chinese.

The page gets this table as it is; its JavaScript fills the `{name}` places and groups the digits
of numbers.
"""

# key: (English, Chinese)
PANEL: dict[str, tuple[str, str]] = {
    # The model
    "model_params": ("{n} M parameters", "{n} M 参数"),
    "speed": ("{n} tokens/s", "{n} 词元/秒"),
    "busy": ("{running} of {slots} answering", "回答中 {running} / {slots}"),
    "busy_line": (
        "{running} of {slots} answering, {waiting} in line",
        "回答中 {running} / {slots}，排队 {waiting}",
    ),
    "failed": (
        "cannot answer: the demo must be started anew",
        "无法回答：需要重新启动演示程序",
    ),
    "away": ("the server does not answer", "服务器没有响应"),
    "embedded_note": ("a tiny model of ours, not Yuan2-2B", "自训微型模型，不是 Yuan2-2B"),
    # The context window
    "context": ("Context window", "上下文窗口"),
    "used_of": ("{used} of {window} tokens", "{used} / {window} 词元"),
    "excess": (
        "{n} tokens too many beside the {reserved} reserved",
        "除预留的 {reserved} 个外，超出 {n} 个词元",
    ),
    "own_window": ("{window} of the model's {own}", "模型窗口 {own} 中的 {window}"),
    "group_label": ("Group the window by", "窗口划分方式"),
    "group_parts": ("Parts", "部分"),
    "group_turns": ("Turns", "轮次"),
    "group_origins": ("Origin", "来源"),
    "history": ("History", "历史"),
    "message": ("This message", "本条消息"),
    "answer": ("Answer", "回答"),
    "reserved": ("Reserved for the answer", "为回答预留"),
    "free": ("Free", "空闲"),
    "turn": ("Turn {n}", "第 {n} 轮"),
    "turns": ("Turns {n}", "第 {n} 轮"),
    # What had to go
    "will_drop": (
        "Sending this drops {turns} to make room: {before} → {after} prompt tokens. The model will "
        "not see this any more.",
        "发送这条消息会丢弃{turns}来腾出空间：提示词元 {before} → {after}。模型将看不到这些内容。",
    ),
    "no_room": (
        "There is no room any more for {turns}: {before} → {after} prompt tokens.",
        "{turns}已经放不下：提示词元 {before} → {after}。",
    ),
    "dropped": (
        "Dropped to make room: {turns}, {before} → {after} prompt tokens. The model no longer sees "
        "this.",
        "为腾出空间已丢弃{turns}：提示词元 {before} → {after}。模型看不到这些内容了。",
    ),
    "will_cut": (
        "Sending this cuts off the first {n} tokens, wherever that falls: {before} → {after}.",
        "发送这条消息会切掉最前面的 {n} 个词元，不管切在哪里：{before} → {after}。",
    ),
    "no_room_cut": (
        "The first {n} tokens have no room any more: {before} → {after}.",
        "最前面的 {n} 个词元已经放不下：{before} → {after}。",
    ),
    "was_cut": (
        "The first {n} tokens were cut off, wherever that fell: {before} → {after}.",
        "最前面的 {n} 个词元被切掉了，不管切在哪里：{before} → {after}。",
    ),
    "shrunk": (
        "To make room, only {left} instead of {asked} tokens are reserved for the answer.",
        "为腾出空间，为回答预留的词元从 {asked} 个减到 {left} 个。",
    ),
    "one_turn": ("turn {turns}", "第 {turns} 轮"),
    "some_turns": ("turns {turns}", "第 {turns} 轮"),
    # The list of turns
    "turns_fold": ("Turns: {n}", "轮次：{n}"),
    "turns_gone": ("{n} not sent", "{n} 轮未发送"),
    "turns_pinned": ("{n} pinned", "{n} 轮已固定"),
    "tokens": ("{n} tokens", "{n} 词元"),
    "tokens_of": ("{n} of {whole} tokens", "{n} / {whole} 词元"),
    "tokens_cut": ("{n} tokens cut off", "切掉 {n} 词元"),
    "turn_kept": ("kept", "保留"),
    "turn_cut": ("cut", "被截断"),
    "turn_dropped": ("dropped", "已丢弃"),
    "turn_unwritten": ("not written by this format", "此格式不写入"),
    "pin": ("Pin", "固定"),
    "pinned": ("Pinned", "已固定"),
    "pin_turn": ("Pin turn {n}", "固定第 {n} 轮"),
    "pin_title": ("A pinned turn is not dropped.", "固定的轮次不会被丢弃。"),
    "missing_label": ("Turns that are not sent", "未发送的轮次"),
    "more_turns": ("{n} more", "另外 {n} 轮"),
    "unwritten_turns": (
        "Earlier turns that this format does not write: {n}",
        "此格式不写入的历史轮次：{n}",
    ),
    # What the list shows
    "state_empty": (
        "What the model will read appears here as you type. New here? Start with a lesson, in the "
        "last tab.",
        "模型将读到的内容会随输入显示在这里。第一次来？从最后一个标签页的课程开始吧。",
    ),
    "state_history": (
        "The conversation as the next question will find it.",
        "下一个问题之前，模型上下文中的对话。",
    ),
    "state_preview": (
        "Preview: exactly what pressing Enter sends now.",
        "预览：现在按回车，发送的就是这些词元。",
    ),
    "state_blocked": ("This message cannot be sent as it is.", "这条消息现在无法发送。"),
    "state_answering": (
        "Sent: what the model got, and its answer so far.",
        "已发送：模型收到的词元，以及正在生成的回答。",
    ),
    "state_waiting": (
        "Number {n} in line: what the model will get when the turn comes.",
        "排在第 {n} 位：轮到时模型将收到的词元。",
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
    "finish_loop": ("stopped at a loop", "因重复而停止"),
    "finish_cancelled": ("stopped", "已停止"),
    "finish_deadline": ("took too long and was ended", "超时，已结束"),
    "finish_shutdown": ("ended: the server is being stopped", "服务器停止，已结束"),
    "seed_used": ("seed {n}", "随机种子 {n}"),
    "cut_off": ("Only the first {n} tokens are drawn.", "只画出前 {n} 个词元。"),
    "show_label": ("Show tokens as", "词元显示为"),
    "show_text": ("Text", "文本"),
    "show_pieces": ("Pieces", "词片"),
    "show_ids": ("IDs", "编号"),
    "show_bytes": ("Bytes", "字节"),
    "list_label": (
        "Tokens; the arrow keys go from one to the next",
        "词元列表；用方向键逐个移动",
    ),
    "line_break": ("line break", "换行"),
    "blank": ("blank space", "空白"),
    "origin_user": ("your text", "用户文本"),
    "origin_assistant": ("earlier answer", "历史回答"),
    "origin_join": ("join", "连接符"),
    "origin_control": ("control token", "控制词元"),
    "origin_answer": ("new answer", "新的回答"),
    # Search and copy
    "search": ("Find", "查找"),
    "search_hint": ("Text, piece or id", "文本、词片或编号"),
    "found": ("{at} of {n}", "{at} / {n}"),
    "found_none": ("none", "没有"),
    "previous": ("Previous", "上一个"),
    "next": ("Next", "下一个"),
    "close": ("Close", "关闭"),
    "copy": ("Copy", "复制"),
    "copy_text": ("as text", "文本"),
    "copy_ids": ("as ids", "编号"),
    "copy_json": ("as JSON", "JSON"),
    "copied": ("Copied", "已复制"),
    # Findings
    "findings": ("Checks", "检查"),
    "error": ("Error", "错误"),
    "warning": ("Warning", "警告"),
    "note": ("Note", "说明"),
    "error_one": ("{n} error", "{n} 个错误"),
    "error_many": ("{n} errors", "{n} 个错误"),
    "warning_one": ("{n} warning", "{n} 个警告"),
    "warning_many": ("{n} warnings", "{n} 个警告"),
    "note_one": ("{n} note", "{n} 条说明"),
    "note_many": ("{n} notes", "{n} 条说明"),
    "repair": ("Repair", "修复"),
    # What changed since the last send
    "change": (
        "Since the last send: {reuse} of {n} tokens unchanged from the beginning · "
        "+{added} −{removed}",
        "与上次发送相比：{n} 个词元中，从头起 {reuse} 个未变 · +{added} −{removed}",
    ),
    "change_long": (
        "Since the last send, {reuse} of {n} tokens are unchanged from the beginning; +{added} "
        "−{removed}. More than these may be reused: the history is computed ahead while you read.",
        "与上次发送相比，{n} 个词元中从头起有 {reuse} 个没有变；+{added} −{removed}。"
        "实际复用的可能更多：你阅读时，历史会预先计算。",
    ),
    # What the prompt cost
    "work": (
        "Prompt: {reused} reused, {computed} computed · first token {first} s",
        "提示：复用 {reused} 个，计算 {computed} 个 · 首个词元 {first} 秒",
    ),
    "work_queue": ("{n} s in line", "排队 {n} 秒"),
    "show_change": ("Show changes", "显示变化"),
    "gone_title": (
        "{n} tokens that were here in the last prompt",
        "上一次提示中这里的 {n} 个词元",
    ),
    # Details of a token
    "card_label": ("Details of this token", "词元详情"),
    "token_label": ("Token {n}: {text}, {origin}", "词元 {n}：{text}，{origin}"),
    "tip_position": ("position", "位置"),
    "tip_id": ("id", "编号"),
    "tip_piece": ("piece", "词片"),
    "tip_bytes": ("bytes", "字节"),
    "tip_no_bytes": ("none", "无"),
    "tip_characters": ("characters", "字符"),
    "tip_origin": ("origin", "来源"),
    "tip_turn": ("turn {n}", "第 {n} 轮"),
    "tip_cost": ("costs", "占用"),
    "tip_share": ("{n} of {window} tokens ({share})", "{window} 词元中的 {n} 个（{share}）"),
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
    "tip_acts": (
        "{name} was written in a message and acts all the same, because raw mode lets it.",
        "{name} 是消息里写的，但原始模式让它起作用。",
    ),
    "tip_group": (
        "{n} tokens make up what you see as one character.",
        "你看到的这一个字符由 {n} 个词元组成。",
    ),
    # The glossary
    "glossary": ("What the special tokens mean", "特殊词元的含义"),
    "tip_unused_id": ("not in this vocabulary", "此词表中没有"),
    "pieces": ("{n} tokens", "{n} 个词元"),
}
