from yuan_demo.core.messages import Message, turns_of


def conversation(roles: str) -> list[Message]:
    """One message per letter, u or a, with its place as its content."""
    names = {"u": "user", "a": "assistant"}
    return [Message(names[role], str(place)) for place, role in enumerate(roles)]


def cut(roles: str) -> list[str]:
    return [
        "".join(message.role[0] for message in turn.messages)
        for turn in turns_of(conversation(roles))
    ]


def test_a_turn_is_a_question_and_its_answer():
    assert cut("uauau") == ["ua", "ua", "u"]


def test_a_question_that_was_never_answered_is_a_turn_of_its_own():
    assert cut("uuau") == ["u", "ua", "u"]


def test_a_conversation_may_begin_with_an_answer():
    assert cut("aua") == ["a", "ua"]


def test_several_answers_stay_with_their_question():
    assert cut("uaau") == ["uaa", "u"]


def test_turns_are_numbered_from_1_and_lose_no_message():
    messages = conversation("auuaau")

    turns = turns_of(messages)

    assert [turn.number for turn in turns] == [1, 2, 3, 4]
    assert [message for turn in turns for message in turn.messages] == messages


def test_no_messages_are_no_turns():
    assert turns_of([]) == ()
