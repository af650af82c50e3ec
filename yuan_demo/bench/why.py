"""How long it takes to find out which turn an answer owes to."""

import threading
from time import perf_counter

from yuan_demo.bench.report import Report, median
from yuan_demo.bench.subject import make_subject
from yuan_demo.core.messages import Message
from yuan_demo.core.parts import parts_of
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.causes import MAX_PASSES, Causes, Stretch
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.gradients import gradient_times_input
from yuan_demo.settings import Settings

ANSWER_TOKENS = 16
_SAID = "My name is Number {}. I read long texts every day, and I keep what matters of them."
"""Two sentences a question, so that there is something to open."""


def measure(settings: Settings, *, turns: int, repeat: int) -> Report:
    """Times the turns, the turn with the largest effect down to its sentences, and the gradients.

    Args:
        settings: as for the app.
        turns: of the conversation.
        repeat: conversations; each begins in its own way, and nothing of it is kept from before.
    """
    chat = make_subject(settings, None, None).chat
    causes, slopes, passes, tokens = [], [], 0, 0
    for number in range(repeat + 1):
        stretch = _answered(chat, turns, number)
        seconds, passes = _measured(chat, stretch)
        causes.append(seconds)
        tokens = len(stretch.prompt.prompt.tokens)
        if chat.aside.can_lend:
            started = perf_counter()
            gradient_times_input(chat.aside, stretch, threading.Event())
            slopes.append(perf_counter() - started)
    # The first one pays for what is made once.
    rows = [
        {"": name, "passes": count, "ms": 1000 * median(taken[1:]), "best ms": 1000 * min(taken)}
        for name, count, taken in (
            ("leaving out: turns, and the strongest to its sentences", passes, causes),
            ("gradient times input", 1, slopes),
        )
        if taken
    ]
    title = f"Causes of {ANSWER_TOKENS} tokens, {turns} turns, {tokens} tokens of prompt"
    return Report(title, rows, {"causes": causes, "gradients": slopes})


def _answered(chat: ChatModel, turns: int, number: int) -> Stretch:
    messages = []
    for turn in range(turns):
        messages += [
            Message("user", _SAID.format(100 * number + turn)),
            Message("assistant", "OK."),
        ]
    *_, answer = chat.answer(messages[:-1], SamplingParams(max_new_tokens=ANSWER_TOKENS))
    return Stretch(answer.fitted, answer.token_ids, 0)


def _measured(chat: ChatModel, stretch: Stretch) -> tuple[float, int]:
    """Seconds and passes."""
    started = perf_counter()
    causes = Causes(chat, stretch, MAX_PASSES, threading.Event())
    tree = parts_of(stretch.prompt)
    effects = dict(causes.effects(tree))
    strongest = tree[max(effects, key=effects.get)[0]]
    for below in (strongest.parts, *(part.parts for part in strongest.parts)):
        if below:
            list(causes.effects(below))
    return perf_counter() - started, causes.used
