"""The recipe of docs/training.md is one that a run takes."""

from __future__ import annotations

from pathlib import Path

from gptasr_subs.training.options import read_recipe
from tests.support.pages import blocks, read_page


def test_the_recipe_sets_what_it_shows(tmp_path: Path) -> None:
    (recipe,) = blocks(read_page("docs/training.md"), "toml")
    (tmp_path / "recipe.toml").write_text(recipe)
    options = read_recipe(tmp_path / "recipe.toml")
    assert options.text.steps == 6000
    assert options.weights == {"libritts": 2, "noise": 3}
