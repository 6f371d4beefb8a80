"""The command line: `massivetext VERB`. Each verb parses its options, calls one function and prints the result.

Results go to stdout (`--json`: one JSON object), progress and messages to stderr. Exit status: 0 success, 1 failure,
2 incorrect use. Nothing slow is imported before a verb runs.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from massivetext.cli import models, runs
from massivetext.cli.corpus import corpus_app
from massivetext.cli.help import dress, error_line
from massivetext.cli.tokenizer import tokenizer_app
from massivetext.errors import ConfigError, MassiveTextError
from massivetext.interrupting import exit_status, watch_signals
from massivetext.translations import set_language, tr
from massivetext.visible import visible, visible_json

app = typer.Typer(
    name="massivetext",
    help="Turn raw English and Chinese text into a trained language model. Start with: massivetext run quickstart",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS: dict[str, Callable[..., None]] = {
    "run": runs.run_command,
    "train": runs.train_command,
    "evaluate": models.evaluate_command,
    "generate": models.generate_command,
    "chat": models.chat_command,
    "explain": models.explain_command,
    "report": runs.report_command,
    "export": models.export_command,
    "models": models.models_command,
    "doctor": runs.doctor_command,
    "schema": runs.schema_command,
}
"""The verbs in the order of `--help`; the command groups come after them."""
for verb, command in VERBS.items():
    app.command(verb)(command)
app.add_typer(corpus_app, name="corpus")
app.add_typer(tokenizer_app, name="tokenizer")


def _version(wanted: bool) -> None:
    if wanted:
        from massivetext import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Turn raw English and Chinese text into a trained language model. Start with: massivetext run quickstart."""
    set_language(None)


def main() -> None:
    """Run the command line. The package's errors become one message and exit status 1, or 2 for incorrect use.

    Ctrl-C ends with status 130 and SIGTERM with 143, after a running training has finished and saved its step.
    """
    # OpenMP threads should sleep while they wait. Spinning threads starve each other as soon as anything else runs on
    # the machine: a small model trained 1.6 times faster without them on two idle cores. Torch reads this on import.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    set_language(None)
    if sys.argv[1:2] != ["chat"]:  # in a chat, Ctrl-C only stops the reply
        watch_signals()
    try:
        dress(typer.main.get_command(app))()
    except MassiveTextError as error:
        if "--json" in sys.argv:
            found = {"error": type(error).__name__, "message": str(error)}
            print(visible_json(json.dumps(found, ensure_ascii=False)))
        print(error_line(visible(str(error))), file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except (KeyboardInterrupt, SystemExit) as end:
        # Typer turns every KeyboardInterrupt into a SystemExit(130) and keeps its message in the cause.
        status = exit_status()
        if status is None and not isinstance(end, KeyboardInterrupt):
            raise
        words = str(getattr(end.__context__, "__cause__", None) or end)
        default = tr("stopped; the same command resumes from here")
        print(words if words and not words.isdigit() else default, file=sys.stderr)
        sys.exit(status or 130)
    except OSError as error:
        print(error_line(visible(str(error))), file=sys.stderr)
        sys.exit(1)
