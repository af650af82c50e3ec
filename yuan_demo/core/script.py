"""A trace as a Python script that generates the same ids with transformers, on its own.

Every text that a person or the model wrote enters it as a literal of Python's own making, which no
quote, line break or half character can end.
"""

import re
from collections.abc import Iterable, Sequence

from yuan_demo.core.trace import Trace

_WIDTH = 96

_HEAD = '''\
"""Generates one answer of the Yuan2 demo again, with transformers: the same prompt, the same ids.

Run it in the demo's folder: python this_file.py [folder or Hugging Face id of the model]
"""

import sys

import torch
{imports}
from yuan_demo.model.modeling_yuan import YuanForCausalLM
from yuan_demo.model.tokenization_yuan import YuanTokenizer

MODEL = sys.argv[1] if len(sys.argv) > 1 else {model}
{notes}'''

_PROMPT = """
PROMPT = {prompt}
PROMPT_IDS = {prompt_ids}
ANSWER_IDS = {answer_ids}
{given}"""

_GIVEN = """\
# A branch: the answer was given this beginning, and the model chose what follows.
GIVEN_IDS = ANSWER_IDS[:{begun}]
"""

_DRAW = '''
class SeededDraw(LogitsProcessor):
    """Draws a token as the demo does, and leaves no other to choose from.

    All tokens lie side by side, the most likely first, each as wide as its probability. A random
    number says where to point. There is one number for each token of the answer, from the seed
    alone, so the same seed draws the same answer.
    """

    def __init__(self, seed, count, given=0):
        generator = torch.Generator().manual_seed(seed)
        self.numbers = iter(torch.rand(count, generator=generator)[given:].tolist())

    def __call__(self, input_ids, scores):
        scores, order = scores.sort(descending=True)
        probabilities = scores.softmax(-1)
        ends = probabilities.cumsum(-1)
        place = (ends <= next(self.numbers) * ends[:, -1:]).sum(-1, keepdim=True)
        # Rounding may leave the last end at the number itself.
        place = place.minimum((probabilities > 0).sum(-1, keepdim=True) - 1)
        drawn = order.gather(-1, place)
        return torch.full_like(scores, float("-inf")).scatter(-1, drawn, 0.0)

'''

_LOAD = """
tokenizer = YuanTokenizer.from_pretrained(MODEL)
model = YuanForCausalLM.from_pretrained(MODEL, dtype=torch.{dtype}).to({device}).eval()
{check}
prompt = torch.tensor([PROMPT_IDS{given}], device=model.device)
"""

_CHECK = "assert tokenizer.encode(PROMPT) == PROMPT_IDS, 'the tokenizer is another one'\n"
_UNCHECKED = """\
# PROMPT as one text does not give these ids: control tokens that somebody typed are sent as plain
# characters, or the tokenizer was not at hand.
"""

_GENERATE = """\
output = model.generate(
    prompt,
    attention_mask=torch.ones_like(prompt),
    max_new_tokens=len(ANSWER_IDS){fewer},
    do_sample=False,{draws}
    repetition_penalty={penalty},
    eos_token_id=tokenizer.eod_token_id,
    pad_token_id=tokenizer.eod_token_id,{processors}
)
answer = output[0, len(PROMPT_IDS) :].tolist()
"""

_PROCESSORS = """\
processors = [
{steps}    SeededDraw({seed}, len(ANSWER_IDS){given}),
]
"""

_TAIL = """
print(tokenizer.decode(answer))
if answer == ANSWER_IDS:
    print(f"The same {len(answer)} ids.")
else:
    same = 0
    while answer[same : same + 1] == ANSWER_IDS[same : same + 1] != []:
        same += 1
    sys.exit(f"Another token from number {same + 1} on: {answer[same:]} for {ANSWER_IDS[same:]}")
"""


def python_script(trace: Trace, model: str, prompt: str | None) -> str:
    """The script.

    Args:
        trace: with at least one token that the model chose.
        model: a folder or an id, from which it loads the model unless it is told of another.
        prompt: a text that the tokenizer encodes to the ids of the prompt; None if there is none,
            and the text of the prompt is there to be read only.
    """
    settings, begun = trace.settings, trace.begun
    steps = {} if settings.greedy else _steps(trace)
    names = [] if settings.greedy else ["LogitsProcessor", *steps]
    processors = _PROCESSORS.format(
        steps="".join(f"    {name}({value}),\n" for name, value in steps.items()),
        seed=settings.seed,
        given=f", given={begun}" if begun else "",
    )
    device = "cuda" if trace.model.device.startswith("cuda") else "cpu"
    parts = [
        _HEAD.format(
            imports=_imports(names),
            model=literal(model),
            notes=_notes(trace),
        ),
        _PROMPT.format(
            prompt=literal("".join(trace.prompt.texts) if prompt is None else prompt),
            prompt_ids=_ids(trace.prompt.ids),
            answer_ids=_ids(trace.answer.ids),
            given=_GIVEN.format(begun=begun) if begun else "",
        ),
        "" if settings.greedy else f"\n{_DRAW}",
        _LOAD.format(
            dtype=_dtype(trace),
            device=repr(device),
            check=_UNCHECKED if prompt is None else _CHECK,
            given=" + GIVEN_IDS" if begun else "",
        ),
        "" if settings.greedy else processors,
        _GENERATE.format(
            penalty=settings.repetition_penalty,
            fewer=" - len(GIVEN_IDS)" if begun else "",
            draws="" if settings.greedy else "  # SeededDraw has drawn already",
            processors="" if settings.greedy else "\n    logits_processor=processors,",
        ),
        _TAIL,
    ]
    return "".join(parts)


def literal(text: str) -> str:
    """A text as a Python literal, its lines one below the other."""
    lines = [line for line in re.split(r"(?<=\n)", text) if line]
    parts = [part for line in lines for part in _pieces(line)]
    if len(parts) < 2:
        return _quoted(text)
    return "(\n" + "".join(f"    {_quoted(part)}\n" for part in parts) + ")"


def _imports(names: Sequence[str]) -> str:
    if not names:
        return ""
    return "from transformers import (\n" + "".join(f"    {name},\n" for name in names) + ")\n"


def _pieces(line: str) -> Iterable[str]:
    size = _WIDTH - 10
    return (line[start : start + size] for start in range(0, len(line), size))


def _quoted(text: str) -> str:
    # `repr` writes what cannot be seen as an escape, half characters and turned text among them.
    return repr(text)


def _ids(ids: Iterable[int]) -> str:
    lines = ["["]
    for token_id in ids:
        if len(lines[-1]) + len(f" {token_id},") > _WIDTH or len(lines) == 1:
            lines.append("   ")
        lines[-1] += f" {token_id},"
    return "\n".join([*lines, "]"])


def _steps(trace: Trace) -> dict[str, float]:
    """Names and arguments of transformers' processors, in their order.

    One that changes nothing is left out, as transformers itself does.
    """
    settings = trace.settings
    steps: dict[str, float] = {}
    if settings.temperature != 1:
        steps["TemperatureLogitsWarper"] = settings.temperature
    if settings.top_k:
        steps["TopKLogitsWarper"] = settings.top_k
    if settings.top_p < 1:
        steps["TopPLogitsWarper"] = settings.top_p
    return steps


def _dtype(trace: Trace) -> str:
    known = ("float32", "bfloat16", "float16")
    return trace.model.dtype if trace.model.dtype in known else known[0]


def _notes(trace: Trace) -> str:
    """Comments on what may make the ids differ."""
    model = trace.model
    notes = [f"# The demo had torch {model.torch} and transformers {model.transformers}."]
    if _dtype(trace) != "float32":
        notes.append("# Other kernels round otherwise in this number format: where two tokens are")
        notes.append("# nearly as likely, another one may be chosen.")
    if model.quantize != "none":
        notes.append(f"# The demo had its weights as {model.quantize}: ids may differ from these.")
    return "\n".join(_harmless(note) for note in notes) + "\n"


def _harmless(comment: str) -> str:
    """A comment that stays one: versions come out of a file that anybody may have written."""
    return "".join(letter if letter.isprintable() else "?" for letter in comment)
