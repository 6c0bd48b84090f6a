import pytest

from smt_cli.deeprec import rewrite


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("train --batch_size 64", "train --batch-size 64"),
        ("train --data_location=./my_data", "train --data-location=./my_data"),
        ("train --emb_fusion False", "train --no-emb-fusion"),
        ("train --emb_fusion true --steps 5", "train --emb-fusion --steps 5"),
        ("train --op_fusion=False", "train --no-op-fusion"),
        ("train --smartstaged --bf16", "train --smartstaged --bf16"),
        ("train --ev", "train --ev"),
        ("train --output_dir true", "train --output-dir true"),
        ("train -- --a_b", "train -- --a_b"),
        ("train --no_eval run_1", "train --no-eval run_1"),
    ],
)
def test_deeprecs_spelling_becomes_ours(written: str, meant: str) -> None:
    assert rewrite(written.split()) == meant.split()
