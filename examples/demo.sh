#!/bin/sh
# What `make demo` runs: the whole path on synthetic rows, in the folder demo/.
set -eu
PATH="${BIN:-.venv/bin}:$PATH"

bold='' plain=''
if [ -t 1 ]; then bold='\033[1m' plain='\033[0m'; fi

step() {
  printf "\n$bold%s$plain\n\$ %s\n" "$1" "$2"
  sh -c "$2"
}

rm -rf demo
step "1. Make 100,000 rows like Alibaba's Taobao log" \
     "smt synth demo/data --rows 100000"
step "2. Validate, hash, shuffle and write shards" \
     "smt prepare demo/data"
step "3. See what the log holds and what hashing did to it" \
     "smt inspect-stats demo/data --split train"
step "4. Train click and conversion towers in BF16 for 300 steps" \
     "smt train --bf16 --data-location demo/data --steps 300 --output-dir demo/result"
step "5. Evaluate the run in a fresh process" \
     "smt evaluate demo/result/model_* --data-location demo/data"

printf '\nOutputs: demo/data (raw log), demo/data/shards (dataset), demo/result (run)\n'
