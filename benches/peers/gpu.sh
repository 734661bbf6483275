#!/usr/bin/env bash
# Ours and PyTorch's training steps and products on this machine's GPU, side by side, with the ratios,
# in benches/results/: bash benches/peers/gpu.sh [--adapter NAME]
set -euo pipefail
cd "$(dirname "$0")/../.."
exec cargo run --release --bin gpu_report -- "$@"
