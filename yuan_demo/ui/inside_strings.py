"""The words for what is inside the model, in English and Chinese; see `panel_strings`."""

# key: (English, Chinese)
INSIDE: dict[str, tuple[str, str]] = {
    "in_title": ("Inside the model, at one token", "模型内部：看一个词元"),
    "in_none": (
        "Once there is an answer, you can look inside the model at any of its tokens.",
        "有了回答之后，可以在它的任一词元处查看模型内部。",
    ),
    "in_what": (
        "What each layer would have said, which tokens it looked at, and what Yuan2's filter mixed "
        "in.",
        "每一层会说什么、看了哪些词元，以及源2.0 的滤波器混入了什么。",
    ),
    "in_before": ("Token before", "上一个词元"),
    "in_after": ("Next token", "下一个词元"),
    "in_token": ("Token {n} of {all}", "第 {n} / {all} 个词元"),
    "in_moment": ("Moment", "时刻"),
    "in_chosen": ("As it was chosen", "它被选出时"),
    "in_read": ("As it was read", "它被读入时"),
    "in_chosen_title": (
        "The position before it, where the model decided for this token",
        "它前面的位置：模型在那里决定说这个词元",
    ),
    "in_read_title": (
        "The position of this token itself, where the model thinks of what comes next",
        "这个词元自己的位置：模型在这里考虑接下来说什么",
    ),
    "in_look": ("Look inside", "查看内部"),
    "in_look_title": (
        "One forward pass over everything up to this token. It gives way to answers.",
        "对到这个词元为止的全部内容做一次前向计算，会让正在生成的回答优先。",
    ),
    "in_stop": ("Stop", "停止"),
    "in_looking": ("Looking …", "正在查看……"),
    "in_layers_done": ("Layer {n} of {all} …", "第 {n} / {all} 层……"),
    "in_writing": ("After the answer that is being written.", "请等正在生成的回答结束。"),
    "in_lost": (
        "Its prompt is not kept here any more. Choose another answer, or press retry.",
        "它的提示已不在这里。请选择另一个回答，或点重试。",
    ),
    "in_live": (
        "Choosing another token looks there at once.",
        "选择另一个词元会立即在那里查看。",
    ),
    # By depth
    "in_lens": ("What it would have said at each depth", "每一深度上它会说什么"),
    "in_lens_what": (
        "The state behind every layer, read out as if it were the last one (“logit lens”), the "
        "embedding on top. Early layers do not speak the vocabulary yet: their words mean "
        "little.",
        "把每一层之后的状态当作最后一层直接读出（“logit lens”），最上面是嵌入。"
        "较早的层还不使用词表的“语言”，它们的词仅供参考。",
    ),
    "in_depth": ("Depth", "深度"),
    "in_best": ("Most likely", "最可能的词元"),
    "in_own": ("Chosen", "被选中的"),
    "in_entropy": ("Entropy", "熵"),
    "in_entropy_title": ("In nats: 0 is certain", "单位为奈特：0 表示确定"),
    "in_embedding": ("Embedding", "嵌入"),
    "in_layer": ("Layer {n}", "第 {n} 层"),
    "in_rank": ("rank {n}", "第 {n} 名"),
    "in_line": (
        "Probability of “{text}” by depth: from {first} to {last}.",
        "“{text}”的概率随深度变化：从 {first} 到 {last}。",
    ),
    "in_line_top": ("The first choice from {where} on.", "从{where}起一直是首选。"),
    "in_no_next": ("No token came behind this one.", "这个词元之后没有别的词元。"),
    # Attention
    "in_attention": ("What it looked at", "它看了什么"),
    "in_attention_what": (
        "Attention of this position over every token up to it; the weights add up to 100%. They "
        "say where it looked, not why. Much on the very first token is usual: heads with nothing "
        "to find rest there.",
        "此位置对之前（含自身）每个词元的注意力，权重合计 100%。它说明看向哪里，不说明原因。"
        "第一个词元得到很多权重很常见：无事可找的注意力头会停在那里。",
    ),
    "in_which_layer": ("Layer", "层"),
    "in_which_head": ("Head", "头"),
    "in_mean_layers": ("Mean of all layers", "所有层的平均"),
    "in_mean_heads": ("Mean of all heads", "所有头的平均"),
    "in_head": ("Head {n}", "第 {n} 个头"),
    "in_strongest": ("The strongest ten", "最强的十个"),
    "in_place": ("position {n}, {origin}", "位置 {n}，{origin}"),
    "in_place_of_turn": (
        "position {n}, {origin} of turn {turn}",
        "位置 {n}，第 {turn} 轮的{origin}",
    ),
    "in_all_tokens": ("All tokens", "全部词元"),
    "in_span": ("Tokens {from} to {to} of {all}", "第 {from} 到 {to} 个词元，共 {all} 个"),
    "in_earlier": ("Earlier tokens", "更早的词元"),
    "in_later": ("Later tokens", "更晚的词元"),
    # The filter
    "in_filter": ("What the filter mixed in", "滤波器混入了什么"),
    "in_filter_what": (
        "Before attention, Yuan2 mixes the two tokens before into each token's query and key "
        "input. 0% means no difference, 200% the opposite.",
        "在注意力之前，源2.0 会把前两个词元混入每个词元的查询和键的输入。"
        "0% 表示没有变化，200% 表示完全相反。",
    ),
    "in_changed": ("Changed in all", "总变化"),
    "in_changed_title": (
        "Against the same filter with silent convolutions",
        "与卷积不起作用的同一滤波器相比",
    ),
    "in_previous": ("By the token before", "上一个词元"),
    "in_previous_title": (
        "The difference that the token before makes: with it, against without it",
        "上一个词元带来的差别：有它与没有它相比",
    ),
    "in_second": ("By the one before that", "上上个词元"),
    "in_second_title": (
        "The difference that the token two places before makes",
        "前面第二个词元带来的差别",
    ),
    "in_filter_here": (
        "At “{text}” the filter changed the input by {all}.",
        "在“{text}”处，滤波器使输入变化了 {all}。",
    ),
    "in_filter_one": (
        "Without “{text}” before it, the result would differ by {n}.",
        "如果没有前面的“{text}”，结果会相差 {n}。",
    ),
    "in_filter_two": (
        "Without “{text}” two places before it, by {n}.",
        "如果没有再前面的“{text}”，相差 {n}。",
    ),
    "in_filter_layers": ("At this position, by layer", "在此位置，逐层"),
    "in_heat": ("Colour by", "着色依据"),
    "in_box": ("Token {n}: {text}, {value}", "词元 {n}：{text}，{value}"),
    "in_this": ("this position", "此位置"),
}
