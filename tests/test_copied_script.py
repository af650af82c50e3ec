"""“Copy as Python”: the script, run by itself, generates the ids that the demo gave."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest

from tests.conftest import EMBEDDED
from tests.ui.records import answered, record_of
from tests.ui.test_handlers import page
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.model.checkpoint import load_checkpoint
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.trace_handlers import TraceHandlers

PROJECT = Path(__file__).resolve().parents[1]
SAMPLED = SamplingParams(
    150, greedy=False, temperature=1.1, top_k=40, top_p=0.9, repetition_penalty=1.2, seed=3
)
WIDE = SamplingParams(12, greedy=False, temperature=1.3, top_k=0, top_p=0.95, seed=2**40)
GREEDY = SamplingParams(150, repetition_penalty=1.05)
# What a person may type, half characters aside, which the page refuses.
TYPED = "'''\"\"\" \\n \\ {x}\n你好，龘 👨‍👩‍👧 \u202e"


@pytest.fixture(scope="module")
def chat() -> ChatModel:
    loaded = load_checkpoint(
        str(EMBEDDED), dtype="float32", device_map="cpu", report=lambda _: None
    )
    return ChatModel(loaded)


def ended_by(chat: ChatModel, params: SamplingParams, reason: str) -> Answer:
    """An answer that ended so: whichever of some questions gives one."""
    for question in ("Hello", "你好", "Who are you?", "法国的首都是哪里？", "My name is Ada."):
        answer = answered(chat, params, question)
        if answer.finish_reason == reason:
            return answer
    pytest.fail(f"no answer ended by {reason}")


def answers(chat: ChatModel) -> Iterator[Answer]:
    yield ended_by(chat, GREEDY, "stop")
    yield ended_by(chat, replace(GREEDY, max_new_tokens=4), "length")
    yield ended_by(chat, SAMPLED, "stop")
    yield ended_by(chat, replace(SAMPLED, max_new_tokens=4), "length")
    yield answered(chat, WIDE, "Tell me a story.", TYPED, TYPED + " <sep> and </s>")


def test_run_by_itself_it_generates_the_same_ids(chat: ChatModel, tmp_path: Path):
    handlers = TraceHandlers(PageHandlers(chat))
    expected, files = [], []
    for number, answer in enumerate(answers(chat)):
        # The last is a branch as well: what follows its beginning comes by the same numbers.
        begun = 5 if answer.params == WIDE else 0
        script = script_of(handlers, {"record": record_of(chat, answer) | {"begun": begun}})
        assert ("GIVEN_IDS" in script) == bool(begun)
        expected.append(list(answer.token_ids))
        files.append(tmp_path / f"{number}.py")
        files[-1].write_text(script, encoding="utf-8")
    # One process for all of them: importing transformers takes seconds.
    program = (
        "import runpy, sys\n"
        "for file in sys.argv[1:]:\n"
        "    sys.argv = [file]\n"
        "    print('ids', runpy.run_path(file)['answer'])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, files)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        env={
            "PYTHONIOENCODING": "utf-8",
            "PATH": "",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        },
    )

    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert [line for line in lines if line.startswith("ids ")] == [f"ids {ids}" for ids in expected]
    assert sum(line.startswith("The same ") for line in lines) == len(expected)


def script_of(handlers: TraceHandlers, sent: dict[str, object]) -> str:
    told = json.loads(handlers.copy_script(page(), gr.EventData(None, sent)))
    assert "error" not in told
    return told["script"]


def test_the_prompts_text_is_checked_where_it_gives_the_ids(chat: ChatModel):
    handlers = TraceHandlers(PageHandlers(chat))
    few = replace(GREEDY, max_new_tokens=2)
    plain = record_of(chat, answered(chat, few, "Hello"))
    typed = record_of(chat, answered(chat, few, "a<sep>b"))

    assert "assert tokenizer.encode(PROMPT)" in script_of(handlers, {"record": plain})
    assert "assert " not in script_of(handlers, {"record": typed})
