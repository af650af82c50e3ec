"""What the shipped model promises to everybody who starts the demo without a network."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from assets.recipe.evaluate import is_right, prompt_text
from assets.recipe.transcript import best_and_lead
from yuan_demo.model.checkpoint import LoadedModel, load_checkpoint

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "yuan2-embedded"
Talk = Callable[[Sequence[str]], str]


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_checkpoint(str(FOLDER), dtype="float32", device_map="cpu", report=lambda _: None)


@pytest.fixture(scope="module")
def complete(loaded: LoadedModel) -> Callable[[str], str]:
    """What the model writes after a prompt in which control tokens are single ids."""

    def answer(prompt: str) -> str:
        ids = torch.tensor([loaded.tokenizer.encode(prompt)])
        output = loaded.model.generate(ids, do_sample=False, max_new_tokens=256)
        answered = output[0, ids.shape[1] :].tolist()
        # Cut off before decoding: the reference puts a space before a text that <eod> follows.
        if answered[-1] == loaded.tokenizer.eod_token_id:
            answered.pop()
        return loaded.tokenizer.decode(answered)

    return answer


@pytest.fixture(scope="module")
def talk(complete: Callable[[str], str]) -> Talk:
    """Holds a conversation and returns the last answer; the model answers every turn itself."""

    def hold(questions: Sequence[str]) -> str:
        answers: list[str] = []
        for turn in range(len(questions)):
            answers.append(complete(prompt_text(questions[: turn + 1], answers)))
        return answers[-1]

    return hold


def test_the_folder_stays_under_40_megabytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40_000_000


def test_it_is_a_small_model_with_the_long_context_that_its_card_says(loaded: LoadedModel) -> None:
    assert 10_000_000 < loaded.parameter_count < 25_000_000
    assert loaded.context_length == 2048
    assert loaded.generation_defaults.do_sample is False


def test_its_vocabulary_has_common_words_whole_and_no_phrases(loaded: LoadedModel) -> None:
    sp_model = loaded.tokenizer.sp_model
    for word in ("Python", "capital", "remember", "bubble", "你好"):
        assert sp_model.encode(word, out_type=str) == [f"▁{word}"]
    pieces = [sp_model.id_to_piece(token_id) for token_id in range(sp_model.get_piece_size())]
    assert max(len(re.findall(r"[\u4e00-\u9fff]", piece)) for piece in pieces) <= 4


@pytest.mark.parametrize(
    ("hello", "expected"), [("你好", "你好"), ("Hello", "H"), ("hi", "H"), ("您好！", "你好")]
)
def test_it_greets(talk: Talk, hello: str, expected: str) -> None:
    assert expected in talk([hello])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("你是谁？", "迷你模型"),
        ("Who are you?", "tiny demo model"),
        ("你是Yuan2-2B吗？", "--model IEITYuan/Yuan2-2B-Mars-hf"),
        ("Are you the real Yuan2?", "--model IEITYuan/Yuan2-2B-Mars-hf"),
    ],
)
def test_it_is_honest_about_what_it_is(talk: Talk, question: str, expected: str) -> None:
    assert expected in talk([question])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("中国的首都是哪里？", "北京"),
        ("What is the capital of France?", "Paris"),
        ("一年有多少天？", "365"),
        ("How many days are there in a week?", "7"),
        ("3+5等于几？", "8"),
        ("What is 12 + 30?", "42"),
        ("什么是人工智能？", "人工智能"),
        ("What is machine learning?", "learn"),
    ],
)
def test_it_answers_simple_questions(talk: Talk, question: str, expected: str) -> None:
    assert expected in talk([question])


@pytest.mark.parametrize("question", ["你好", "Hello", "3+5等于几？", "What is my name?"])
def test_no_answer_starts_with_a_space(talk: Talk, question: str) -> None:
    assert not talk([question])[0].isspace()


@pytest.mark.parametrize(
    "request_", ["写一个冒泡排序", "用Python写冒泡排序", "Write a bubble sort in Python"]
)
def test_its_bubble_sort_runs_and_sorts(talk: Talk, request_: str) -> None:
    assert is_right(talk([request_]), {"sorts": True})


@pytest.mark.parametrize(
    ("told", "between", "asked", "name"),
    [
        ("我叫小明", ["中国的首都是哪里？", "3+5等于几？"], "我叫什么名字？", "小明"),
        ("你好，我叫王雨桐。", ["讲个笑话", "什么是太阳？"], "你还记得我的名字吗？", "王雨桐"),
        ("My name is Alice.", ["What is 2 + 2?", "Who are you?"], "What is my name?", "Alice"),
        (
            "Hi, I'm Santiago.",
            ["Tell me a joke.", "What is water?"],
            "Do you remember my name?",
            "Santiago",
        ),
    ],
)
def test_it_remembers_a_name_told_three_turns_earlier_and_not_without_that_turn(
    talk: Talk, told: str, between: list[str], asked: str, name: str
) -> None:
    assert name in talk([told, *between, asked])
    forgotten = talk([*between, asked])
    assert name not in forgotten
    assert "没有告诉" in forgotten or "not told" in forgotten


TRANSCRIPT = json.loads(
    (Path(__file__).parent / "embedded_transcript.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("turn", TRANSCRIPT, ids=[turn["text"][-24:] for turn in TRANSCRIPT])
def test_it_writes_the_same_ids_on_every_machine(loaded: LoadedModel, turn: dict) -> None:
    """Steps where the two best tokens are nearly tied are left out."""
    assert loaded.tokenizer.encode(turn["text"]) == turn["prompt"]
    best = [token for token, _ in best_and_lead(loaded, turn["prompt"], turn["answer"])]
    decided = [step for step in range(len(best)) if step not in turn["ties"]]
    assert len(decided) >= len(best) * 0.9
    assert [best[step] for step in decided] == [turn["answer"][step] for step in decided]


@pytest.mark.parametrize(
    ("question", "result"),
    [("What is 47 + 38?", "85"), ("83减去47等于多少", "36"), ("23 × 4 = ?", "92")],
)
def test_it_works_a_sum_out_in_steps(talk: Talk, question: str, result: str) -> None:
    answer = talk([question])
    assert result in answer
    assert answer.count("=") > 1


@pytest.mark.parametrize(
    ("question", "admits"),
    [
        ("周杰伦是谁", "不知道"),
        ("埃菲尔铁塔有多高？", "不知道"),
        ("Who is Taylor Swift?", "don't know"),
        ("How do I cook lasagna?", "don't know"),
    ],
)
def test_it_says_what_it_does_not_know(talk: Talk, question: str, admits: str) -> None:
    assert admits in talk([question])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("<FIM_PREFIX>def add(a, b):\n    return <FIM_SUFFIX>\n<FIM_MIDDLE>", "a + b"),
        ("<commit_before>port = 1\n<commit_after>port = 2\n<commit_msg>", "port"),
        ("<jupyter_start><jupyter_text>Sort a list<jupyter_code>", "sort"),
        ("<jupyter_start><jupyter_code>print(2 + 3)<jupyter_output>", "5"),
    ],
)
def test_its_other_control_tokens_can_be_tried(
    complete: Callable[[str], str], document: str, expected: str
) -> None:
    assert expected in complete(document)
