import json
from typing import Any

import pytest

from yuan_demo.core.errors import PageError
from yuan_demo.core.formats import FORMATS, PromptFormat
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Loading, Policy
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.scenes import Scene, pack, unpack

TALK = (Message("user", "a<sep>\n\ud83d b"), Message("assistant", " \t答 "))


@pytest.fixture(scope="module")
def defaults(tiny_loaded: Any) -> PageSettings:
    return PageSettings.defaults(ChatModel(tiny_loaded))


def test_the_defaults_are_those_of_the_model(defaults: PageSettings, tiny_loaded: Any):
    model = ChatModel(tiny_loaded)

    assert defaults.options() == model.default_options
    assert defaults.params() == model.default_params


@pytest.mark.parametrize("name", [*FORMATS, "custom"])
def test_a_scene_comes_back_whole_through_json(defaults: PageSettings, name: str):
    settings = defaults.changed(
        {
            "format": name,
            "turn_template": "Q: {user}\\nA: {assistant}\\n",
            "raw": True,
            "policy": "left_cut",
            "loading": "plain",
            "window": 100,
            "pinned": [1, 3],
            "greedy": False,
            "seed": 7,
        }
    )
    scene = Scene((TALK[1],), "draft <b>", settings)

    assert unpack(json.loads(json.dumps(pack(scene, defaults))), defaults) == scene


def test_a_link_names_only_what_differs_from_the_defaults(defaults: PageSettings):
    assert pack(Scene((), "", defaults), defaults) == {"m": []}
    packed = pack(Scene((), "x", defaults._replace(raw=True)), defaults)
    assert packed == {"m": [], "d": "x", "s": {"raw": True}}


@pytest.mark.parametrize(
    "packed",
    [
        None,
        "x",
        [],
        {},
        {"m": "x"},
        {"m": [["x", "y"]]},
        {"m": [["u"]]},
        {"m": [["u", 1]]},
        {"m": [["u", "\ud83d"]]},
        {"m": [["u", "x"]] * 2000},
        {"m": [], "d": 5},
        {"m": [], "d": "x" * 300_000},
        {"m": [], "s": 5},
        {"m": [], "s": {"format": "<b>"}},
        {"m": [], "s": {"format": ["x"]}},
        {"m": [], "s": {"format": "custom", "question_template": "x"}},
        {"m": [], "s": {"policy": 1}},
        {"m": [], "s": {"loading": None}},
        {"m": [], "s": {"pinned": ["1"]}},
        {"m": [], "s": {"pinned": "1"}},
        {"m": [], "s": {"temperature": "hot"}},
        {"m": [], "s": {"seed": -5}},
    ],
    ids=repr,
)
def test_what_is_no_scene_is_refused(defaults: PageSettings, packed: Any):
    with pytest.raises(PageError):
        unpack(packed, defaults)


def test_unknown_settings_of_a_link_are_passed_over(defaults: PageSettings):
    assert unpack({"m": [], "s": {"new": 1}}, defaults).settings == defaults


def test_options_and_settings_are_the_same_thing_twice(defaults: PageSettings):
    custom = PromptFormat("custom", "{user}\n{assistant}<eod>\n", "{user}\n<sep>")
    settings = defaults._replace(
        loading=str(Loading.PLAIN), policy=str(Policy.STOP), window=99, pinned=[2]
    )
    options = settings.options()

    assert settings.with_options(options).options() == options
    assert defaults.with_options(options).options() == options
    again = defaults.with_options(
        type(options)(200, 20, custom, True, Loading.NO_FLAGS, Policy.KEEP_FIRST, frozenset({1}))
    )
    assert again.turn_template == "{user}\\n{assistant}<eod>\\n"
    assert again.options().format == custom
