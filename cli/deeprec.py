"""Accepts the spelling of DeepRec's script: ``--batch_size 64 --emb_fusion False``."""

from collections.abc import Sequence

BOOLEANS = frozenset(
    {
        "--smartstaged",
        "--emb-fusion",
        "--op-fusion",
        "--ev",
        "--adaptive-emb",
        "--dynamic-ev",
        "--workqueue",
        "--parquet-dataset",
        "--parquet-dataset-shuffle",
    }
)
"""Options to which DeepRec's script takes ``True`` or ``False`` as a value."""


def rewrite(arguments: Sequence[str]) -> list[str]:
    """Return command line arguments in this program's spelling.

    Underscores in the names of options become hyphens, and the two words of
    ``--emb_fusion False`` become ``--no-emb-fusion``. Values are left alone, and so is
    everything after ``--``.
    """
    rewritten: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*rewritten, word, *waiting]
        if not word.startswith("--"):
            rewritten.append(word)
            continue
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if name in BOOLEANS and not equals and waiting and _is_boolean(waiting[0]):
            equals, value = "=", waiting.pop(0)
        if name in BOOLEANS and _is_boolean(value):
            rewritten.append(name if value.lower() == "true" else f"--no-{name[2:]}")
        else:
            rewritten.append(name + equals + value)
    return rewritten


def _is_boolean(word: str) -> bool:
    return word.lower() in ("true", "false")
