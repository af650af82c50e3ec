"""What the linter says, in English and Chinese: for each code what is there and why it matters."""

# code: (English, Chinese)
FINDINGS: dict[str, tuple[str, str]] = {
    "no_sep": (
        "The prompt does not end in <sep>, the sign that the question is over and an answer is "
        "wanted. The model will often write more of the question instead.",
        "提示末尾没有 <sep>，它表示问题结束、该回答了。没有它，模型往往会接着续写问题。",
    ),
    "broken_control": (
        "The tokenizer was loaded without its added tokens, so {names} is ordinary text here: "
        "{pieces} instead of one token (places: {count}). The model does not recognise it.",
        "加载分词器时漏掉了附加词元，{names} 在这里只是普通文字：被拆成 {pieces}，"
        "而不是一个词元（共 {count} 处）。模型认不出它。",
    ),
    "added_bos_eos": (
        "The tokenizer's default flags added {names} to the prompt. Yuan2 was not trained with "
        "them, and </s> at the end hides that an answer is wanted.",
        "分词器的默认参数在提示里加了 {names}。源2.0 训练时没有它们，"
        "末尾的 </s> 还会盖住“请回答”的信号。",
    ),
    "acting_control": (
        "Raw mode: {names} in a message acts as a control token. {name} is id {as_control} here, "
        "as text it would be {as_text}; a typed <sep> ends the question where it stands.",
        "原始模式：消息中的 {names} 作为控制词元起作用。这里 {name} 的编号是 {as_control}，"
        "作为文本则是 {as_text}；输入的 <sep> 会让问题就地结束。",
    ),
    "typed_control": (
        "A message holds {names}, sent as text that controls nothing. {name} is {as_text} here; "
        "in raw mode it would be one control token, id {as_control}.",
        "消息中有 {names}，按文本发送，不起控制作用。这里 {name} 的编号是 {as_text}；"
        "在原始模式下它是一个控制词元，编号 {as_control}。",
    ),
    "typed_join": (
        "A message holds <n> (places: {count}), the same characters that join the turns. The model "
        "cannot tell it from the end of a message.",
        "消息中有 <n>（共 {count} 处），与轮次之间的连接符完全相同。模型无法区分它和消息的结尾。",
    ),
    "greeting_turn": (
        "The conversation begins with an answer, “{text}”: a greeting of the page, sent as a turn. "
        "It costs {tokens} tokens, and the model takes it for the first question.",
        "对话以一条回答开头：“{text}”，页面的问候语被当作一轮发送了。"
        "它占用 {tokens} 个词元，模型会把它当成第一个问题。",
    ),
    "trailing_space": (
        "The message ends in white space (characters: {count}). It becomes a token of its own "
        "before the answer, where training data seldom has one.",
        "消息末尾有空白（{count} 个字符）。它会在回答之前变成单独的词元，训练数据里很少这样。",
    ),
    "invisible_characters": (
        "There are characters that nobody can see: {names} (places: {count}). They came with "
        "copied text; the model reads them all the same.",
        "有看不见的字符：{names}（共 {count} 处）。它们随复制的文本而来，人看不到，模型却会读到。",
    ),
    "format_changes_text": (
        "The format changes what was said: “{before}” is sent as “{after}” (messages changed: "
        "{count}). The model answers the changed text.",
        "这种格式改动了原话：“{before}” 发送成 “{after}”（共改动 {count} 条消息）。"
        "模型回答的是改动后的文本。",
    ),
    "repeated_answer": (
        "Turn {turn} has the same answer as turn {first}: “{text}” (turns that repeat: {count}). "
        "What stands twice in a prompt is likely to be said a third time.",
        "第 {turn} 轮的回答与第 {first} 轮相同：“{text}”（重复的共 {count} 轮）。"
        "提示里出现两次的话，模型很可能再说第三次。",
    ),
    "repeated_text": (
        "“{text}” stands {times} times in a row. The model tends to go on with a repetition that "
        "has begun.",
        "“{text}” 连续出现了 {times} 次。一旦开始重复，模型往往会继续下去。",
    ),
    "cut_inside": (
        "The cut took the first {tokens} tokens of turn {turn}, so the prompt begins in the middle "
        "of it. The model reads a torn sentence, and perhaps an answer without its question.",
        "截断去掉了第 {turn} 轮开头的 {tokens} 个词元，提示从这一轮中间开始。"
        "模型读到的是残缺的句子，甚至是没有问题的回答。",
    ),
    "short_answer_room": (
        "Only {tokens} tokens are left for the answer, {asked} were asked for. It will stop in the "
        "middle of a sentence.",
        "只给回答留下 {tokens} 个词元，而设置要求 {asked} 个。回答会在句子中间停下。",
    ),
    "history_unwritten": (
        "This format sends the newest question only (earlier turns left out: {count}). The model "
        "knows nothing of what was said before.",
        "这种格式只发送最新的问题（未发送的历史：{count} 轮）。模型不知道之前说过什么。",
    ),
    "unanswered_question": (
        "An earlier question has no answer but is sent (turns: {turns}; {count} in all). The model "
        "may answer it now, or take the next message for its answer.",
        "有较早的问题没有回答，却仍会发送（第 {turns} 轮，共 {count} 轮）。"
        "模型可能现在去回答它，或者把下一条消息当成它的回答。",
    ),
    "byte_characters": (
        "The vocabulary has these characters only as bytes: {characters} ({count} of them, in "
        "{tokens} tokens). They cost more, and the model knows them less well.",
        "词表里没有这些字符，只能按字节表示：{characters}（共 {count} 个，用了 {tokens} 个词元）。"
        "它们更费词元，模型对它们也更生疏。",
    ),
    "join_merged": (
        "A single piece, {piece}, covers the end of one part and the beginning of the next "
        "(places: {count}). That is how Yuan2's tokenizer works, and why messages cannot be "
        "encoded one by one.",
        "词片 {piece} 同时包含前一部分的结尾和后一部分的开头（共 {count} 处）。"
        "源2.0 的分词器就是这样工作的，所以不能逐条消息单独编码。",
    ),
}

# code: (English, Chinese); the words on the button of a repair
REPAIRS: dict[str, tuple[str, str]] = {
    "no_sep": ("Add <sep>", "加上 <sep>"),
    "broken_control": ("Load the tokenizer correctly", "正确加载分词器"),
    "added_bos_eos": ("Load the tokenizer correctly", "正确加载分词器"),
    "acting_control": ("Send it as text", "按文本发送"),
    "typed_join": ("Make it a line break", "换成换行"),
    "greeting_turn": ("Leave the greeting out", "去掉问候语"),
    "trailing_space": ("Remove the white space", "删除末尾空白"),
    "invisible_characters": ("Remove them", "删除这些字符"),
    "format_changes_text": ("Use the <n> format", "改用 <n> 连接格式"),
    "repeated_answer": ("Leave the repeated turn out", "去掉重复的轮次"),
    "repeated_text": ("Keep it once", "只保留一次"),
    "cut_inside": ("Drop whole turns instead", "改为整轮丢弃"),
    "short_answer_room": ("Drop the oldest turns instead", "改为丢弃最早的轮次"),
    "history_unwritten": ("Use the <n> format", "改用 <n> 连接格式"),
    "unanswered_question": ("Leave it out", "去掉这个问题"),
}
