"""Messages reach the page escaped and come back as they were."""

import random

import pytest
from gradio.components.chatbot import ChatbotDataMessages

from yuan_demo.ui.chatbot import VerbatimChatbot, escape, unescape


@pytest.mark.parametrize(
    "text", ["<img src=x onerror=alert(1)>", "&lt;", "&amp;lt;", "a\n    b\n\n\n", "  ", "<sep>"]
)
def test_a_message_returns_as_it_was_and_holds_no_tag_in_the_page(text):
    chatbot = VerbatimChatbot()
    shown = chatbot.postprocess([{"role": "user", "content": text}])
    assert "<" not in shown.root[0].content[0].text
    assert chatbot.preprocess(shown)[0]["content"] == [{"type": "text", "text": text}]

    # And once more, as a handler hands back what it was given.
    again = chatbot.postprocess(chatbot.preprocess(ChatbotDataMessages(root=shown.root)))
    assert again == shown


def test_unescape_undoes_escape_and_nothing_else():
    rng = random.Random(0)
    for _ in range(2000):
        text = "".join(rng.choices("&<>;ampltgq#39 ", k=rng.randrange(12)))
        assert unescape(escape(text)) == text
