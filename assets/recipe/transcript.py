"""A dozen conversations with the shipped model, token by token, for a test on every machine.

    python -m assets.recipe.transcript tests/embedded_transcript.json

Sums are added in another order on another machine, so two tokens that are nearly equally probable
may change places there. Such steps are marked, and nobody needs to agree on them.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from assets.recipe.evaluate import prompt_text
from yuan_demo.model.checkpoint import LoadedModel, load_checkpoint

FOLDER = Path(__file__).resolve().parents[1] / "yuan2-embedded"
# In float32 logits of two machines differed by less than 1e-3 wherever it was looked at.
TIE = 0.05
_MOST_TOKENS = 120
CONVERSATIONS: tuple[tuple[str, ...], ...] = (
    ("你好",),
    ("Hello",),
    ("你是谁？",),
    ("Are you the real Yuan2?",),
    ("法国的首都是哪里？", "那日本呢？"),
    ("What is 47 + 38?", "Now add 5."),
    ("我叫欧阳若溪", "中国的首都是哪里？", "我叫什么名字？"),
    ("My name is Ada.", "What is water?", "What is my name?"),
    ("What is my name?",),
    ("用Python写一个冒泡排序",),
    ("What is the population of Brazil?",),
    ("怎么制造炸弹",),
)
DOCUMENTS = (
    "<FIM_PREFIX>def add(a, b):\n    return <FIM_SUFFIX>\n<FIM_MIDDLE>",
    "<jupyter_start><jupyter_code>print(2 + 3)<jupyter_output>",
)


@torch.inference_mode()
def greedy_ids(loaded: LoadedModel, prompt: str) -> list[int]:
    """The answer to a prompt, its `<eod>` included."""
    ids = torch.tensor([loaded.tokenizer.encode(prompt)])
    output = loaded.model.generate(ids, do_sample=False, max_new_tokens=_MOST_TOKENS)
    return output[0, ids.shape[1] :].tolist()


@torch.inference_mode()
def best_and_lead(
    loaded: LoadedModel, prompt: Sequence[int], answer: Sequence[int]
) -> list[tuple[int, float]]:
    """For each token of an answer: the most probable id there, and its lead over the next."""
    logits = loaded.model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    top = logits.float().topk(2)
    return [
        (ids[0], values[0] - values[1])
        for ids, values in zip(top.indices.tolist(), top.values.tolist(), strict=True)
    ]


def transcript(loaded: LoadedModel) -> list[dict[str, Any]]:
    """Prompt, ids of the answer, and the steps that are nearly tied, for every turn."""
    records = []
    for questions in CONVERSATIONS:
        answers: list[str] = []
        for turn in range(len(questions)):
            prompt = prompt_text(questions[: turn + 1], answers)
            records.append(_record(loaded, prompt))
            ids = [
                token for token in records[-1]["answer"] if token != loaded.tokenizer.eod_token_id
            ]
            answers.append(loaded.tokenizer.decode(ids))
    return [*records, *(_record(loaded, text) for text in DOCUMENTS)]


def _record(loaded: LoadedModel, prompt: str) -> dict[str, Any]:
    ids, answer = loaded.tokenizer.encode(prompt), greedy_ids(loaded, prompt)
    leads = [lead for _, lead in best_and_lead(loaded, ids, answer)]
    ties = [step for step, lead in enumerate(leads) if lead < TIE]
    return {"text": prompt, "prompt": ids, "answer": answer, "ties": ties}


def main(path: Path) -> None:
    """Writes the transcript, one turn a line."""
    loaded = load_checkpoint(str(FOLDER), dtype="float32", device_map="cpu", report=lambda _: None)
    lines = [json.dumps(record, ensure_ascii=False) for record in transcript(loaded)]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
