"""The words of Gradio's own components, in English and Chinese."""

# key: (English, Chinese)
LABELS: dict[str, tuple[str, str]] = {
    "message_placeholder": (
        "Type a message: the panel shows its tokens as you type",
        "输入消息：面板会随输入实时显示词元",
    ),
    "message_label": ("Message", "消息"),
    "chatbot_label": ("Conversation", "对话"),
    "settings": ("Sampling settings", "采样设置"),
    "prompt_settings": ("Prompt settings", "提示设置"),
    "tab_prompt": ("Prompt", "提示"),
    "tab_answer": ("Answer", "回答"),
    "tab_why": ("Why", "为什么"),
    "tab_formats": ("Formats", "格式"),
    "tab_lessons": ("Lessons", "课程"),
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
    "stop_at_loop": ("Stop an answer that repeats itself", "回答陷入重复时停止"),
    "stop_at_loop_info": (
        "When the same tokens come four times in a row, 24 tokens or more",
        "同一段词元连续出现四次（至少 24 个词元）时停止",
    ),
    "format": ("The chat uses", "聊天使用的格式"),
    "format_info": (
        "How turns are written for the model",
        "各轮对话以什么形式写给模型",
    ),
    "format_n_join": ("<n> join · camp baseline", "<n> 连接 · 训练营基线"),
    "format_newline": ("line break · pre-training data", "换行 · 官方预训练数据"),
    "format_sep": ("<sep> between turns · FastChat", "<sep> 分隔 · FastChat"),
    "format_llama_factory": ("<sep> … <eod> · LLaMA-Factory", "<sep> … <eod> · LLaMA-Factory"),
    "format_roles": ("User: / Assistant: roles", "User: / Assistant: 角色"),
    "format_last_question": ("last question only · ms-swift", "只有最后一个问题 · ms-swift"),
    "format_fastchat_yuan2": (
        "<n>, strips a final n · FastChat yuan2",
        "<n>，会删掉结尾的 n · FastChat yuan2",
    ),
    "format_yuanchat": ("<n>, adds punctuation · YuanChat", "<n>，会补标点 · YuanChat"),
    "format_custom": ("your own", "自定义"),
    "turn_template": ("Template of an earlier turn", "历史轮次的模板"),
    "turn_template_info": (
        "With {user} and {assistant}; \\n is a line break; empty leaves the history out",
        "包含 {user} 和 {assistant}；\\n 表示换行；留空则不写历史",
    ),
    "question_template": ("Template of the newest question", "最新问题的模板"),
    "question_template_info": (
        "With {user}; what follows it is where the model goes on",
        "包含 {user}；其后就是模型接着写的地方",
    ),
    "raw": ("Raw: control tokens that are typed act", "原始模式：输入的控制词元生效"),
    "raw_info": (
        "Off (safe): a typed <sep> is ordinary text and cannot end the question",
        "关闭（安全）：输入的 <sep> 只是普通文字，不会截断问题",
    ),
    "loading": ("How the tokenizer is loaded", "分词器的加载方式"),
    "loading_info": (
        "Shows what a forgotten step does; the chat really uses it",
        "演示漏掉一步的后果；聊天会真的这样发送",
    ),
    "loading_exact": ("correctly", "正确"),
    "loading_no_flags": (
        "add_bos_token, add_eos_token, eos_token forgotten",
        "漏了 add_bos_token、add_eos_token、eos_token",
    ),
    "loading_no_added_tokens": ("added tokens forgotten", "漏了添加特殊词元"),
    "loading_plain": (
        "both forgotten: from_pretrained and nothing else",
        "都漏了：只有 from_pretrained",
    ),
    "policy": ("When the window is full", "窗口满了怎么办"),
    "policy_info": (
        "Pinned turns stay where turns are dropped",
        "丢弃轮次时，固定的轮次会保留",
    ),
    "policy_drop_oldest": ("drop the oldest turns", "丢弃最早的轮次"),
    "policy_keep_first": ("keep the first turn and the newest", "保留第一轮和最新的轮次"),
    "policy_shrink_answer": ("shrink the answer first", "先缩短回答"),
    "policy_left_cut": ("cut off the beginning, at a token", "从左侧按词元硬截断"),
    "policy_stop": ("stop and say why (the baseline)", "停止并说明原因（基线）"),
    "window": ("Context window (tokens)", "上下文窗口（词元）"),
    "window_info": (
        "Prompt and answer share it; at most what the model has",
        "提示和回答共用；最多为模型的上限",
    ),
    "compare_with": ("Compare with", "与它比较"),
    "compare_with_info": ("Side by side below", "在下方并排显示"),
    "reference": ("Reference answer (optional)", "参考回答（可选）"),
    "reference_info": (
        "How likely is it under each format? Empty takes the chat's last answer, unless you are "
        "typing a new question",
        "在每种格式下它的概率有多大？留空则取聊天的最后一个回答（正在输入新问题时除外）",
    ),
    "compare": ("Compare: ask the model", "比较：询问模型"),
}

PARTS: dict[str, tuple[str, str]] = {
    "copy_link": ("Copy link", "复制链接"),
    "link_copied": ("Link copied", "链接已复制"),
    "link_private": (
        "It restores the conversation, the draft and all settings. They stand behind the # of the "
        "address, which is never sent to a server.",
        "它能还原对话、草稿和全部设置。内容都在网址的 # 之后，不会发送到任何服务器。",
    ),
    "link_too_long": ("Too long for a link", "内容太长，无法生成链接"),
    "link_limit": (
        "A link must have at most {limit} characters, as many programs cut longer ones, but this "
        "one has {n}. Undo or clear some turns, or shorten the draft.",
        "链接最多 {limit} 个字符（更长的会被许多程序截断），现在有 {n} 个。"
        "请撤销或清除几轮对话，或缩短草稿。",
    ),
    "left_out": ("not sent", "未发送"),
    "end_only": ("only its end is sent", "只发送了结尾"),
    "send": ("Send", "发送"),
    "stop": ("Stop", "停止"),
    "choose_policy": ("Choose what happens when it is full", "选择窗口满了怎么办"),
    "same_tokens": ("… {n} same tokens …", "…… {n} 个相同词元 ……"),
    "same_prompt": (
        "Both formats give the same tokens here.",
        "这里两种格式得到的词元完全相同。",
    ),
    "differ_in": (
        "{removed} tokens stand only in the first, {added} only in the second (framed).",
        "{removed} 个词元只在第一种中，{added} 个只在第二种中（加框）。",
    ),
    "dropped_turns": ("turns left out: {turns}", "未发送的轮次：{turns}"),
    "next_token": ("Next token", "下一个词元"),
    "ask_first": ("Press “Compare” to ask the model.", "按“比较”询问模型。"),
    "reference_likelihood": ("Reference answer", "参考回答"),
    "no_reference": ("No reference answer is given.", "没有给出参考回答。"),
    "mean_logprob": (
        "log-likelihood per token {n} ({p} % on average)",
        "每词元对数似然 {n}（平均 {p} %）",
    ),
    "likelier": ("likelier here", "在这里更可能"),
}
"""Words of the parts that the page draws itself, beside those of `panel_strings`."""
