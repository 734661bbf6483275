#!/usr/bin/env bash
# Training steps a second on the processor: ours, PyTorch, JAX, burn and candle, in turn, on two
# threads. Needs Python 3 and the registries on the first run; PEERS_VENV says where the Python packages
# go.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=${PEERS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/bregman-peers}
if ! [ -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet torch jax
fi
bench=$(cargo bench --bench processor --no-run --message-format json | "$venv/bin/python" -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "processor":
        print(message["executable"])')
rust=benches/peers/rust
cargo build --release --manifest-path $rust/Cargo.toml --features burn-cpu,candle
peers=(
    "ours=RAYON_NUM_THREADS=2 $bench --serve"
    "PyTorch=OMP_NUM_THREADS=2 $venv/bin/python benches/peers/torch_cpu.py"
    "JAX=$venv/bin/python benches/peers/jax_cpu.py"
    "burn=RAYON_NUM_THREADS=2 $rust/target/release/burn_cpu"
    "candle=RAYON_NUM_THREADS=2 $rust/target/release/candle_cpu"
    "torch.compile=OMP_NUM_THREADS=2 $venv/bin/python benches/peers/torch_cpu.py compiled"
)
exec "$venv/bin/python" benches/peers/cpu.py benches/results "${peers[@]}"
