#!/usr/bin/env bash
# Ours, PyTorch's and burn's training steps and products on this machine's GPU, side by side, with the
# ratios, in benches/results/: bash benches/peers/gpu.sh [--adapter NAME]
set -euo pipefail
cd "$(dirname "$0")/../.."
# The first build takes minutes. Where burn is missing, the report says so.
cargo build --release --features burn-wgpu --bin burn_wgpu \
    --manifest-path benches/peers/rust/Cargo.toml || true
exec cargo run --release --bin bregman -- bench "$@"
