"""The recipe makes a model from a seed, through all of its steps."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from assets.recipe import recipe as recipe_steps
from assets.recipe.dialogues.mixer import ABOUT_THE_PERSON, DOCUMENTS, FAMILIES, dialogues
from assets.recipe.dialogues.people import person
from assets.recipe.dialogues.sums import worked
from assets.recipe.dialogues.wording import Turn, chosen_from, worded
from assets.recipe.evaluate import (
    NOT_TOLD,
    OTHERS,
    REPORTS,
    is_leak,
    is_right,
    prompt_text,
    read_items,
)
from assets.recipe.tokenizer import (
    CONTROL_PIECES,
    ROLE_EARLIER_ANSWER,
    ROLE_LAST_ANSWER,
    ROLE_PROMPT,
    Encoder,
    train_tokenizer,
)
from assets.recipe.train import ROLE_WEIGHTS, SHAPES, new_model, weighted_loss
from yuan_demo.core.control_tokens import CUT_TOKENS
from yuan_demo.model.checkpoint import load_checkpoint
from yuan_demo.model.tokenization_yuan import YuanTokenizer

REPOSITORY = Path(__file__).resolve().parents[1]
OTHERS_FAMILIES = {
    "greeting": 30,
    "identity": 30,
    "small talk": 15,
    "memory": 50,
    "corrected memory": 30,
    "not told": 30,
    "capitals": 25,
    "definitions": 25,
    "code that runs": 15,
    "arithmetic": 25,
    "does not know": 25,
    "refuses harm": 10,
    "translation": 10,
}
TURNS = (Turn("你好！", "Hello."), Turn("1+1", "1 + 1 = 2"), Turn("再见", "Bye 再见。"))


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.model"
    made = (dialogue.turns for dialogue in dialogues(3, 2000) if not dialogue.is_document)
    train_tokenizer(made, path, vocab_size=4000)
    return path


@pytest.fixture(scope="module")
def encoder(tokenizer_path: Path) -> Encoder:
    return Encoder(tokenizer_path)


def test_one_seed_makes_the_same_dialogues_and_another_makes_others() -> None:
    assert list(dialogues(5, 200)) == list(dialogues(5, 200))
    assert list(dialogues(5, 200)) != list(dialogues(6, 200))


def test_every_family_occurs_in_both_languages() -> None:
    made = {(dialogue.family, dialogue.language) for dialogue in dialogues(1, 20_000)}
    wanted = {*FAMILIES, *DOCUMENTS, *ABOUT_THE_PERSON, "mixed"}
    assert made == {(family, language) for family in wanted for language in ("zh", "en")}


def test_no_slot_is_left_unfilled_and_no_turn_is_empty() -> None:
    for dialogue in dialogues(2, 5000):
        if dialogue.is_document:
            continue
        for turn in dialogue.turns:
            assert turn.user.strip()
            assert turn.assistant.strip()
            assert not any(
                slot in turn.user + turn.assistant
                for slot in (
                    "{value}",
                    "{a}",
                    "{name}",
                    "{thing}",
                    "{answer}",
                    "{city}",
                    "|]",
                    "[|",
                )
            )


def test_a_name_is_only_answered_if_it_was_told() -> None:
    for dialogue in dialogues(4, 5000):
        for index, turn in enumerate(dialogue.turns):
            # Another answer may follow; a translation of "What is your name?" begins alike.
            match = re.match(
                r"(?:你叫|Your name is )(.+?)(?:。|\.(?: |$))", turn.assistant, re.DOTALL
            )
            if match and not turn.assistant.endswith("？"):
                # It may be told and asked in one message.
                assert any(match[1] in told.user for told in dialogue.turns[: index + 1])


def test_names_are_of_all_characters_and_letters() -> None:
    rng = Random(9)
    chinese = {character for _ in range(3000) for character in person(rng, "zh")}
    latin = {person(rng, "en") for _ in range(2000)}
    assert sum("一" <= character <= "龥" for character in chinese) > 2000
    assert len(latin) > 1200
    assert any(name.islower() for name in latin)
    assert any(name.isupper() for name in latin)
    assert any(name[-1].isdigit() for name in latin)


def test_every_greeting_by_name_repeats_the_name_as_it_was_typed() -> None:
    for dialogue in dialogues(10, 4000):
        for turn in dialogue.turns:
            match = re.fullmatch(
                r"你好，(.+)！很高兴认识你。|Nice to meet you, (.+)!", turn.assistant
            )
            assert match is None or (match[1] or match[2]) in turn.user


def test_choices_are_taken_and_leave_single_spaces() -> None:
    rng = Random(1)
    texts = {chosen_from(rng, "[so|] who am I [again|]") for _ in range(50)}
    assert texts == {"so who am I again", "so who am I", "who am I again", "who am I"}


def test_lower_case_spares_what_the_answer_repeats() -> None:
    rng = Random(2)
    texts = [worded(rng, "en", "My name is {value}", exact=True, value="McKay") for _ in range(200)]
    assert all("McKay" in text for text in texts)
    assert any(text.startswith("my name") for text in texts)


def test_choices_may_stand_inside_one_another() -> None:
    rng = Random(3)
    texts = {chosen_from(rng, "[oh [my |]|]what is it") for _ in range(60)}
    assert texts == {"oh my what is it", "oh what is it", "what is it"}


def test_sums_are_worked_out_in_steps_that_are_true() -> None:
    rng = Random(4)
    for _ in range(2000):
        operator = rng.choice("+-*")
        a, b = rng.randrange(100), rng.randrange(100)
        text = worked(a, operator, b, "en")
        for step in re.findall(r"-?\d+ [-+×] \d+ = -?\d+", text):
            left, right = step.replace("×", "*").split(" = ")
            assert eval(left) == int(right), text
        assert text.endswith(f"= {eval(f'{a} {operator} {b}')}")


@pytest.fixture(scope="module")
def asked() -> set[str]:
    """What is asked in many dialogues, as letters and digits."""
    return {_bare(turn.user) for dialogue in dialogues(7, 20_000) for turn in dialogue.turns}


def test_no_question_of_the_evaluation_is_in_the_dialogues(asked: set[str]) -> None:
    """Short ones aside: `Tell me a joke` is what everybody says."""
    alone = [item.turns[0] for item in read_items() if len(item.turns) == 1]
    assert [text for text in alone if len(_bare(text)) > 12 and _bare(text) in asked] == []


def test_few_conversations_by_another_hand_are_in_the_dialogues(asked: set[str]) -> None:
    """What everybody types may be, as that list measures visitors; the model card says how many."""
    items = read_items(OTHERS)
    known = [item for item in items if all(_bare(turn) in asked for turn in item.turns)]
    assert len(known) <= len(items) / 9, [item.turns for item in known]
    assert [item.turns for item in known if sum(map(len, map(_bare, item.turns))) > 24] == []


def _bare(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def test_the_evaluation_list_is_long_and_its_checks_can_fail() -> None:
    items = read_items()
    assert len(items) >= 450
    assert sum("not_told" in item.check for item in read_items(NOT_TOLD)) >= 200
    assert not any(is_right("", item.check) for item in items if set(item.check) != {"none"})
    assert not is_right("张强，不是张伟", {"all": ["张强"], "none": ["张伟"]})
    assert is_right("你叫Ann。", {"exact": ["Ann"]})
    assert not is_right("你叫ann。", {"exact": ["Ann"]})
    assert is_right("你今年41岁。", {"words": ["41"]})
    assert not is_right("This is in Thailand, 1418 km.", {"words": ["hi", "41"]})
    assert is_right("5 - 12：12 - 5 = 7，所以 5 - 12 = -7。", {"last_number": -7})
    assert not is_right("12 + 5 = 18, not 17, but 18", {"last_number": 17})
    assert is_right("```python\nprint('Hello, world')\n```", {"outputs": ["Hello"]})
    assert not is_right("```python\ntext = 'Hello'\n```", {"outputs": ["Hello"]})
    assert is_right("```python\ndef f(x):\n    return sorted(x)\n```", {"sorts": True})
    assert not is_right("```python\ndef f(x):\n    return x\n```", {"sorts": True})
    assert not is_right("```python\nprint(1)\n```", {"prints": "2"})
    double = "```python\ndef double(x):\n    return x * 2\n```"
    assert is_right(double, {"returns": ["doub", [4], [8]]})
    assert not is_right(double, {"returns": ["doub", [4], [9]]})
    assert is_right(double, {"compiles": True})
    assert not is_right("```python\nf import x\n```", {"compiles": True})
    assert is_right("你还没有告诉我你的名字。", {"not_told": True})
    assert not is_right("你叫小明。", {"not_told": True})


def test_the_list_by_another_hand_is_long_and_its_checks_can_fail() -> None:
    items = read_items(OTHERS)
    counts = Counter(item.family for item in items)
    assert counts == OTHERS_FAMILIES
    assert len({item.turns for item in items}) == len(items)
    assert all(turn.strip() for item in items for turn in item.turns)
    assert max(len(item.turns) for item in items) >= 12
    chinese = sum(bool(re.search("[一-鿿]", "".join(item.turns))) for item in items)
    assert 0.4 < chinese / len(items) < 0.6
    admits = {"not told", "does not know"}
    for item in items:
        assert not is_right("", item.check), item
        assert not is_right("香蕉是黄的。Bananas grow on trees.", item.check), item
        admitted = is_right("这个我不知道。I do not know that.", item.check)
        assert admitted is (item.family in admits), item


@pytest.mark.parametrize(
    ("answer", "leaks"),
    [
        ("你叫王强。", True),
        ("Your name is Harold.", True),
        ("You are 41 years old.", True),
        ("Your little sister's name is Ida.", True),
        ("你姐姐叫米娅。", True),
        ("你还没有告诉我你姐姐叫什么。", False),
        ("你还没有告诉我你喜欢什么颜色。", False),
        ("You have not told me what you like yet.", False),
        ("法国的首都是巴黎。", False),
    ],
)
def test_a_claim_of_what_was_not_told_is_a_leak(answer: str, leaks: bool) -> None:
    assert is_leak(answer) is leaks


def test_control_tokens_never_come_out_of_ordinary_text(encoder: Encoder) -> None:
    for name in (*CONTROL_PIECES, *CUT_TOKENS, "</s>"):
        pieces = encoder.sp_model.encode(f"a{name}b", out_type=str)
        assert name not in pieces
        assert "<unk>" not in pieces


def test_no_phrase_of_the_templates_is_one_piece(encoder: Encoder) -> None:
    sp_model = encoder.sp_model
    first, last = 259, sp_model.get_piece_size() - len(CONTROL_PIECES)
    for piece in (sp_model.id_to_piece(token_id) for token_id in range(first, last)):
        han = re.findall(r"[\u4e00-\u9fff]", piece)
        assert len(han) <= 4, piece
        assert not (han and re.search(r"[，。！？：；、,.!?:;<>]", piece)), piece
        assert len(piece) <= 16, piece


def test_every_piece_still_comes_out_of_its_own_text(encoder: Encoder) -> None:
    """Leaving pieces out must not leave others that no merge reaches: they would be wasted rows."""
    sp_model = encoder.sp_model
    for token_id in range(259, sp_model.get_piece_size() - len(CONTROL_PIECES)):
        # A line break keeps the phantom space mark away from a piece that has none.
        ids = sp_model.encode("\n" + sp_model.id_to_piece(token_id).replace("▁", " "))
        assert ids[-1] == token_id, sp_model.id_to_piece(token_id)


def test_words_inside_control_names_are_single_pieces(encoder: Encoder) -> None:
    for name in ("sep", "eod", "pad", "mask"):
        pieces = encoder.sp_model.encode(f"<{name}>", out_type=str)
        assert pieces == ["▁<", name, ">"]


def test_the_join_between_turns_is_three_tokens(encoder: Encoder) -> None:
    ids = encoder.encode("你<n>")
    assert [encoder.sp_model.id_to_piece(token_id) for token_id in ids[-3:]] == ["<", "n", ">"]


def test_the_vocabulary_is_laid_out_as_the_real_one(encoder: Encoder, tokenizer_path: Path) -> None:
    sp_model = encoder.sp_model
    assert sp_model.id_to_piece([0, 1, 2, 3, 258]) == ["<unk>", "<s>", "</s>", "<0x00>", "<0xFF>"]
    assert encoder.control_id("<mask>") == sp_model.get_piece_size()
    assert len(encoder) == len(YuanTokenizer(str(tokenizer_path)))


def test_dialogues_are_encoded_as_the_demo_encodes_them(
    encoder: Encoder, tokenizer_path: Path
) -> None:
    tokenizer = YuanTokenizer(str(tokenizer_path))
    for dialogue in dialogues(8, 300):
        if dialogue.is_document:
            continue
        *earlier, (question, answer) = dialogue.turns
        prompt = prompt_text(
            [turn.user for turn in dialogue.turns], [turn.assistant for turn in earlier]
        )
        ids, _ = encoder.encode_dialogue(dialogue.turns)
        assert ids.tolist() == tokenizer.encode(f"{prompt}{answer}<eod>"), question


def test_documents_hold_their_control_tokens_as_single_ids(
    encoder: Encoder, tokenizer_path: Path
) -> None:
    tokenizer = YuanTokenizer(str(tokenizer_path))
    documents = [dialogue for dialogue in dialogues(8, 2000) if dialogue.is_document]
    assert {dialogue.family for dialogue in documents} == {*DOCUMENTS}
    for dialogue in documents:
        (turn,) = dialogue.turns
        ids, roles = encoder.encode_document(turn)
        assert ids.tolist() == [
            *tokenizer.encode(f"{turn.user}"),
            *tokenizer.encode(turn.assistant),
            encoder.control_id("<eod>"),
        ]
        last = turn.user[turn.user.rindex("<") :]
        assert ids[roles != ROLE_LAST_ANSWER][-1] == encoder.control_id(last)


def test_roles_follow_the_turns(encoder: Encoder) -> None:
    ids, roles = encoder.encode_dialogue(TURNS)
    text = {
        role: encoder.decode([int(token_id) for token_id in ids[roles == role]])
        for role in (ROLE_EARLIER_ANSWER, ROLE_LAST_ANSWER)
    }
    # A piece such as `.<` begins in the answer and ends in the join behind it.
    assert text[ROLE_EARLIER_ANSWER].replace("<", "") == "Hello.1 + 1 = 2"
    assert text[ROLE_LAST_ANSWER] == "Bye 再见。<eod>"
    assert roles[ids == encoder.control_id("<sep>")] == ROLE_PROMPT


def test_the_loss_weighs_answers_and_ignores_padding(encoder: Encoder) -> None:
    torch.manual_seed(0)
    model = new_model(SHAPES["toy"], encoder)
    ids, roles = (
        torch.from_numpy(array.astype(np.int64))[None] for array in encoder.encode_dialogue(TURNS)
    )
    padded_ids = torch.nn.functional.pad(ids, (0, 5), value=encoder.control_id("<pad>"))
    padded_roles = torch.nn.functional.pad(roles, (0, 5), value=-1)
    losses = -model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    weights = torch.tensor(ROLE_WEIGHTS)[roles[0, 1:]]
    expected = (losses * weights).sum() / weights.sum()
    torch.testing.assert_close(weighted_loss(model, ids, roles)[0], expected)
    torch.testing.assert_close(weighted_loss(model, padded_ids, padded_roles)[0], expected)


def test_the_whole_recipe_runs_and_exports_a_model_that_the_demo_loads(tmp_path: Path) -> None:
    recipe = [sys.executable, "assets/recipe/recipe.py"]
    run, folder = tmp_path / "run", tmp_path / "model"
    toy = [
        "--shape=toy",
        "--vocab-size=3000",
        "--dialogues=200",
        "--steps=3",
        "--batch-tokens=4096",
        # A model that has learned nothing never stops by itself: the whole list takes ten minutes.
        "--items=6",
    ]
    paths = [f"--out={run}", f"--work={tmp_path / 'work'}", f"--to={folder}"]
    for step in ("all", "export"):
        subprocess.run([*recipe, step, *paths, *toy], cwd=REPOSITORY, check=True, timeout=300)

    assert len(list(run.iterdir())) <= 9
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert not any(
        place in card
        for place in ("{parameters}", "{loss_table}", "{evaluation_table}", "{others_table}")
    )
    assert all((folder / report).is_file() for report in REPORTS)
    assert json.loads((folder / "generation_config.json").read_text())["do_sample"] is False
    loaded = load_checkpoint(str(folder), device_map="cpu", report=lambda _: None)
    assert loaded.context_length == 2048
    assert loaded.model.config.eos_token_id == loaded.tokenizer.eod_token_id

    # A training that goes on from these weights and learns nothing leaves them as they are.
    more = tmp_path / "more"
    more.mkdir()
    shutil.copyfile(run / "tokenizer.model", more / "tokenizer.model")
    paths = [f"--out={more}", f"--work={tmp_path / 'work'}", f"--from={run}"]
    recipe_steps.main(["train", *paths, *toy, "--learning-rate=0", "--seed=2"])
    before, after = (load_file(path / "model.safetensors") for path in (run, more))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_demo_never_imports_the_recipe() -> None:
    for path in [REPOSITORY / "app.py", *(REPOSITORY / "yuan_demo").rglob("*.py")]:
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) assets\b", source, re.MULTILINE), path
