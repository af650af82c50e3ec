"""A model loads whole and right, or one sentence says why not and nothing is loaded."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model import checkpoint, locate, placement
from yuan_demo.model.checkpoint import GenerationDefaults, LoadedModel, load_checkpoint
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.modeling_yuan import YuanForCausalLM

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# The embedding, the first layer and what follows the last one in memory, two layers on disk.
_IN_MEMORY = ("model.embed_tokens", "model.layers.0", "model.norm", "lm_head")
ON_DISK = json.dumps(
    dict.fromkeys(_IN_MEMORY, "cpu") | {"model.layers.1": "disk", "model.layers.2": "disk"}
)


@pytest.fixture(scope="module")
def tokenizer_model() -> bytes:
    """A SentencePiece model by Yuan2's rules that fits the vocabulary of dense-basic."""
    written = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["hello world", "say hello", "a world of words"] * 20),
        model_writer=written,
        model_type="bpe",
        vocab_size=300,
        hard_vocab_limit=False,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return written.getvalue()


@pytest.fixture
def folder_of(tmp_path: Path, tokenizer_model: bytes) -> Callable[..., Path]:
    """Copies a golden case to a folder of its own, with a tokenizer that fits."""

    def copy(case: str, **changed: object) -> Path:
        folder = tmp_path / case
        shutil.copytree(GOLDEN / case, folder, ignore=shutil.ignore_patterns("golden.*"))
        for path in folder.iterdir():
            path.chmod(0o644)
        (folder / "tokenizer.model").write_bytes(tokenizer_model)
        edit_config(folder, **changed)
        return folder

    return copy


@pytest.fixture
def folder(folder_of: Callable[..., Path]) -> Path:
    """A checkpoint with nothing wrong, for a test to spoil."""
    return folder_of("dense-basic")


def edit_config(folder: Path, **changed: object) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changed), encoding="utf-8")


def widen_vocabulary(folder: Path, rows: int = 512) -> Path:
    """Adds rows to the embedding, so that the tokenizer of these tests fits a smaller case."""
    edit_config(folder, vocab_size=rows)
    for path in [*folder.glob("*.safetensors"), *folder.glob("*.bin")]:
        is_safetensors = path.suffix == ".safetensors"
        tensors = load_file(path) if is_safetensors else torch.load(path, weights_only=True)
        for name in tensors.keys() & {"model.embed_tokens.weight", "lm_head.weight"}:
            old = tensors[name]
            padding = torch.zeros(rows - old.shape[0], old.shape[1])
            tensors[name] = torch.cat([old, padding])
        (save_file if is_safetensors else torch.save)(tensors, path)
    return folder


def load(folder: Path, **options: object) -> LoadedModel:
    return load_checkpoint(str(folder), report=lambda line: None, **options)


def refusal(folder: Path, **options: object) -> str:
    with pytest.raises(CheckpointError) as refused:
        load(folder, **options)
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def logits(model: YuanForCausalLM, input_ids: torch.Tensor) -> torch.Tensor:
    return model(input_ids=input_ids.view(1, -1)).logits[0]


def assert_golden(loaded: LoadedModel, case: str, prefix: str = "") -> None:
    golden = load_file(GOLDEN / case / "golden.safetensors")
    expected = golden[f"{prefix}logits"]
    # The vocabulary may have been widened for the tokenizer of these tests: see widen_vocabulary.
    got = logits(loaded.model, golden[f"{prefix}input_ids"])[:, : expected.shape[1]]
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


# -- what loads


def test_folder_loads_with_reference_logits_and_tells_what_it_is(folder: Path) -> None:
    loaded = load(folder)
    assert_golden(loaded, "dense-basic", "len17.")
    assert (loaded.name, loaded.folder, loaded.source) == ("dense-basic", folder, "folder")
    assert (loaded.dtype, loaded.device, loaded.context_length) == ("float32", "cpu", 8192)
    stored = load_file(folder / "model.safetensors")
    counted = [
        t.numel() for n, t in stored.items() if "inv_freq" not in n and n != "lm_head.weight"
    ]
    assert loaded.parameter_count == sum(counted)
    assert not loaded.model.training
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    assert loaded.tokenizer.encode("hello")


@pytest.mark.parametrize(
    ("case", "expected", "prefix"),
    [
        ("dense-bin", "dense-basic", "len17."),
        ("dense-bin-sharded", "dense-tied", ""),
        ("dense-tied", "dense-tied", ""),
        ("dense-untied", "dense-untied", ""),
    ],
)
def test_every_kind_of_weights_loads_with_reference_logits(
    case: str, expected: str, prefix: str, folder_of: Callable[..., Path]
) -> None:
    assert_golden(load(widen_vocabulary(folder_of(case))), expected, prefix)


def test_tied_head_may_be_left_out(folder_of: Callable[..., Path]) -> None:
    folder = folder_of("dense-tied")
    (folder / "model-without-lm-head.safetensors").replace(folder / "model.safetensors")
    assert_golden(load(widen_vocabulary(folder)), "dense-tied")


@pytest.mark.parametrize("case", ["dense-basic", "dense-bin"])
def test_layers_on_disk_generate_what_layers_in_memory_generate(
    case: str, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = folder_of(case)
    plain, offloaded = (
        load(folder),
        load(folder, device_map=ON_DISK, offload_folder=tmp_path / "offload"),
    )
    assert offloaded.device == "cpu, disk"
    assert next(offloaded.model.model.layers[2].parameters()).device.type == "meta"
    prompt = torch.tensor([[5, 77, 300, 12]])
    generated = [
        loaded.model.generate(prompt, max_new_tokens=16, do_sample=False, eos_token_id=None)
        for loaded in (plain, offloaded)
    ]
    assert generated[0].shape == (1, 20)
    assert torch.equal(*generated)


def test_layers_on_disk_take_the_dtype_that_is_asked_for(folder: Path) -> None:
    prompt = torch.tensor([5, 77, 300, 12])
    plain = load(folder, dtype="bfloat16")
    offloaded = load(folder, dtype="bfloat16", device_map=ON_DISK)
    assert plain.dtype == offloaded.dtype == "bfloat16"
    assert logits(plain.model, prompt).dtype == torch.bfloat16
    assert torch.equal(logits(plain.model, prompt), logits(offloaded.model, prompt))


def test_generation_defaults_are_read_and_silent_ones_are_none(folder: Path) -> None:
    assert load(folder).generation_defaults == GenerationDefaults()
    content = {"do_sample": True, "temperature": 0.7, "top_k": 1, "eos_token_id": 5}
    (folder / "generation_config.json").write_text(json.dumps(content))
    expected = GenerationDefaults(do_sample=True, temperature=0.7, top_k=1)
    assert load(folder).generation_defaults == expected


def test_embedded_folder_is_told_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "EMBEDDED_FOLDER", folder)
    assert load(folder).source == "embedded"


def test_nothing_is_printed_but_the_report(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    load_checkpoint(str(folder), report=lines.append)
    assert capfd.readouterr() == ("", "")
    assert len(lines) == 1
    assert "float32" in lines[0]


# -- what is refused


class TouchesAFile:
    """What a malicious pickle looks like: unpickling it runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    ("save", "words"),
    [
        (torch.save, "asks to run posix.system, which was not done"),
        (lambda content, file: pickle.dump(content, file, protocol=2), "posix.system"),
        (lambda content, file: pickle.dump(content, file, protocol=4), "was not run"),
    ],
    ids=["torch", "pickle 2", "pickle 4"],
)
def test_pickle_with_code_is_refused_and_not_run(
    save: Callable[..., None], words: str, folder_of: Callable[..., Path], tmp_path: Path
) -> None:
    folder = folder_of("dense-bin")
    trace = tmp_path / "the-code-ran"
    with (folder / "pytorch_model.bin").open("wb") as file:
        save({"model.norm.weight": TouchesAFile(trace)}, file)
    message = refusal(folder)
    assert words in message
    assert "weights_only" not in message  # torch's message advises to switch it off
    assert not trace.exists()


def spoil_json(name: str, content: str | bytes) -> Callable[[Path], object]:
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(raw)


def cut(name: str, keep: float) -> Callable[[Path], object]:
    def spoil(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return spoil


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def make_folder(name: str) -> Callable[[Path], object]:
    """A folder in the place of a file: unreadable for every user, root included."""

    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return spoil


def configure(**changed: object) -> Callable[[Path], object]:
    return lambda folder: edit_config(folder, **changed)


def shrink_vocabulary(rows: int) -> Callable[[Path], object]:
    """An embedding smaller than the tokenizer, with every id of the config still inside it."""
    names = [f"{token}_token_id" for token in ("eod", "sep", "pad", "bos", "eos")]
    return configure(vocab_size=rows, **dict.fromkeys(names, 2))


LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4206\n"


@pytest.mark.parametrize(
    ("case", "spoil", "words"),
    [
        ("dense-basic", remove("config.json"), ["must hold config.json", "has none"]),
        ("dense-basic", spoil_json("config.json", "{'a': 1"), ["valid JSON", "config.json"]),
        ("dense-basic", spoil_json("config.json", b"\xff\xfe"), ["valid JSON"]),
        ("dense-basic", spoil_json("config.json", "[" * 100_000), ["valid JSON"]),
        ("dense-basic", spoil_json("config.json", "[1]"), ["JSON object", "holds a list"]),
        ("dense-basic", make_folder("config.json"), ["must be readable", "Is a directory"]),
        ("dense-basic", configure(model_type="llama"), ["model_type 'llama'", "2B, 51B"]),
        ("dense-basic", configure(model_type=None), ["model_type None"]),
        ("dense-basic", configure(moe_config={"moe_num_experts": 4}), ["moe_config", "expert"]),
        ("dense-basic", configure(use_shareqk=True), ["use_shareqk"]),
        ("dense-basic", configure(num_attention_heads=3), ["multiple of num_attention_heads"]),
        ("dense-basic", configure(hidden_size="wide"), ["hidden_size"]),
        ("dense-basic", configure(num_attention_heads=0), ["config.json"]),
        ("dense-basic", configure(hidden_act="yodel"), ["config.json", "yodel"]),
        ("dense-basic", shrink_vocabulary(300), ["row for every token", "300"]),
        ("dense-basic", configure(eod_token_id=512), ["eod_token_id", "0 to 511", "512"]),
        ("dense-basic", configure(sep_token_id=-1), ["sep_token_id", "-1"]),
        ("dense-basic", configure(eos_token_id=[505, 900]), ["eos_token_id", "900"]),
        ("dense-basic", remove("tokenizer.model"), ["tokenizer.model", "has none"]),
        ("dense-basic", cut("tokenizer.model", 0.5), ["tokenizer.model"]),
        ("dense-basic", spoil_json("tokenizer.model", "nonsense"), ["tokenizer.model"]),
        ("dense-basic", spoil_json("tokenizer.model", LFS_POINTER), ["git lfs pull"]),
        ("dense-basic", spoil_json("tokenizer_config.json", "{"), ["tokenizer"]),
        ("dense-basic", spoil_json("generation_config.json", "{"), ["generation_config.json"]),
        (
            "dense-basic",
            spoil_json("generation_config.json", '{"top_k": "many"}'),
            ["top_k as a number", "'many'"],
        ),
        ("dense-basic", remove("model.safetensors"), ["must hold weights", "has none"]),
        ("dense-basic", cut("model.safetensors", 0.5), ["cut short", "model.safetensors"]),
        ("dense-basic", cut("model.safetensors", 0.0001), ["cut short", "model.safetensors"]),
        ("dense-basic", cut("model.safetensors", 0), ["cut short", "model.safetensors"]),
        ("dense-basic", spoil_json("model.safetensors", LFS_POINTER), ["git lfs pull"]),
        ("dense-bin", cut("pytorch_model.bin", 0.5), ["cut short", "pytorch_model.bin"]),
        ("dense-bin", cut("pytorch_model.bin", 0.001), ["cut short", "pytorch_model.bin"]),
        ("dense-bin", cut("pytorch_model.bin", 0), ["cut short", "pytorch_model.bin"]),
        ("dense-bin", spoil_json("pytorch_model.bin", "<html>"), ["damaged", "was not run"]),
        (
            "dense-bin",
            lambda folder: torch.save({"state_dict": {}}, folder / "pytorch_model.bin"),
            ["one dictionary of tensors"],
        ),
    ],
)
def test_spoilt_folder_is_refused_in_one_sentence(
    case: str,
    spoil: Callable[[Path], object],
    words: list[str],
    folder_of: Callable[..., Path],
) -> None:
    folder = folder_of(case)
    spoil(folder)
    message = refusal(folder)
    for word in words:
        assert word in message


@pytest.mark.parametrize("case", ["dense-basic", "dense-bin"])
def test_wrong_weights_are_named_and_counted_never_made_up(
    case: str, folder_of: Callable[..., Path]
) -> None:
    folder = folder_of(case)
    tensors = load_file(GOLDEN / "dense-basic" / "model.safetensors")
    gone = sorted(name for name in tensors if "layers.1." in name and "inv_freq" not in name)
    kept = {name: tensor for name, tensor in tensors.items() if name not in gone}
    kept["model.layers.7.what.weight"] = torch.zeros(1)
    kept["model.norm.weight"] = torch.zeros(65)
    if case == "dense-bin":
        torch.save(kept, folder / "pytorch_model.bin")
    else:
        save_file(kept, folder / "model.safetensors")
    message = refusal(folder)
    assert f"{len(gone)} missing: {', '.join(gone[:5])} and {len(gone) - 5} more" in message
    assert "1 unexpected: model.layers.7.what.weight" in message
    assert "1 of another shape: model.norm.weight 65 instead of 64" in message


def test_untied_head_that_is_absent_is_refused(folder_of: Callable[..., Path]) -> None:
    folder = folder_of("dense-tied", tie_word_embeddings=False)
    (folder / "model-without-lm-head.safetensors").replace(folder / "model.safetensors")
    assert "1 missing: lm_head.weight" in refusal(widen_vocabulary(folder))


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"missing_keys": {"lm_head.weight", "model.norm.weight"}}, "model.norm.weight"),
        ({"mismatched_keys": {("a.weight", (1,), (2,))}}, "a.weight"),
        ({"error_msgs": ["could not convert b.weight"]}, "b.weight"),
    ],
)
def test_what_transformers_could_not_fill_is_refused(info: dict[str, object], name: str) -> None:
    clean = {"missing_keys": set(), "mismatched_keys": set(), "error_msgs": []}
    checkpoint._require_clean(clean | {"missing_keys": {"lm_head.weight"}}, YuanConfig(), GOLDEN)
    with pytest.raises(CheckpointError, match=f"1 did not: .*{name}"):
        checkpoint._require_clean(clean | info, YuanConfig(), GOLDEN)


def test_disk_without_a_folder_for_bin_weights_is_refused(folder_of: Callable[..., Path]) -> None:
    assert "--offload-folder" in refusal(folder_of("dense-bin"), device_map=ON_DISK)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "int3"}, "'int3'"),
        ({"device_map": "toaster"}, "'toaster'"),
        ({"device_map": '{"lm_head": "cpu"}'}, "leaves out model.embed_tokens.weight"),
    ],
)
def test_placement_that_cannot_be_is_refused(
    options: dict[str, str], words: str, folder: Path
) -> None:
    assert words in refusal(folder, **options)


def test_weights_beyond_the_memory_are_refused_before_loading(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "available_memory_bytes", lambda: 100_000)
    message = refusal(folder, device_map="cpu")
    assert "of weights, 100 kB free" in message
    assert "--dtype bfloat16" in message


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "fit the memory"),
        (MemoryError(), "fit the memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "fit the memory"),
        (PermissionError(13, "Permission denied", "x/model.safetensors"), "Permission denied"),
        (KeyError("something of transformers"), "stopped: 'something of transformers'"),
    ],
)
def test_failure_inside_the_loading_library_is_one_sentence(
    error: Exception, word: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(YuanForCausalLM, "from_pretrained", fail)
    assert word in refusal(folder)
