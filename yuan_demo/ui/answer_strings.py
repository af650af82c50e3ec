"""The words of the Answer tab, in English and Chinese; see `panel_strings`."""

# key: (English, Chinese)
ANSWER: dict[str, tuple[str, str]] = {
    # What the tab shows
    "an_none": (
        "Ask something: every token of the answer will stand here, with how sure the model was of "
        "it and what else it might have said.",
        "提一个问题：回答的每个词元都会显示在这里，包括模型对它有多大把握，以及还可能说什么。",
    ),
    "an_none_kept": (
        "These answers were not written while this page looked on, so nothing is known of their "
        "tokens. Ask something, or press retry.",
        "这些回答不是在本页面生成的，没有各词元的数据。请提一个问题，或点重试。",
    ),
    "an_what": (
        "How sure the model was of every token: the stronger the colour, the less sure.",
        "模型对每个词元有多大把握：颜色越深，把握越小。",
    ),
    "an_facts": (
        "{n} tokens · {p} on average (geometric mean)",
        "{n} 词元 · 平均 {p}（几何平均）",
    ),
    "an_which": ("Answer", "回答"),
    "an_turn": ("Turn {n}: {question}", "第 {n} 轮：{question}"),
    "an_measure": ("Colour by", "着色依据"),
    "an_probability": ("Probability", "概率"),
    "an_rank": ("Rank", "名次"),
    "an_entropy": ("Entropy", "熵"),
    "an_key_probability": ("certain|{p} or less", "确定|不超过 {p}"),
    "an_key_rank": ("first choice|rank {n} or more", "首选|第 {n} 名或更后"),
    "an_key_entropy": ("0 nats|{n} nats or more", "0 奈特|{n} 奈特以上"),
    "an_list": (
        "Tokens of the answer; the arrow keys go from one to the next",
        "回答的词元；用方向键逐个移动",
    ),
    "an_token": (
        "Token {n}: {text}, probability {p}, rank {rank}, entropy {entropy} nats",
        "词元 {n}：{text}，概率 {p}，第 {rank} 名，熵 {entropy} 奈特",
    ),
    # One token
    "an_step": ("Token {n} of {all}", "第 {n} / {all} 个词元"),
    "an_entropy_of": ("{n} nats", "{n} 奈特"),
    "an_eod": ("<eod> here", "此处 <eod>"),
    "an_candidate": ("Token", "词元"),
    "an_before": ("The model", "模型"),
    "an_before_title": (
        "Probability by the model alone, before any sampling setting",
        "只看模型的概率，采样设置之前",
    ),
    "an_after": ("After the settings", "采样设置之后"),
    "an_after_title": (
        "Chance to be drawn, after penalty, temperature, top-k and top-p",
        "经过重复惩罚、温度、top-k、top-p 之后被抽中的概率",
    ),
    "an_chosen": ("chosen", "被选中"),
    "an_cut": ("cut", "排除"),
    "an_others": ("all others", "其余全部"),
    # The prompt
    "an_rate": ("Rate the prompt, too", "也给提示打分"),
    "an_rate_title": (
        "How likely the model finds every token that it was given, read in one pass. It waits "
        "until no answer is being written.",
        "模型认为收到的每个词元有多大可能，一次前向即可得到。会排在正在生成的回答之后。",
    ),
    "an_rating": ("Reading the prompt …", "正在读取提示……"),
    "an_stop_rating": ("Stop", "停止"),
    "an_prompt_of": ("Turn {n}: its whole prompt", "第 {n} 轮：完整提示"),
    "an_what_prompt": (
        "How well the model could have foretold every token of the prompt: the stronger the "
        "colour, the more it surprised.",
        "模型对提示中的每个词元能预料到几分：颜色越深，越出乎意料。",
    ),
    "an_first": (
        "Nothing stands before the first token, so nothing foretells it.",
        "第一个词元之前什么都没有，无从预测。",
    ),
    # Any string
    "an_ask_label": ("Here instead:", "这里换成："),
    "an_ask_hint": ("any text, or <eod>", "任意文本，或 <eod>"),
    "an_ask": ("How likely?", "概率是多少？"),
    "an_asking": ("Asking the model …", "正在询问模型……"),
    "an_asked_token": ("{p}, rank {rank}", "{p}，第 {rank} 名"),
    "an_asked_log": ("log {n}", "对数 {n}"),
    # The sampler
    "an_sampler": ("The sampler at this token, step by step", "这个词元的采样过程，逐步展开"),
    "an_sampler_what": (
        "Move the settings: the model is not asked again, only the choice is made anew.",
        "调整设置即可：不会重新运行模型，只是重新选择。",
    ),
    "an_knob_temperature": ("Temperature", "温度"),
    "an_knob_top_k": ("Top-k (0: all)", "Top-k（0 为全部）"),
    "an_knob_top_p": ("Top-p", "Top-p"),
    "an_knob_repetition_penalty": ("Repetition penalty", "重复惩罚"),
    "an_knob_greedy": ("Greedy", "贪心"),
    "an_knob_seed": ("Seed", "随机种子"),
    "an_left": ("tokens left", "剩余词元数"),
    "an_step_raw": ("Model", "模型"),
    "an_step_penalty": ("Penalty", "惩罚"),
    "an_step_temperature": ("Temp.", "温度"),
    "an_step_top_k": ("Top-k", "Top-k"),
    "an_step_top_p": ("Top-p", "Top-p"),
    "an_greedy_picks": ("Greedy takes the most likely:", "贪心取概率最高的："),
    "an_draw_picks": (
        "The random number {x} (line) falls on the stretch of",
        "随机数 {x}（竖线）落在这一段：",
    ),
    "an_as_answered": ("— as in the answer.", "——与回答相同。"),
    "an_unlike_answered": (
        "— the answer has another token here.",
        "——回答中这里是另一个词元。",
    ),
    # How it ended
    "an_why_running": ("It is still being written.", "正在生成。"),
    "an_why_stop": (
        "It ended by itself: the model wrote <eod>, for which it saw a chance of {p}.",
        "自行结束：模型写出了 <eod>，它给出的概率为 {p}。",
    ),
    "an_why_length": (
        "It was cut off at the longest answer, {n} tokens. At the last one <eod> had {p}. Raise "
        "“Longest answer” in the sampling settings to let it go on.",
        "达到最长回答长度 {n} 个词元而被截断，最后一步 <eod> 的概率为 {p}。"
        "想让它继续，请在采样设置中增大回答长度。",
    ),
    "an_why_context": (
        "It was cut off because the context window is full. Start a new chat or choose a larger "
        "window in the prompt settings.",
        "上下文窗口已满，回答被截断。请开始新对话，或在提示设置中选择更大的窗口。",
    ),
    "an_why_cancelled": (
        "It was stopped by hand. At the last token <eod> had {p}.",
        "由用户停止。最后一步 <eod> 的概率为 {p}。",
    ),
    "an_why_deadline": (
        "It took longer than an answer may take here, and was ended.",
        "超过了这里允许的最长时间，已被结束。",
    ),
    "an_why_shutdown": ("The server was being stopped.", "服务器正在关闭。"),
    "an_why_loop": (
        "It repeated itself and was stopped, as the sampling settings ask for. <eod> had {p}.",
        "回答陷入重复，按采样设置停止。当时 <eod> 的概率为 {p}。",
    ),
    "an_line_name": (
        "Probability of <eod>, the end, at every step",
        "每一步 <eod>（结束）的概率",
    ),
    "an_line_scale": (
        "bottom 0.0001 %, top 100 %, powers of ten",
        "底部 0.0001 %，顶部 100 %，对数刻度",
    ),
    "an_line": ("Probability of <eod> at each of {n} steps.", "{n} 步中每一步 <eod> 的概率。"),
    "an_line_most": (
        "Before the end it was highest at token {n}: {p}.",
        "结束之前，最高出现在第 {n} 个词元：{p}。",
    ),
    "an_loop": ("It goes in circles.", "陷入重复。"),
    "an_loop_where": (
        "From token {n} on it says again what it said: {size} tokens, {times} times in a row.",
        "从第 {n} 个词元起重复前文：{size} 个词元，连续 {times} 次。",
    ),
    "an_loop_try": (
        "Try a repetition penalty of 1.1 to 1.3, another seed, or a higher temperature.",
        "可以试试 1.1 到 1.3 的重复惩罚、换一个随机种子，或提高温度。",
    ),
    "an_loop_try_penalty": (
        "A repetition penalty of {n} rewards what was said before: set it to 1 or more.",
        "{n} 的重复惩罚会鼓励重复：请设为 1 或更大。",
    ),
    "an_loop_try_greedy": (
        "Try a repetition penalty of 1.1 to 1.3, or switch greedy off: the most likely token leads "
        "back here every time.",
        "可以试试 1.1 到 1.3 的重复惩罚，或关闭贪心：总取概率最高的词元会一直绕回这里。",
    ),
    "an_loop_show": ("Show token {n}", "查看第 {n} 个词元"),
    "an_in_others": ("below", "见下行"),
}
