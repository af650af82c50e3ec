"""The README tells the truth about the tree, the flags and the pictures."""

import re
from pathlib import Path

import pytest

from yuan_demo.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = README[README.index("yuan_demo/\n") : README.index("## Measured")]


def test_tree_names_every_module_with_a_caption():
    named = set(re.findall(r"^\s+(\w+\.py) +\S", TREE, re.MULTILINE))
    modules = {
        path.name
        for path in (ROOT / "yuan_demo").rglob("*.py")
        if path.name != "__init__.py" and path.parent.name != "bench"
    }

    assert named == modules


def test_pictures_exist():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)

    assert len(pictures) >= 2
    assert [picture for picture in pictures if not (ROOT / picture).is_file()] == []


def test_named_flags_are_flags(capsys):
    with pytest.raises(SystemExit):
        load_settings(["--help"], {})
    help_text = capsys.readouterr().out

    assert [flag for flag in re.findall(r"`(--[a-z-]+)`", README) if flag not in help_text] == []


def test_both_languages_give_the_two_commands():
    assert README.count("make demo     #") == 2
    assert README.count("make test     #") == 2
