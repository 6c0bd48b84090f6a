import shlex
import subprocess
import sys

import pytest
import typer

from smt_cli.deeprec import BOOLEANS, NEUTRAL, OURS, REFUSED, VALUED, rewrite
from smt_cli.main import app
from smt_schemas import UsageError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("train --batch_size 64", "train --batch-size 64"),
        ("train --data_location=./my_data", "train --data-location=./my_data"),
        ("train --emb_fusion False", "train --no-emb-fusion"),
        ("train --emb_fusion true --steps 5", "train --emb-fusion --steps 5"),
        ("train --op_fusion=False", "train --no-op-fusion"),
        ("train --smartstaged --bf16", "train --smartstaged --bf16"),
        ("train --emb_fusion", "train --emb-fusion"),
        ("train --parquet_dataset_shuffle False", "train --no-shuffle"),
        ("train --parquet_dataset_shuffle", "train --shuffle"),
        # What asks for nothing is dropped, with its value.
        ("train --ev False --steps 5", "train --no-ev --steps 5"),
        ("train --protocol grpc --bf16", "train --bf16"),
        ("train --protocol=grpc", "train"),
        (
            "train --input_layer_partitioner 0 --dense_layer_partitioner=0",
            "train --input-layer-partitioner 0 --dense-layer-partitioner=0",
        ),
        ("train --micro_batch 0 --steps 4", "train --steps 4"),
        ("train --micro_batch 3", "train --micro-batch=3"),
        ("train --incremental_ckpt 60 --ev_filter None", "train --incremental-ckpt 60"),
        ("train --parquet_dataset True --workqueue false", "train --no-workqueue"),
        ("train --output_dir true", "train --output-dir true"),
        ("train -- --a_b", "train -- --a_b"),
        ("train --no_eval run_1", "train --no-eval run_1"),
        ("train --ev True --ev_filter counter", "train --ev --ev-filter=counter"),
        ("train --ev False --ev_elimination None", "train --no-ev"),
        ("train --adaptive_emb true", "train --adaptive-emb"),
        (
            "train --multihash True --multihash_operation mul",
            "train --multihash --multihash-operation mul",
        ),
        ("train --multihash False", "train --no-multihash"),
        ("train --ev True --dynamic_ev True", "train --ev --dynamic-ev"),
        ("train --dynamic_ev False", "train --no-dynamic-ev"),
        ("train --group_embedding True", "train --emb-fusion"),
        ("train --group_embedding False", "train"),
    ],
)
def test_deeprecs_spelling_becomes_ours(written: str, meant: str) -> None:
    assert rewrite(written.split()) == meant.split()


ASKED = [
    ("--protocol star_server", "--protocol has no value but grpc"),
    ("--protocol grpc++", "--protocol has no value but grpc"),
    ("--parquet_dataset False", "smt prepare --format tfrecord"),
]


@pytest.mark.parametrize(("written", "words"), ASKED)
def test_what_has_no_meaning_here_is_refused_in_one_line(written: str, words: str) -> None:
    for spelling in (written, written.replace("_", "-", 2)):
        with pytest.raises(UsageError) as caught:
            rewrite(["train", *shlex.split(spelling)])
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


DOCUMENTED = """
--data_location --steps --no_eval --batch_size --output_dir --checkpoint --checkpoint_dir
--save_steps --seed --timeline --keep_checkpoint_max --learning_rate --l2_regularization
--protocol --inter --intra --input_layer_partitioner --dense_layer_partitioner --bf16
--optimizer --micro_batch --ev --adaptive_emb --ev_elimination --ev_filter --dynamic_ev
--multihash --incremental_ckpt --workqueue --parquet_dataset --parquet_dataset_shuffle
"""


def test_every_option_of_deeprecs_page_and_script_is_known() -> None:
    train = typer.main.get_group(app).commands["train"]
    known = REFUSED.keys() | NEUTRAL | OURS.keys()
    for parameter in train.params:
        known |= {*parameter.opts, *parameter.secondary_opts}
    assert [name for name in DOCUMENTED.split() if name.replace("_", "-") not in known] == []


def test_every_refused_option_has_a_value_that_asks_for_nothing() -> None:
    assert {f"--no-{name[2:]}" for name in REFUSED.keys() & BOOLEANS} <= NEUTRAL
    assert {form.partition("=")[0] for form in NEUTRAL if "=" in form} == VALUED


def test_a_refused_option_exits_with_2() -> None:
    typed = [sys.executable, "-m", "smt_cli", "train", "--protocol", "grpc++"]
    run = subprocess.run(typed, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("Error: --protocol has no value but grpc")
    assert len(run.stderr.splitlines()) == 1
