"""The verbs `massivetext tokenizer ...`."""

from pathlib import Path
from typing import Annotated

import typer

from massivetext.cli.options import JsonOption, part_of, recipe_verb, show

tokenizer_app = typer.Typer(help="Train or inspect a tokenizer.", rich_markup_mode=None, no_args_is_help=True)

tokenizer_app.command("train")(
    recipe_verb(
        "tokenizer",
        """Train the recipe's tokenizer on the training split of its corpus.

        Example: massivetext tokenizer train recipes/chinese.yaml --set tokenizer.vocab_size=8192
        """,
    )
)


@tokenizer_app.command("inspect")
def tokenizer_inspect(
    tokenizer: Annotated[str, typer.Argument(help="A tokenizer, model or run folder, or a name.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Text files to measure.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a tokenizer's vocabulary, its bytes per token in English and Chinese, and whether decoding is lossless.

    Example: massivetext tokenizer inspect runs/quickstart README.md README.zh-CN.md
    """
    from massivetext.tokens import inspecting
    from massivetext.tokens.auto import AutoTokenizer

    found = inspecting.summary(AutoTokenizer.from_pretrained(part_of(tokenizer, "tokenizer")), files or [])
    show(found, as_json, inspecting.summary_text)
