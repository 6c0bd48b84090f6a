"""Digests of raw files."""

import subprocess
import sys
from pathlib import Path


def test_a_run_that_fails_early_does_not_wait_for_digests(tmp_path: Path) -> None:
    (tmp_path / "taobao_train_data").write_text("a row\n")
    script = f"""
import time
from pathlib import Path
from smt_features import source_digests
from smt_features.sources import find_sources
from smt_schemas import taobao
source_digests.sha256 = lambda *_: time.sleep(600)
source_digests.SourceDigests(find_sources(Path({str(tmp_path)!r}), taobao()))
"""

    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
