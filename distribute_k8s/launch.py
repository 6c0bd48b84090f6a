"""What a container runs: `smt train` with the arguments given, set up for the cluster it is in.

    python launch.py --output_dir=/pvc --protocol=grpc --bf16

docs/kubernetes.md names the environment variables.
"""

import sys

from smt_model.k8s.launch import launch

if __name__ == "__main__":
    launch(sys.argv[1:])
