"""Writes a guessed schema as TOML, with its comments."""

import json
import re

from smt_features.infer_column import Guess
from smt_schemas import CsvFormat

_USER_ID = re.compile(r"(^|_)(user|uid|visitor|member)(_?id)?$", re.IGNORECASE)


def schema_text(file: str, stem: str, csv: CsvFormat, guesses: list[Guess], seen: str) -> str:
    """Return the TOML of a guessed schema.

    Parameters
    ----------
    file
        Name of the file that was looked at.
    stem
        The same without its extension.
    csv
        Its format.
    guesses
        Its columns.
    seen
        Which rows were looked at, in words.
    """
    lines = [
        f"# Guessed by `smt schema infer` from {file}: {seen}.",
        "# Read every comment, correct what is wrong, then run `smt prepare` with --schema.",
        "",
        f"name = {_value(re.sub(r'[^A-Za-z0-9_-]', '_', 'log_' + stem)[:64])}",
        *_user_column(guesses),
        "",
        "[csv]",
        f"separator = {_value(csv.separator)}",
        f"header = {_value(csv.header)}  # {_HEADER[csv.header]}",
        "",
        "# A split for each file or group of files, such as train and test.",
        "[splits]",
        f"train = {_value(stem)}",
    ]
    for guess in guesses:
        lines += ["", *(f"# {comment}" for comment in guess.comments)]
        lines += ["[[columns]]"] if guess.settings else []
        lines += [f"{key} = {_value(value)}" for key, value in guess.settings.items()]
    return "\n".join(lines) + "\n"


_HEADER = {
    True: "The first line looks like names.",
    False: "The first line looks like data. Rename the columns below.",
}


def _user_column(guesses: list[Guess]) -> list[str]:
    names = [
        str(guess.settings["name"])
        for guess in guesses
        if guess.is_feature and "separator" not in guess.settings
    ]
    why = "# The feature that tells users apart, for metrics by user and for smaller shards."
    for name in names:
        if _USER_ID.search(name):
            return [why, f"user_column = {_value(name)}"]
    return [why, '# user_column = "…"']


def _value(value: object) -> str:
    # Strings, numbers, truth values and lists of them read the same in JSON and TOML.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
