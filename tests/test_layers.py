"""core <- model <- engine <- ui <- app.py: imports go one way.

`yuan_demo.bench` stands on top and may import all. `yuan_demo.settings` belongs to `app.py`, which
reads it before the imports that take seconds: of the model layer it takes the name of a folder,
and of other people's packages none. The server of `ui` gets the settings handed in.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "yuan_demo"
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))

OURS = {
    "core": {"core"},
    "settings.py": {"core", "model"},
    "model": {"core", "model"},
    "engine": {"core", "model", "engine"},
    "ui": {"core", "engine", "ui", "settings"},
    "bench": {"core", "model", "engine", "ui", "settings", "bench"},
}
FORBIDDEN = {
    "model": {"gradio"},
    "engine": {"gradio"},
    "ui": {"torch", "transformers", "sentencepiece", "safetensors", "accelerate"},
    "bench": set(),
}
"""Packages of others that a layer may not import; core and settings may import none."""


def imports_of(file: Path) -> Iterator[str]:
    """Dotted names of everything that a file imports, inside functions as well."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_file_belongs_to_a_layer():
    assert {file.parts[0] for file in FILES} == {*OURS, "__init__.py"}


@pytest.mark.parametrize("file", [f for f in FILES if f.parts[0] != "__init__.py"], ids=str)
def test_a_file_imports_only_what_its_layer_may(file: Path):
    layer = file.parts[0]
    names = [name.split(".") for name in imports_of(file)]
    ours = {name[1] for name in names if name[0] == "yuan_demo"}
    others = {name[0] for name in names} - {"yuan_demo"} - sys.stdlib_module_names

    # What lies in the package itself, such as `yuan_demo.__version__`, belongs to no layer.
    assert ours & {*OURS, "settings"} <= OURS[layer]
    assert others & FORBIDDEN[layer] == set() if layer in FORBIDDEN else others == set()


def test_core_and_settings_load_nothing_heavy():
    modules = [
        ".".join(("yuan_demo", *file.with_suffix("").parts))
        for file in FILES
        if file.parts[0] in ("core", "settings.py")
    ]
    program = f"""
import importlib, sys
for name in {modules}:
    importlib.import_module(name)
heavy = {{"torch", "transformers", "gradio", "sentencepiece", "numpy"}}
print(*sorted(heavy & set(sys.modules)))
"""
    assert len(modules) > 8

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_can_be_read_in_one_sitting(file: Path):
    assert len((PACKAGE / file).read_text(encoding="utf-8").splitlines()) <= 400
