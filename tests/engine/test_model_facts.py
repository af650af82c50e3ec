import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.model_facts import ModelFacts


@pytest.fixture
def folder(tiny_loaded: Any, tmp_path: Path) -> Path:
    """The tiny model as files."""
    path = tmp_path / "models--IEIT--Yuan2" / "snapshots" / "0ffbeef"
    tiny_loaded.model.save_pretrained(path)
    (path / "tokenizer.model").write_bytes((tiny_loaded.folder / "tokenizer.model").read_bytes())
    (path / "notes.txt").write_text("not a part of it")
    return path


def facts_of(loaded: Any, folder: Path, **changes: Any) -> ModelFacts:
    return ModelFacts(ChatModel(replace(loaded, folder=folder, **changes)))


def test_weights_configuration_and_tokenizer_are_hashed(tiny_loaded: Any, folder: Path):
    model = facts_of(tiny_loaded, folder).whole(60)

    names = ("model.safetensors", "config.json", "tokenizer.model")
    assert [file.name for file in model.files] == list(names)
    for file in model.files:
        content = (folder / file.name).read_bytes()
        expected = len(content), hashlib.sha256(content).hexdigest()
        assert (file.size, file.sha256) == expected


def test_the_files_are_read_once(tiny_loaded: Any, folder: Path):
    facts = facts_of(tiny_loaded, folder)
    first = facts.whole(60)
    (folder / "model.safetensors").write_bytes(b"others by now")

    assert facts.whole(60) is not None
    assert facts.whole(60) == first
    assert facts.without_files() == replace(first, files=())


def test_it_says_how_far_it_is_and_does_not_wait(
    tiny_loaded: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    import threading

    gate = threading.Event()
    hashed = ModelFacts._hashed

    def slow(self: ModelFacts, file: Path) -> Any:
        gate.wait(60)
        return hashed(self, file)

    monkeypatch.setattr(ModelFacts, "_hashed", slow)
    facts = facts_of(tiny_loaded, folder)

    assert facts.whole(0) is None
    assert facts.share == 0
    gate.set()
    assert facts.whole(60) is not None
    assert facts.share == 1


def test_where_there_are_no_weights_nothing_is_known_of_the_files(tiny_loaded: Any):
    assert ModelFacts(ChatModel(tiny_loaded)).whole(60).files == ()


def test_a_file_that_cannot_be_read_leaves_all_of_them_unknown(tiny_loaded: Any, folder: Path):
    facts = facts_of(tiny_loaded, folder)
    (folder / "config.json").unlink()

    assert facts.whole(60).files == ()


def test_the_hubs_id_and_revision_are_told_but_never_a_path(tiny_loaded: Any, folder: Path):
    model = facts_of(tiny_loaded, folder, source="huggingface").without_files()

    assert (model.name, model.revision) == ("IEIT/Yuan2", "0ffbeef")
    assert ModelFacts(ChatModel(tiny_loaded)).without_files().name == "tiny"
    assert str(folder) not in repr(model)


def test_another_model_has_another_mark(tiny_loaded: Any, folder: Path):
    mark = facts_of(tiny_loaded, folder).mark

    assert facts_of(tiny_loaded, folder).mark == mark
    assert facts_of(tiny_loaded, folder, dtype="bfloat16").mark != mark
    (folder / "model.safetensors").write_bytes(b"others by now")
    assert facts_of(tiny_loaded, folder).mark != mark
