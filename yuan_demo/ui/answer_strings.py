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
    "an_in_others": ("see below", "见下行"),
}
