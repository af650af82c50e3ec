"""Doubles of a model: one that records what it is given, one that says what it is told to."""

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.engine.doubles import Visitor, WatchedNetwork
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.networks import network_of
from yuan_demo.engine.stepper import Stepper

ENGINE_EOS = 1
NO_EOS = -1


class RecordingModel:
    """Passes every call on to a model and keeps the ids.

    Attributes:
        passes: ids of every forward pass, as lists.
        before_pass: called before every pass with its number, from 0.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self.config = model.config
        self.device = model.device
        self.passes: list[list[int]] = []
        self.before_pass: Callable[[int], None] = lambda number: None

    def __call__(self, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        self.before_pass(len(self.passes))
        self.passes.append(input_ids[0].tolist())
        return self._model(input_ids=input_ids, **kwargs)

    @property
    def ids(self) -> list[int]:
        """Everything that the model has read, in order."""
        return [token_id for ids in self.passes for token_id in ids]


class ScriptedModel:
    """Wants the tokens of a script, one after another, whatever it reads."""

    device = torch.device("cpu")

    def __init__(self, config: Any, script: Sequence[int]) -> None:
        self.config = config
        self._script = list(script)

    def __call__(self, input_ids: torch.Tensor, **kwargs: Any) -> Any:
        logits = torch.zeros(1, 1, self.config.vocab_size)
        logits[0, 0, self._script.pop(0)] = 50.0
        return SimpleNamespace(logits=logits)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # The tiny model gains nothing from a second one; where others use the processor, waiting for it
    # was measured to take 40 ms of every pass, which is 20 times the pass.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def recording(tiny_loaded: Any) -> RecordingModel:
    return RecordingModel(tiny_loaded.model)


@pytest.fixture
def scripted(tiny_loaded: Any) -> Callable[[Sequence[int]], ScriptedModel]:
    return lambda script: ScriptedModel(tiny_loaded.model.config, script)


@pytest.fixture
def scripted_engine(scripted: Callable[[Sequence[int]], ScriptedModel]) -> Callable[..., Engine]:
    """An engine whose model writes the ids given; id 1 ends an answer."""

    def build(*script: int, window: int = 1024) -> Engine:
        return Engine(network_of(scripted(script), window), window, ENGINE_EOS)

    return build


@pytest.fixture
def watched(tiny_loaded: Any) -> Callable[..., WatchedNetwork]:
    """The tiny model over so many slots, to be watched and broken."""
    return lambda slots, window=256: WatchedNetwork(network_of(tiny_loaded.model, window, slots))


@pytest.fixture
def engine_over() -> Iterator[Callable[..., Engine]]:
    """Makes an engine over a network; its answers end by their length only. Closed at the end."""
    engines: list[Engine] = []

    def build(
        network: Any, stepper: type[Stepper] | Stepper = Stepper, chunk: int = 16, **kwargs: Any
    ) -> Engine:
        made = stepper(network) if isinstance(stepper, type) else stepper
        window = network.positions - 1
        engines.append(Engine(network, window, NO_EOS, stepper=made, **kwargs))
        # Short, so that short prompts take several passes.
        engines[-1]._scheduler.chunk = chunk
        return engines[-1]

    yield build
    for engine in engines:
        engine.close(0.0)


@pytest.fixture
def alone(
    watched: Callable[..., WatchedNetwork], engine_over: Callable[..., Engine]
) -> Callable[[Sequence[int], SamplingParams], list[int]]:
    """What somebody gets who has an engine for himself."""

    def ask(prompt: Sequence[int], params: SamplingParams) -> list[int]:
        return Visitor(engine_over(watched(1), chunk=512), prompt, params).join().ids

    return ask
