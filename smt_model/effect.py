"""Refuses options that would change nothing, since what they are a detail of is not asked for."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from smt_model.config import TrainConfig, option
from smt_model.run_directory import CONFIG
from smt_schemas import UsageError


class Detail(NamedTuple):
    """Options that mean something to those who use them alone.

    Attributes
    ----------
    names
        The options.
    user
        Who uses them, in words.
    is_used
        Whether a run with these options does, or a feature.
    """

    names: tuple[str, ...]
    user: str
    is_used: Callable[[TrainConfig], object]


OF_RUN = (
    Detail(
        ("initial_accumulator",),
        "--optimizer adagrad or adagraddecay",
        lambda it: it.optimizer in ("adagrad", "adagraddecay"),
    ),
    Detail(
        ("accumulator_decay_steps", "accumulator_decay_rate"),
        "--optimizer adagraddecay",
        lambda it: it.optimizer == "adagraddecay",
    ),
    Detail(
        ("lr_decay_steps",),
        "--lr-schedule cosine or exponential",
        lambda it: it.lr_schedule != "constant",
    ),
    Detail(
        ("lr_decay_rate",), "--lr-schedule exponential", lambda it: it.lr_schedule == "exponential"
    ),
    Detail(("eval_steps",), "--eval, without an evaluator in TF_CONFIG", lambda it: it.evaluate),
    Detail(("early_stop_patience",), "--early-stop-metric", lambda it: it.early_stop_metric),
)
OF_FEATURES = (
    Detail(("adaptive_threshold",), "--adaptive-emb", lambda it: it.adaptive_emb),
    Detail(("filter_freq",), "--ev with --ev-filter", lambda it: it.ev and it.ev_filter),
    Detail(
        ("cbf_expected_keys", "cbf_false_positive_rate"),
        "--ev-filter cbf",
        lambda it: it.ev_filter == "cbf",
    ),
    Detail(("steps_to_live",), "--ev-elimination gstep", lambda it: it.ev_elimination == "gstep"),
    Detail(("l2_threshold",), "--ev-elimination l2", lambda it: it.ev_elimination == "l2"),
    Detail(
        ("dynamic_ev_block_size", "dynamic_ev_blocks", "dynamic_ev_growth"),
        "--dynamic-ev",
        lambda it: it.dynamic_ev,
    ),
    Detail(("multihash_divisor", "multihash_operation"), "--multihash", lambda it: it.multihash),
    Detail(("ev_capacity",), "--ev or --adaptive-emb", lambda it: it.owns_vectors),
)
"""Those that a column may use, too: one of the schema, or of a file of options."""

DETAILS = OF_RUN + OF_FEATURES


def require_effect(
    config: TrainConfig, run: Path | str | None, details: Sequence[Detail] = DETAILS
) -> None:
    """Refuse options that would change nothing, unless they have their defaults.

    A run that began with such options, before they were refused, goes on.

    Parameters
    ----------
    config
        The options, with those that the schema has for its columns.
    run
        The directory of the run, which may hold one that is gone on with; None for a new one.
    details
        What to look at; `OF_RUN` while the schema is not known.

    Raises
    ------
    UsageError
        Naming all of them, and who would use them.
    """
    file = Path(run, CONFIG) if run else None
    known = TrainConfig.from_json(file) if file and file.exists() else TrainConfig()
    found = [
        f"{place}{option(name)} {value} would change nothing: it is for {detail.user}"
        for detail in details
        for name in detail.names
        for place, value in _idle(name, detail.is_used, config, known)
    ]
    if found:
        raise UsageError("; ".join(found))


def _idle(
    name: str, is_used: Callable[[TrainConfig], object], config: TrainConfig, known: TrainConfig
) -> Iterator[tuple[str, object]]:
    """Yield where an option is given and not used, and its value."""
    default = TrainConfig.model_fields[name].default
    users = [config]
    for column, values in config.columns.items():
        feature = config.model_copy(update=config.changed(values).model_dump())
        if name not in values:
            users.append(feature)
        elif not is_used(feature):
            before = known.columns.get(column, {}).get(name)
            if values[name] not in (default, before):
                yield f"column {column}: ", values[name]
    value = getattr(config, name)
    if value not in (default, getattr(known, name)) and not any(map(is_used, users)):
        yield "", value
