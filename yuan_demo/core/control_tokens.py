"""The symbols of Yuan2 that look special: which of them really are, and what each is for.

A tokenizer cuts a text at the names in `CUT_TOKENS` and gives each of them one id. `<n>` and `</s>`
only look alike: in text they are ordinary characters and become several pieces.

What each was trained for is told as far as it could be read: the documentation on preparing data
in the vendor's repository explains `<sep>` and `<n>`, its preprocessing code `<eod>`, the Llama
vocabulary that Yuan2 extends `<s>`, `</s>` and `<unk>`. The rest is known by name only, and their
texts say so.
"""

import re
from dataclasses import dataclass

ADDED_TOKENS = (
    "<sep>",
    "<pad>",
    "<mask>",
    "<predict>",
    "<FIM_SUFFIX>",
    "<FIM_PREFIX>",
    "<FIM_MIDDLE>",
    "<commit_before>",
    "<commit_msg>",
    "<commit_after>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<empty_output>",
)
"""The tokens that Yuan2 registers beside its SentencePiece model. The order is part of the
vocabulary: those that the model file lacks get the ids behind it in this order."""

EOD_TOKEN = "<eod>"
BOS_TOKEN = "<s>"
UNK_TOKEN = "<unk>"
PAD_TOKEN = "<pad>"

CUT_TOKENS = (*ADDED_TOKENS, EOD_TOKEN, BOS_TOKEN, UNK_TOKEN)
"""Text is cut at these, each is one token."""

SPLIT_TOKENS = ("<n>", "</s>")
"""These look special and are in the vocabulary, but in text they are split into pieces."""


@dataclass(frozen=True, slots=True)
class ControlToken:
    """One symbol and what a learner may want to know about it.

    Attributes:
        name: as it is typed.
        cut: True if it is one token, False if it is split into ordinary pieces.
        meaning_en: what it is and what it was trained for, in plain English.
        meaning_zh: the same in Chinese.
        documented: whether the vendor's documentation or code that was read says what it is for.
    """

    name: str
    cut: bool
    meaning_en: str
    meaning_zh: str
    documented: bool


@dataclass(frozen=True, slots=True)
class ControlSpan:
    """A control token typed in a text: `text[start:end] == token.name`."""

    token: ControlToken
    start: int
    end: int


def controls_in(text: str) -> tuple[ControlSpan, ...]:
    """Finds the symbols typed in `text`, those that are split included, in order."""
    return tuple(
        ControlSpan(CONTROL_TOKENS[match[0]], match.start(), match.end())
        for match in _ANY_CONTROL.finditer(text)
    )


_NOT_DOCUMENTED_EN = "Not documented for Yuan2."
_NOT_DOCUMENTED_ZH = "Yuan2 官方未说明。"


def _documented(name: str, meaning_en: str, meaning_zh: str) -> ControlToken:
    return ControlToken(name, name in CUT_TOKENS, meaning_en, meaning_zh, documented=True)


def _known_by_name(name: str, meaning_en: str, meaning_zh: str) -> ControlToken:
    """A symbol that nothing read about Yuan2 explains: its text ends by saying so."""
    return ControlToken(
        name,
        name in CUT_TOKENS,
        f"{meaning_en} {_NOT_DOCUMENTED_EN}",
        f"{meaning_zh}{_NOT_DOCUMENTED_ZH}",
        documented=False,
    )


_RECORDS = (
    _documented(
        "<eod>",
        "End of document. The model writes it when its answer is complete, and that stops the "
        "answer; in training it ended every document.",
        "文档结束符（end of document）。模型写出它表示回答完毕，生成随即停止；"
        "训练时每篇文档都以它结尾。",
    ),
    _documented(
        "<sep>",
        "Separator between question and answer. Put once after the last question, it tells the "
        "model to answer; fine-tuning data has it between instruction and response.",
        "问题与回答之间的分隔符。放在最后一个问题之后，表示“请回答”；微调数据用它隔开指令与回复。",
    ),
    _known_by_name(
        "<pad>",
        "Padding. Programs fill short rows of a batch with it to equal length, and the model is "
        "told to ignore those places. It does not belong in a prompt.",
        "填充符。批处理时用它把较短的行补齐，模型会忽略这些位置；提示词里不需要它。",
    ),
    _known_by_name(
        "<mask>",
        "By its name a blank to be filled in, as models of the BERT family are trained with. "
        "A chat does not use it.",
        "从名字看是待填的空位，BERT 一类模型这样训练；对话中用不到。",
    ),
    _known_by_name(
        "<predict>",
        "By its name a place where the model is to predict something. A chat does not use it.",
        "从名字看是让模型在此处预测内容的标记；对话中用不到。",
    ),
    _known_by_name(
        "<FIM_SUFFIX>",
        "Fill in the middle, a way to complete code inside a file. By its name it begins the text "
        "after the gap.",
        "“中间填空”（fill in the middle，用于补全文件中间的代码）的标记；从名字看，"
        "其后是空缺之后的内容。",
    ),
    _known_by_name(
        "<FIM_PREFIX>",
        "Fill in the middle, a way to complete code inside a file. By its name it begins the text "
        "before the gap.",
        "“中间填空”（fill in the middle，用于补全文件中间的代码）的标记；从名字看，"
        "其后是空缺之前的内容。",
    ),
    _known_by_name(
        "<FIM_MIDDLE>",
        "Fill in the middle, a way to complete code inside a file. By its name the missing part "
        "follows it: here the model would start to write.",
        "“中间填空”（fill in the middle，用于补全文件中间的代码）的标记；从名字看，"
        "其后是缺失的部分，模型从这里开始写。",
    ),
    _known_by_name(
        "<commit_before>",
        "By its name it begins the code before a Git commit; StarCoder's code data uses such "
        "marks.",
        "从名字看，其后是一次 Git 提交之前的代码；StarCoder 的代码数据有同类标记。",
    ),
    _known_by_name(
        "<commit_msg>",
        "By its name it begins the message of a Git commit; StarCoder's code data uses such marks.",
        "从名字看，其后是一次 Git 提交的说明；StarCoder 的代码数据有同类标记。",
    ),
    _known_by_name(
        "<commit_after>",
        "By its name it begins the code after a Git commit; StarCoder's code data uses such marks.",
        "从名字看，其后是一次 Git 提交之后的代码；StarCoder 的代码数据有同类标记。",
    ),
    _known_by_name(
        "<jupyter_start>",
        "By its name it begins a Jupyter notebook; StarCoder's code data uses such marks.",
        "从名字看，表示一个 Jupyter 笔记本的开头；StarCoder 的代码数据有同类标记。",
    ),
    _known_by_name(
        "<jupyter_text>",
        "By its name it begins a text cell of a Jupyter notebook; StarCoder's code data uses such "
        "marks.",
        "从名字看，其后是 Jupyter 笔记本的一个文字单元；StarCoder 的代码数据有同类标记。",
    ),
    _known_by_name(
        "<jupyter_code>",
        "By its name it begins a code cell of a Jupyter notebook; StarCoder's code data uses such "
        "marks.",
        "从名字看，其后是 Jupyter 笔记本的一个代码单元；StarCoder 的代码数据有同类标记。",
    ),
    _known_by_name(
        "<jupyter_output>",
        "By its name it begins what a code cell of a Jupyter notebook printed; StarCoder's code "
        "data uses such marks.",
        "从名字看，其后是 Jupyter 代码单元的运行结果；StarCoder 的代码数据有同类标记。",
    ),
    _known_by_name(
        "<empty_output>",
        "By its name it says that a code cell of a Jupyter notebook printed nothing; StarCoder's "
        "code data uses such marks.",
        "从名字看，表示 Jupyter 代码单元没有任何输出；StarCoder 的代码数据有同类标记。",
    ),
    _documented(
        "<n>",
        "Stands for a line break, and the chat format puts it between turns. It is no control "
        "token: the model reads three ordinary pieces, usually < n >. The vendor's preprocessing "
        "of training data turns it into a real line break.",
        "代表换行，聊天格式用它连接各轮对话。它不是控制符：模型读到的是三个普通片段，"
        "通常为 <、n、>。官方的训练数据预处理会把它换成真正的换行。",
    ),
    _known_by_name(
        "<s>",
        "Begin of sequence, from the Llama vocabulary that Yuan2 extends. Yuan2 does not put it "
        "before a prompt.",
        "序列开始符，来自 Yuan2 所扩展的 Llama 词表。Yuan2 不在提示词前加它。",
    ),
    _known_by_name(
        "</s>",
        "End of sequence in the Llama vocabulary that Yuan2 extends. Yuan2 ends with <eod> "
        "instead, so a typed </s> is ordinary text of several pieces.",
        "Yuan2 所扩展的 Llama 词表中的序列结束符。Yuan2 改用 <eod> 结束，"
        "所以输入的 </s> 只是普通文字，会被拆成几个片段。",
    ),
    _known_by_name(
        "<unk>",
        "Unknown, from the Llama vocabulary that Yuan2 extends. Characters without a piece are "
        "written as bytes, so it never comes out of ordinary text.",
        "未知符，来自 Yuan2 所扩展的 Llama 词表。词表里没有的字会按字节编码，"
        "所以普通文字不会产生它。",
    ),
)

CONTROL_TOKENS: dict[str, ControlToken] = {record.name: record for record in _RECORDS}
"""Every symbol by its name, in the order in which a page lists them."""

# No name is part of another one, so the order of the alternatives does not matter.
_ANY_CONTROL = re.compile("|".join(map(re.escape, CONTROL_TOKENS)))
