"""The words of the Why tab, in English and Chinese; see `panel_strings`."""

# key: (English, Chinese)
WHY: dict[str, tuple[str, str]] = {
    # The stretch
    "wy_none": (
        "Ask something: then you can find out here which turn of the conversation made the model "
        "answer so.",
        "提一个问题：之后可以在这里找出，是对话中的哪一轮让模型这样回答。",
    ),
    "wy_none_kept": (
        "These answers were not written while this page looked on, so nothing is known of their "
        "tokens. Ask something, or press retry.",
        "这些回答不是在本页面生成的，没有各词元的数据。请提一个问题，或点重试。",
    ),
    "wy_what": (
        "Which part of the conversation made the model say it? Select a stretch of the answer.",
        "是对话的哪一部分让模型这样说？请选中回答中的一段。",
    ),
    "wy_how": (
        "Drag, or tap the first and the last token; Shift and the arrow keys work too.",
        "拖动选择，或依次点按首尾词元；也可用 Shift 加方向键。",
    ),
    "wy_which": ("Answer", "回答"),
    "wy_turn_of": ("Turn {n}: {question}", "第 {n} 轮：{question}"),
    "wy_list": (
        "Tokens of the answer; the arrow keys move, with Shift they select a stretch",
        "回答的词元；方向键移动，加 Shift 选择一段",
    ),
    "wy_token": ("Token {n}: {text}, probability {p}", "词元 {n}：{text}，概率 {p}"),
    "wy_blank": ("blank", "空白"),
    "wy_all": ("Whole answer", "整个回答"),
    "wy_least": ("Least likely word", "把握最小的词"),
    "wy_chosen": ("{n} of {all} tokens, together {p}", "已选 {n} / {all} 个词元，合计 {p}"),
    "wy_mean": ("{p} a token", "平均每词元 {p}"),
    # Against another token
    "wy_against": ("Why not", "为什么不是"),
    "wy_against_none": ("– (why this at all)", "——（只问为什么这样说）"),
    "wy_against_own": ("another, typed …", "另外输入……"),
    "wy_against_one": ("select one token to compare it with another", "选中单个词元才能比较"),
    "wy_against_typed": ("A string; its first token counts", "一段文字，以首个词元为准"),
    # Asking
    "wy_find": ("Find the cause", "查找原因"),
    "wy_stop": ("Stop", "停止"),
    "wy_running": (
        "The answer is still being written.",
        "回答还在生成。",
    ),
    "wy_passes": ("{n} of {all} passes", "{n} / {all} 次前向计算"),
    "wy_passes_title": (
        "A pass: the model reads the conversation once, with a part left out",
        "一次前向计算：模型在缺少某一部分的情况下读一遍对话",
    ),
    "wy_waiting": ("Measuring; chats come first …", "正在测量，聊天优先……"),
    "wy_stopped": ("Stopped; what was measured stands below.", "已停止，下面是已测得的结果。"),
    "wy_more": ("Allow {n} more passes", "再允许 {n} 次前向计算"),
    "wy_spent": (
        "All {n} passes of this question are used.",
        "这个问题的 {n} 次前向计算已用完。",
    ),
    "wy_by": ("Find it by", "方法"),
    "wy_measured": ("Leaving out", "移除测量"),
    "wy_gradient": ("Gradient × input", "梯度 × 输入"),
    "wy_measured_what": (
        "The same prompt without this part, read again: how much less likely the stretch is. Click "
        "a part to look into it.",
        "去掉这一部分再读一遍提示：这段话的概率降低多少。点击任意部分可继续细看。",
    ),
    "wy_gradient_what": (
        "A fast estimate from one forward and one backward pass. It says little where the model "
        "was certain; then trust the measurement.",
        "只用一次前向和一次反向计算的快速估计。模型非常确定时它说明不了什么，应以测量为准。",
    ),
    # The tree
    "wy_part_turn": ("Turn\u00a0{n}", "第\u00a0{n}\u00a0轮"),
    "wy_part_now": (
        "Turn\u00a0{n}, the question answered",
        "第\u00a0{n}\u00a0轮，所回答的问题",
    ),
    "wy_name_now": (
        "The question itself (turn\u00a0{n})",
        "问题本身（第\u00a0{n}\u00a0轮）",
    ),
    "wy_role_user": ("Question", "提问"),
    "wy_role_assistant": ("Answer", "回答"),
    "wy_part_answer": ("The answer so far", "回答的前文"),
    "wy_part_together": ("{n} together", "{n} 个合在一起"),
    "wy_tree": ("Parts of the prompt and their share", "提示的各部分及其占比"),
    "wy_share": ("share of the effect", "占总影响"),
    "wy_strongest": ("strongest", "最强"),
    "wy_effect": ("{n} nats: {p} → {q} without it", "{n} 奈特：去掉后 {p} → {q}"),
    "wy_effect_odds": (
        "{n} nats: odds {p} → {q} without it",
        "{n} 奈特：去掉后优势比 {p} → {q}",
    ),
    "wy_no_effect": ("no difference without it", "去掉后没有差别"),
    "wy_slope": ("{n} nats", "{n} 奈特"),
    "wy_speaks_against": ("speaks against it", "起反作用"),
    "wy_speaks_for": ("for {text}", "支持 {text}"),
    "wy_unmeasured": ("not measured", "未测量"),
    "wy_stand_in": (
        "None of these alone is missed as much as all of them: what one says, another says again.",
        "单独去掉其中任何一个，影响都远不如全部去掉：它们互相重复，可以彼此替代。",
    ),
    "wy_grouped": (
        "More parts than passes: they were left out in groups, and the groups with an effect were "
        "cut into halves again and again.",
        "部分多于可用次数：先成组移除，再把有影响的组不断对半细分。",
    ),
    # In one line
    "wy_line": (
        "{part} made it say “{text}”: without it the probability falls from {p} to {q}.",
        "{part}让模型说出“{text}”：去掉它，概率从 {p} 降到 {q}。",
    ),
    "wy_line_mean": (
        "{part} made it say “{text}”: without it the probability of a token falls from {p} to {q} "
        "on average.",
        "{part}让模型说出“{text}”：去掉它，每个词元的平均概率从 {p} 降到 {q}。",
    ),
    "wy_line_against": (
        "{part} made it say “{text}” and not “{other}”: without it the odds go from {p} to {q}.",
        "{part}让模型说“{text}”而不是“{other}”：去掉它，优势比从 {p} 变为 {q}。",
    ),
    "wy_line_earlier": ("Of the earlier turns:", "在之前的各轮中："),
    "wy_line_none": (
        "No turn made it say “{text}”: without any one of them it is nearly as likely.",
        "没有哪一轮起决定作用：去掉任何一轮，“{text}”的概率几乎不变。",
    ),
    "wy_line_none_against": (
        "No turn decided between “{text}” and “{other}”: without any one of them the odds are "
        "nearly the same.",
        "没有哪一轮决定了是“{text}”还是“{other}”：去掉任何一轮，优势比几乎不变。",
    ),
    "wy_line_so_far": (
        "What was said of the answer before it may have: open it below.",
        "也许是回答的前文所致：请在下面展开查看。",
    ),
    "wy_line_gradient": (
        "{part} has the largest share by its gradient.",
        "按梯度看，{part}占比最大。",
    ),
    "wy_line_gradient_none": (
        "By their gradients, all turns speak against it.",
        "按梯度看，各轮都起反作用。",
    ),
    "wy_heat": (
        "The prompt’s tokens: orange speaks for it, blue and underlined against it",
        "提示的词元：橙色为支持，蓝色加下划线为反对",
    ),
    "wy_heat_token": ("{n} nats", "{n} 奈特"),
}
