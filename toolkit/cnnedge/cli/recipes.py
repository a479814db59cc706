"""`cnnedge recipes`: what is shipped."""

from __future__ import annotations

import click
from rich.text import Text

from ..specs import parse_model, parse_recipe, plain, shipped
from . import output


@click.command(name="recipes")
@click.argument("name", required=False)
@output.json_option
@output.verbose_option
def command(name: str | None, json_file: str | None, verbose: bool) -> None:
    """List the shipped recipes, or print the YAML of NAME (to copy and change)."""
    if name:
        text, place = shipped.read("recipes", name)
        recipe = parse_recipe(text, place)
        if json_file:
            output.write_json(json_file, plain(recipe))
        if json_file != "-":
            click.echo(text, nl=False)
        return
    found = {n: parse_recipe(*shipped.read("recipes", n)) for n in shipped.names("recipes")}
    if json_file:
        output.write_json(json_file, {"recipes": {n: plain(r) for n, r in found.items()}})
    if json_file != "-":
        table = output.table()
        for column in ("recipe", "model", "input", "data", "description"):
            table.add_column(column, no_wrap=column != "description")
        for n, recipe in found.items():
            size = recipe.input or parse_model(*shipped.read("models", recipe.model)).input
            table.add_row(
                Text(n, style="bold"),
                recipe.model,
                "x".join(map(str, size.shape)),
                recipe.data.source,
                recipe.description,
            )
        output.results().print(table)
        output.note("next: cnnedge train NAME --out RUN, or cnnedge recipes NAME to read one")
