"""The recipe of the embedded model, one command a step, run from the folder of the repository.

    python assets/recipe/recipe.py tokenizer --out RUN     learn the SentencePiece model
    python assets/recipe/recipe.py tokens    --out RUN     make dialogues and encode them
    python assets/recipe/recipe.py train     --out RUN     train, write weights and loss.csv
    python assets/recipe/recipe.py evaluate  --out RUN     answer the evaluation lists
    python assets/recipe/recipe.py export    --out RUN     write the model folder and its card
    python assets/recipe/recipe.py all       --out RUN     the first four, one after the other

The dialogues are made from the seed, so the same seed gives the same tokens and the same batches.
On a GPU the weights still differ in their last bits from run to run, as sums are added in another
order there.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
if str(_REPOSITORY) not in sys.path:
    sys.path.insert(0, str(_REPOSITORY))

import torch  # noqa: E402 - the path above comes first

from assets.recipe.dialogues.mixer import dialogues  # noqa: E402
from assets.recipe.evaluate import REPORTS, evaluate, read_items, write_report  # noqa: E402
from assets.recipe.export import export  # noqa: E402
from assets.recipe.tokenizer import Encoder, train_tokenizer  # noqa: E402
from assets.recipe.tokens import TokenRows, make_rows  # noqa: E402
from assets.recipe.train import BUCKETS, SHAPES, TrainingPlan, new_model, train  # noqa: E402
from yuan_demo.model.modeling_yuan import YuanForCausalLM  # noqa: E402

_TOKENIZER_DIALOGUES = 120_000
# So that a run comes back over links that carry files of 16 MiB at most; `export` joins the shards.
_SHARD_SIZE = "16MB"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one step, or all of them, with the settings of the command line."""
    settings = _parser().parse_args(arguments)
    settings.out.mkdir(parents=True, exist_ok=True)
    settings.work = settings.work or _REPOSITORY / "build" / "recipe"
    steps = (
        ("tokenizer", "tokens", "train", "evaluate") if settings.step == "all" else (settings.step,)
    )
    for name in steps:
        started = time.monotonic()
        _STEPS[name](settings)
        print(f"{name} took {time.monotonic() - started:.0f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=[*_STEPS, "all"])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--work", type=Path, help="folder for token arrays; build/recipe if left out"
    )
    parser.add_argument(
        "--to", type=Path, default=_REPOSITORY / "assets" / "yuan2-embedded", help="model folder"
    )
    parser.add_argument(
        "--tokenizer", type=Path, help="use this tokenizer.model instead of learning one"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dialogues", type=int, default=1_300_000, help="dialogues to train on")
    parser.add_argument(
        "--from",
        "--start",
        dest="start",
        metavar="FOLDER",
        type=Path,
        help="train on from the weights in this folder, not from fresh ones",
    )
    parser.add_argument(
        "--learning-rate", type=float, default=2e-3, help="the peak of the learning rate"
    )
    parser.add_argument("--steps", type=int, default=4000, help="optimizer steps")
    parser.add_argument(
        "--batch-tokens", type=int, default=131_072, help="tokens of a batch, padding included"
    )
    parser.add_argument(
        "--items", type=int, help="evaluate only the first so many conversations of a report"
    )
    parser.add_argument(
        "--reports", nargs="+", choices=REPORTS, default=[*REPORTS], help="evaluations to write"
    )
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--shape", choices=SHAPES, default="embedded")
    return parser


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _tokenizer_step(settings: argparse.Namespace) -> None:
    path = settings.out / "tokenizer.model"
    if settings.tokenizer:
        if settings.tokenizer.resolve() != path.resolve():
            shutil.copyfile(settings.tokenizer, path)
        return
    count = min(settings.dialogues, _TOKENIZER_DIALOGUES)
    made = (
        dialogue.turns for dialogue in dialogues(settings.seed, count) if not dialogue.is_document
    )
    train_tokenizer(made, path, vocab_size=settings.vocab_size)


def _tokens_step(settings: argparse.Namespace) -> None:
    rows = make_rows(
        settings.out / "tokenizer.model",
        seed=settings.seed,
        dialogue_count=settings.dialogues,
        max_tokens=BUCKETS[-1],
    )
    rows.save(settings.work)
    print(
        f"{len(rows.lengths):,} rows, {len(rows.ids):,} tokens, the longest {rows.lengths.max():,}"
    )


def _train_step(settings: argparse.Namespace) -> None:
    torch.manual_seed(settings.seed)
    encoder = Encoder(settings.out / "tokenizer.model")
    model = new_model(SHAPES[settings.shape], encoder).to(_device())
    print(f"{model.num_parameters():,} parameters on {_device()}", flush=True)
    if settings.start:
        model.load_state_dict(YuanForCausalLM.from_pretrained(settings.start).state_dict())
    plan = TrainingPlan(
        steps=settings.steps,
        batch_tokens=settings.batch_tokens,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
    )
    train(model, TokenRows.load(settings.work), encoder, plan, settings.out / "loss.csv")
    model.to(torch.bfloat16).save_pretrained(settings.out, max_shard_size=_SHARD_SIZE)


def _evaluate_step(settings: argparse.Namespace) -> None:
    """Evaluates the weights as they are stored: rounded to bfloat16, run in float32."""
    model = YuanForCausalLM.from_pretrained(settings.out, dtype=torch.float32).to(_device()).eval()
    encoder = Encoder(settings.out / "tokenizer.model")
    for report in settings.reports:
        items = [item for path in REPORTS[report] for item in read_items(path)][: settings.items]
        write_report(evaluate(model, encoder, items), settings.out / report)


def _export_step(settings: argparse.Namespace) -> None:
    export(settings.out, settings.to)


_STEPS: dict[str, Callable[[argparse.Namespace], None]] = {
    "tokenizer": _tokenizer_step,
    "tokens": _tokens_step,
    "train": _train_step,
    "evaluate": _evaluate_step,
    "export": _export_step,
}

if __name__ == "__main__":
    main()
