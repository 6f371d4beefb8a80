"""Resolves a model, tokenizer or data name to a local folder; downloads it from the hub if necessary."""

import os
from pathlib import Path

from massivetext.errors import ModelError

HUB_SECONDS = 5.0  # maximum time for the hub to answer whether it knows a name
WANTED_FILES = ("*.json", "*.jinja", "*.safetensors", "*.txt", "*.model")


def find_folder(name: str | Path) -> Path:
    """Return the local folder (or file) that a model or tokenizer name stands for.

    Lookup order: a folder or file with that path; a folder with that name under $MASSIVETEXT_MODELS; the local Hugging
    Face cache; the hub, in one request with a short time limit. Only configuration, tokenizer and safetensors files are
    downloaded, never pickled weights. Raises ModelError that lists everything that was tried and why it failed.
    """
    try:
        path = Path(name).expanduser()
        if path.exists():
            return path
        tried = [f"no folder or file {path}"]
    except (OSError, RuntimeError, ValueError) as error:  # unknown user (~name), path too long, or U+0000
        tried = [f"no path: {getattr(error, 'strerror', None) or error}"]
    root = os.environ.get("MASSIVETEXT_MODELS")
    if root:
        under = Path(root).expanduser() / name
        if under.exists():
            return under
        tried.append(f"no folder {under} ($MASSIVETEXT_MODELS)")
    else:
        tried.append("$MASSIVETEXT_MODELS is not set")
    if _can_be_hub_name(str(name)):
        found = _cached(str(name), tried) or _from_hub(str(name), tried)
        if found is not None:
            return found
    else:
        tried.append("a path like this cannot be a name on the Hugging Face hub")
    reasons = "\n".join(f"  - {reason}" for reason in tried)
    raise ModelError(
        f"no model or tokenizer named {str(name)!r} was found. Tried:\n{reasons}\n"
        f"Give the path of a folder, put the folder under $MASSIVETEXT_MODELS, or fetch it once with a network: "
        f"hf download {name}"
    )


def _can_be_hub_name(name: str) -> bool:
    """Return whether `name` is a valid hub name: OWNER/NAME or NAME, with letters, digits, '-', '_' and '.'."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _cached(name: str, tried: list[str]) -> Path | None:
    """Return the newest copy of `name` in the local Hugging Face cache; if none, append the reason to `tried`."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True, allow_patterns=list(WANTED_FILES)))
    except LocalEntryNotFoundError:
        tried.append("not in the local Hugging Face cache")
        return None
    if not any(folder.iterdir()):
        tried.append("the local Hugging Face cache holds it without any file")
        return None
    return folder


def _from_hub(name: str, tried: list[str]) -> Path | None:
    """Download `name` and return its folder; if that fails, append the hub's answer to `tried` and return None."""
    from huggingface_hub import HfApi, constants, snapshot_download

    if constants.HF_HUB_OFFLINE:
        tried.append("the Hugging Face hub was not asked ($HF_HUB_OFFLINE is set)")
        return None
    try:
        # One cheap request first: without a network, the download itself would retry for a long time.
        HfApi().model_info(name, timeout=HUB_SECONDS)
    except Exception as error:  # whatever the HTTP layer raises becomes one line of the final error
        answer = str(error).strip().splitlines()
        tried.append(f"the Hugging Face hub: {type(error).__name__}: {answer[0] if answer else 'no answer'}")
        return None
    return Path(snapshot_download(name, allow_patterns=list(WANTED_FILES), etag_timeout=HUB_SECONDS))
