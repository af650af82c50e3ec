"""The words of branches and of two answers side by side, in English and Chinese; see
`panel_strings`."""

# key: (English, Chinese)
BRANCHES: dict[str, tuple[str, str]] = {
    # A branch
    "br_go_title": (
        "Let the answer go on from here with this token, by its id",
        "从这里换成这个词元继续生成（按编号）",
    ),
    "br_tip": (
        "Press a token: the answer goes on from here with it, and this one is kept.",
        "点任一词元：回答从这里换成它继续，原来的会保留。",
    ),
    "br_ended": (
        "You ended it here: <eod> had a probability of {p}.",
        "由你在此结束：<eod> 的概率为 {p}。",
    ),
    "br_go_on": ("Go on from here", "从这里继续"),
    "br_name": ("{n}: “{is}” for “{was}”", "{n}：“{is}”替换“{was}”"),
    "br_root": ("as it was", "原来的回答"),
    "br_wait": (
        "An answer is being written. Stop it, or wait for its end.",
        "正在生成回答。请先停止，或等它结束。",
    ),
    # The tree
    "br_title": ("Branches", "分支"),
    "br_hint": (
        "Press a name to put that conversation up again; mark two to compare them.",
        "点名称即可换回那段对话；选中两个方框可并排比较。",
    ),
    "br_one_more": ("Mark one more to compare.", "再选一个即可比较。"),
    "br_turn": ("turn {n}", "第 {n} 轮"),
    "br_here": ("shown", "当前"),
    "br_here_title": ("This one stands in the chat", "聊天中就是这一个"),
    "br_put_up": ("Put this conversation up again", "换回这段对话"),
    "br_compare": ("Compare “{name}”", "比较“{name}”"),
    "br_rename": ("Rename", "重命名"),
    "br_rename_what": ("Rename “{name}”", "重命名“{name}”"),
    "br_clear": ("Forget all", "全部清除"),
    "br_clear_ask": ("Forget all branches ({n})?", "清除全部 {n} 个分支？"),
    "br_yes": ("Yes", "是"),
    "br_no": ("No", "否"),
    "br_drop": ("Forget this one", "清除这一个"),
    "br_drop_what": ("Forget “{name}”", "清除“{name}”"),
    "br_typed": (
        "Typed by you: no candidates are known here.",
        "由你输入：这里没有记录候选词元。",
    ),
    "br_pair_wait": (
        "One of them is still being written.",
        "其中一个还在生成。",
    ),
    "br_pair_gone": (
        "The tokens of one of them are no longer kept: the page keeps those of the last 64 "
        "answers, as far as two million characters hold them. Put it up and press retry.",
        "其中一个的词元数据已不再保留：页面只保留最近 64 个回答（最多约两百万字符）。"
        "请换回它并点重试。",
    ),
}

PAIR: dict[str, tuple[str, str]] = {
    "pr_parted": (
        "Dimmed: what both begin with. They part at token {n}.",
        "变淡的是相同的开头。两者从第 {n} 个词元起不同。",
    ),
    "pr_turn": ("Turn {turn}: {verdict}", "第 {turn} 轮：{verdict}"),
    "pr_turn_parted": ("they part at token {n}", "从第 {n} 个词元起不同"),
    "pr_turn_equal": ("token for token the same", "每个词元都相同"),
    "pr_turn_not_yet": ("no difference so far", "目前没有差别"),
    "pr_dimmed": ("Dimmed: what both begin with.", "变淡的是相同的开头。"),
    "pr_equal": ("Token for token the same.", "每个词元都相同。"),
    "pr_not_yet": ("No difference so far.", "目前没有差别。"),
    "pr_apart_title": (
        "Where {side} parts from the other: token {n}",
        "{side} 从这里开始与另一个不同：第 {n} 个词元",
    ),
    "pr_ends": ("Here it ends; the other goes on", "它到此结束，另一个还在继续"),
    "pr_tokens": ("Tokens", "词元数"),
    "pr_mean": ("Probability, on average", "平均概率"),
    "pr_mean_after": ("… from there on", "……从分歧处起"),
    "pr_eod": ("P(<eod>) where they part", "分歧处的 P(<eod>)"),
    "pr_eod_last": ("P(<eod>) at the last token", "最后一步的 P(<eod>)"),
    "pr_end": ("How it ended", "如何结束"),
    "pr_seed": ("Seed", "随机种子"),
    "pr_writing": ("being written", "生成中"),
    "pr_moved": ("Token {n}: how the model weighed it", "第 {n} 个词元：模型的权衡"),
    "pr_same_place": (
        "Prompt and beginning are the same, so the model saw the same chances.",
        "提示和开头相同，所以模型面对的概率分布相同。",
    ),
    "pr_other_place": (
        "The prompts differ, so the model saw other chances: compare the columns.",
        "提示不同，所以模型面对的概率分布不同：请比较两列。",
    ),
    "pr_chose": (
        "The token of {side} had {p}, rank {rank}.",
        "{side} 的词元概率为 {p}，第 {rank} 名。",
    ),
    "pr_ended": ("{side} has ended before.", "{side} 在此之前已结束。"),
    "pr_chosen_by": ("stands in {side}", "{side} 中是它"),
    "pr_not_named": ("not among the ten likeliest here", "不在这里最可能的十个之中"),
    "pr_arrow": (
        "Bars: the model alone. Behind the arrow: the chance after the sampling settings.",
        "条形：只看模型。箭头之后：经过采样设置后被抽中的概率。",
    ),
}

DUEL: dict[str, tuple[str, str]] = {
    "du_title": ("Let both answer", "让两者都回答"),
    "du_what": (
        "The same question under the chat's settings (A) and under changed ones (B). Nothing is "
        "written into the chat.",
        "同一个问题，用聊天的设置（A）和修改后的设置（B）各答一次。不会写入聊天。",
    ),
    "du_b": ("B is like A, but:", "B 与 A 相同，但："),
    "du_b_else": (
        "If you give nothing here, B has the format chosen above under “Compare with”.",
        "如果这里什么都不填，B 就使用上面“与它比较”中选择的格式。",
    ),
    "du_as_a": ("as A", "同 A"),
    "du_format": ("Format", "格式"),
    "du_greedy": ("Greedy", "贪心"),
    "du_temperature": ("Temperature", "温度"),
    "du_top_k": ("Top-k", "top-k"),
    "du_top_p": ("Top-p", "top-p"),
    "du_repetition_penalty": ("Repetition penalty", "重复惩罚"),
    "du_seed": ("Seed", "随机种子"),
    "du_on": ("on", "开"),
    "du_off": ("off", "关"),
    "du_dice": ("Another seed", "换一个种子"),
    "du_ask": ("Let both answer", "让两者都回答"),
    "du_stop": ("Stop", "停止"),
    "du_greedy_note": (
        "Note: the seed and the temperature act only where greedy is off.",
        "注意：只有关闭贪心时，随机种子和温度才起作用。",
    ),
    "du_question": ("Question: {question}", "问题：{question}"),
    "du_a_name": ("The chat's settings", "聊天的设置"),
    "du_b_name": ("With {changes}", "改动：{changes}"),
    "du_in_line": ("number {n} in line", "排队第 {n} 位"),
    "du_settings": (
        "temperature {temperature}, top-k {top_k}, top-p {top_p}, penalty {penalty}",
        "温度 {temperature}，top-k {top_k}，top-p {top_p}，惩罚 {penalty}",
    ),
    "du_settings_greedy": ("greedy, penalty {penalty}", "贪心，惩罚 {penalty}"),
}
