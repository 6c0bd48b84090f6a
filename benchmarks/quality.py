"""Measures what trained models are worth: their click AUC on rows of users they never saw.

    python benchmarks/quality.py synthetic [--rows 1000000] [--seeds 1]
    python benchmarks/quality.py folds RAW [--folds 5] [--seeds 3]
    python benchmarks/quality.py modes DATA [--seeds 3]

`synthetic` makes a log whose best attainable AUC is known. `folds` takes a folder with a real
log, deals its users into folds, and tests on each fold a model of the others. `modes` takes
prepared data and tells by how much the ways of computing that are not exact differ from the exact
one of the same seed. Everything runs as a user runs it: raw files, `smt prepare`, `smt train`, with
the settings of docs/training.md.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from smt_schemas import DatasetSchema, taobao

LARGE = (
    "--epochs 1 --initial-accumulator 1e-6 --lr-schedule cosine --warmup-steps 200 "
    "--l2-regularization 1e-4"
)
SETTINGS = {
    "synthetic": LARGE,
    "modes": LARGE,
    "folds": "--epochs 3 --optimizer adam --learning-rate 0.001 --lr-schedule cosine",
}
MODES = ("--async-embedding", "--bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    synthetic = commands.add_parser("synthetic", help="how near to the best attainable AUC")
    synthetic.add_argument("--rows", type=int, default=1_000_000)
    folds = commands.add_parser("folds", help="cross-validation by user on a real log")
    folds.add_argument("raw", type=Path, help="folder with the raw files of all splits")
    folds.add_argument("--folds", type=int, default=5)
    modes = commands.add_parser("modes", help="what --async-embedding and --bf16 cost")
    modes.add_argument("data", type=Path, help="shards folder, or the data folder")
    for command, seeds in ((synthetic, 1), (folds, 3), (modes, 3)):
        command.add_argument("--seeds", type=int, default=seeds, help="models of each data set")
        command.add_argument("--train", default=SETTINGS[command.prog.split()[-1]])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.command == "synthetic":
            measure_synthetic(Path(folder), arguments)
        elif arguments.command == "modes":
            measure_modes(arguments)
        else:
            measure_folds(Path(folder), arguments)


def measure_synthetic(folder: Path, arguments: argparse.Namespace) -> None:
    made = json.loads(smt("synth", folder, "--rows", arguments.rows, "--json"))
    best = made["test"]["best_click_auc"]
    smt("prepare", folder)
    print(f"{arguments.rows:,} rows; best attainable click AUC {best:.4f}; {arguments.train}")
    for seed in range(1, arguments.seeds + 1):
        found = train(folder, seed, arguments)
        reached = (found["auc"] - 0.5) / (best - 0.5)
        print(
            f"seed {seed}: click AUC {found['auc']:.4f}, {reached:.1%} of the way from 0.5; "
            f"log loss {found['log_loss']:.5f}, calibration {found['calibration']:.3f}"
        )


def measure_folds(folder: Path, arguments: argparse.Namespace) -> None:
    """Print each fold's AUC, the mean over folds and seeds, and its 95% interval.

    The mean weighs folds by their clicks. Its error is that of the test rows alone, by Hanley
    and McNeil 1982, for folds that are independent of each other; seeds share the rows, so they
    are averaged before.
    """
    schema = taobao()
    by_user = rows_by_user(arguments.raw, schema)
    users = sorted(by_user)
    random.Random(0).shuffle(users)
    print(f"{len(users):,} users in {arguments.folds} folds; {arguments.train}")
    weighted = variance = clicks = 0.0
    for number in range(arguments.folds):
        directory = folder / f"fold{number}"
        held_out = set(users[number :: arguments.folds])
        write(directory / schema.splits["train"], by_user, [u for u in users if u not in held_out])
        write(directory / schema.splits["test"], by_user, [u for u in users if u in held_out])
        smt("prepare", directory)
        found = [train(directory, seed, arguments) for seed in range(1, arguments.seeds + 1)]
        aucs = [result["auc"] for result in found]
        auc, positives, rows = sum(aucs) / len(aucs), found[0]["positives"], found[0]["rows"]
        print(
            f"fold {number}: click AUC {auc:.4f} ({min(aucs):.4f} to {max(aucs):.4f}), "
            f"{positives} clicks in {rows:,} rows"
        )
        weighted += positives * auc
        variance += (positives * standard_error(auc, positives, rows - positives)) ** 2
        clicks += positives
    print(f"click AUC {weighted / clicks:.4f} ± {1.96 * variance**0.5 / clicks:.4f}")


def measure_modes(arguments: argparse.Namespace) -> None:
    """Print the click AUC of each seed, exact and not, and the differences from the exact one."""
    print(arguments.train)
    for seed in range(1, arguments.seeds + 1):
        exact = train(arguments.data, seed, arguments)["auc"]
        line = f"seed {seed}: exact {exact:.5f}"
        for mode in MODES:
            found = train(arguments.data, seed, arguments, mode)["auc"]
            line += f"; {mode} {found:.5f} ({found - exact:+.5f})"
        print(line, flush=True)


def rows_by_user(raw: Path, schema: DatasetSchema) -> dict[bytes, list[bytes]]:
    position = [column.name for column in schema.columns].index(str(schema.user_column))
    rows = defaultdict(list)
    for name in schema.splits.values():
        for line in (raw / name).read_bytes().splitlines(keepends=True):
            rows[line.split(schema.csv.separator.encode())[position]].append(line)
    return rows


def write(path: Path, by_user: dict[bytes, list[bytes]], users: list[bytes]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(line for user in users for line in by_user[user]))


def train(data: Path, seed: int, arguments: argparse.Namespace, *mode: str) -> dict[str, Any]:
    """Return the metrics of the click task on the test split, and the rows of that."""
    with tempfile.TemporaryDirectory() as run:
        options = ("--data-location", data, "--checkpoint", run, "--seed", seed, "--json", *mode)
        result = json.loads(smt("train", *options, *arguments.train.split()))
    return {**result["tasks"]["ctr"], "rows": result["rows"]}


def standard_error(auc: float, positives: int, negatives: int) -> float:
    """Return that of an AUC (Hanley and McNeil 1982, equations 1 and 2)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    ) / (positives * negatives)
    return float(variance**0.5)


def smt(*arguments: object) -> str:
    command = [sys.executable, "-P", "-m", "smt_cli", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
