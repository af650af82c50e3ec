"""Which events of the page call the handlers of branches and of two answers side by side."""

from typing import Any

import gradio as gr

from yuan_demo.ui.branch_handlers import BranchHandlers
from yuan_demo.ui.duel_handlers import DuelHandlers
from yuan_demo.ui.events import QUIET, SPOKEN


def wire_branches(branches: BranchHandlers, page: Any, repaint: dict[str, Any]) -> None:
    """Another answer in the place of one, and the way back to it.

    Args:
        branches: their handlers.
        page: the page's components (`demo`).
        repaint: paints the panel anew.
    """
    chatbot, state, value = page.histories
    branch = page.answer.branch(
        branches.branch,
        chatbot,
        [chatbot, page.context, page.chat.textbox, page.answer],
        **SPOKEN,
    )
    # Both: `.then()` does not run after a failure (Gradio 6.31), which would leave the box locked.
    for ended in (branch.success, branch.failure):
        ended(branches.finish, chatbot, [state, value, page.chat.textbox], **QUIET)
    put_up = page.answer.put_up(branches.put_up, None, [*page.histories, page.answer], **SPOKEN)
    put_up.then(**repaint)


def wire_duel(demo: gr.Blocks, duels: DuelHandlers, page: Any) -> None:
    """Two answers of one question, beside the chat."""
    inputs = [page.formats.other, *page.said, *page.controls.components()]
    page.duel.duel(duels.duel, inputs, page.duel, **SPOKEN)
    page.duel.stop_asking(duels.stop, **QUIET)
    demo.unload(duels.leave)
