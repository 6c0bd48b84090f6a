"""Accepts the spelling of DeepRec's script: ``--batch_size 64 --emb_fusion False``.

The options are those of ``modelzoo/simple_multitask/train.py`` and of its README in
https://github.com/DeepRec-AI/DeepRec.
"""

from collections.abc import Sequence

BOOLEANS = frozenset(
    {
        "--smartstaged",
        "--emb-fusion",
        "--op-fusion",
        "--ev",
        "--adaptive-emb",
        "--dynamic-ev",
        "--multihash",
        "--workqueue",
        "--parquet-dataset",
        "--parquet-dataset-shuffle",
        "--group-embedding",
    }
)
"""Options to which DeepRec's script takes ``True`` or ``False`` as a value."""

OURS = {
    "--parquet-dataset-shuffle": "--shuffle",
    "--no-parquet-dataset-shuffle": "--no-shuffle",
    "--group-embedding": "--emb-fusion",
}
"""Options that have another name here."""

REFUSED = {
    "--protocol": "has no value but grpc: the others need DeepRec's own runtime.",
    "--no-parquet-dataset": "is decided when shards are made: smt prepare --format tfrecord",
}
"""Options that have no meaning here, and what is to be said of them."""

VALUED = frozenset(
    {
        "--ev-elimination",
        "--ev-filter",
        "--protocol",
        "--micro-batch",
    }
)
"""Those of them that take a value, and others with a value that asks for nothing."""

NEUTRAL = frozenset(
    {
        "--ev-elimination=None",
        "--ev-filter=None",
        "--no-group-embedding",
        "--protocol=grpc",
        "--micro-batch=0",
        "--parquet-dataset",
    }
)
"""What asks for nothing but what is done anyway."""


def rewrite(arguments: Sequence[str]) -> list[str]:
    """Return command line arguments in this program's spelling.

    Underscores in the names of options become hyphens, and the two words of
    ``--emb_fusion False`` become ``--no-emb-fusion``. Options that have no meaning here are
    dropped where they ask for what is done anyway (``--ev False``, ``--protocol grpc``).
    Values are left alone, and so is everything after ``--``.

    Raises
    ------
    UsageError
        When an option that has no meaning here asks for something.
    """
    rewritten: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*rewritten, word, *waiting]
        if word.startswith("--"):
            word = _option(word, waiting)
        if word not in NEUTRAL:
            rewritten.append(word)
    return rewritten


def _option(word: str, waiting: list[str]) -> str:
    """Return an option in our spelling; take its value from the waiting words where needed."""
    name, equals, value = word.partition("=")
    name = name.replace("_", "-")
    takes_next = (name in BOOLEANS and _is_boolean(waiting[:1])) or name in VALUED
    if takes_next and not equals and waiting:
        equals, value = "=", waiting.pop(0)
    if name in BOOLEANS and _is_boolean([value]):
        name = name if value.lower() == "true" else f"--no-{name[2:]}"
        equals = value = ""
    option = OURS.get(name, name) + equals + value
    if name in REFUSED and option not in NEUTRAL:
        from smt_schemas import UsageError

        msg = f"{name} {REFUSED[name]}"
        raise UsageError(msg)
    return option


def _is_boolean(words: Sequence[str]) -> bool:
    return any(word.lower() in ("true", "false") for word in words)
