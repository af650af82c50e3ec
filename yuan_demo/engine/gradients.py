"""How much a stretch of an answer leans on each token before it: gradient times input, one pass.

With e[t] the embedding of token t and L the logarithm of the stretch's probability, token t gets
`sum over the width of e[t] * dL / de[t]` (Shrikumar et al. 2016, arXiv:1605.01713): what L would
lose, to first order, if its embedding shrank to zero. One number a token, in nats, signed.
"""

import threading

import torch

from yuan_demo.core.errors import EngineError
from yuan_demo.engine.aside import Aside
from yuan_demo.engine.causes import Stretch
from yuan_demo.engine.failures import Failure, failure_of
from yuan_demo.model.modeling_yuan import YuanForCausalLM


def gradient_times_input(
    aside: Aside, stretch: Stretch, cancelled: threading.Event
) -> tuple[float, ...]:
    """One number for every token of the prompt and of the answer so far, in nats.

    Raises:
        EngineError: the weights cannot be used outside the engine, or memory ran out.
        Cancelled: by whoever waits.
    """
    prompt = stretch.prompt.prompt.input_ids
    own = list(stretch.ids[stretch.start :])
    with aside.lend(cancelled) as model:
        try:
            products = _products(model, [*prompt, *stretch.ids[:-1]], own, stretch.against)
        except RuntimeError as error:
            if failure_of(error) is not Failure.MEMORY:
                raise
            raise EngineError("out_of_memory", tokens=len(prompt) + len(stretch.ids)) from error
    return tuple(products[: len(prompt) + stretch.start].tolist())


def _products(
    model: YuanForCausalLM, ids: list[int], own: list[int], against: int | None
) -> torch.Tensor:
    """(T,) float32 of T `ids`; the last of them come before one of `own` each."""
    # Neither the caller's thread nor the weights, of which no gradient is kept, decide it.
    with torch.inference_mode(False), torch.enable_grad():
        table = model.get_input_embeddings()
        tokens = torch.tensor([ids], device=table.weight.device)
        embedded = table(tokens).detach().clone().requires_grad_()
        logits = model(inputs_embeds=embedded, use_cache=False, logits_to_keep=len(own)).logits[0]
        # In half precision the logarithm of a sum over the vocabulary would be too coarse.
        logprobs = (logits if logits.dtype == torch.float64 else logits.float()).log_softmax(-1)
        rows = torch.arange(len(own), device=logits.device)
        measure = logprobs[rows, torch.tensor(own, device=logits.device)].sum()
        if against is not None:
            measure = measure - logprobs[0, against]
        [gradient] = torch.autograd.grad(measure, embedded)
    wide = torch.promote_types(gradient.dtype, torch.float32)
    return (gradient.to(wide) * embedded.detach().to(wide)).sum(-1)[0].cpu()
