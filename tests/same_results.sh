#!/usr/bin/env bash
# Compares the results of two builds to the last bit: the metrics of each epoch, the summary, the saved
# networks and the checkpoints of small runs of each kind, on the processor and on an adapter, and the
# results of the two spirals' Figure 5. For a change that must not change a number.
#
#     bash tests/same_results.sh OLD NEW [ADAPTER]
#
# OLD and NEW are folders with the programs train_mnist and bregman, such as target/release of two
# checkouts; ADAPTER (llvmpipe if it is not named) is a part of an adapter's name. Takes some minutes.
set -euo pipefail
old=$(realpath "${1:?usage: same_results.sh OLD NEW [ADAPTER]}")
new=$(realpath "${2:?usage: same_results.sh OLD NEW [ADAPTER]}")
adapter=${3:-llvmpipe}
export NODEVICE_SELECT=1
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
differences=0

# What a run leaves, without times, paths and what is drawn.
numbers() {
    sed -E 's/"[a-z_]*(seconds|per_second)": ?[^,}]*//g; s/"(out_dir|save)": ?("[^"]*"|null)//g' "$1"
}

compare() { # NAME FILE
    if cmp -s <(numbers "$folder/old/$2") <(numbers "$folder/new/$2"); then
        echo "same      $1: $2"
    else
        echo "DIFFERENT $1: $2"
        differences=$((differences + 1))
    fi
}

train() { # NAME OPTION…
    local name=$1 build
    shift
    for build in old new; do
        rm -rf "${folder:?}/$build"
        "${!build}/train_mnist" --dataset digits --limit-train 256 --limit-test 128 --epochs 2 \
            --out-dir "$folder/$build" --save "$folder/$build/network.safetensors" "$@" 2>/dev/null >/dev/null
    done
    for file in metrics.jsonl summary.json; do compare "$name" "$file"; done
    for file in "$folder"/old/network*.safetensors; do
        if cmp -s "$file" "$folder/new/$(basename "$file")"; then
            echo "same      $name: $(basename "$file")"
        else
            echo "DIFFERENT $name: $(basename "$file")"
            differences=$((differences + 1))
        fi
    done
}

for device in "--device cpu" "--adapter $adapter"; do
    small="$device --width 24 --hidden-layers 2"
    for layer in standard euclidean bregman; do
        # shellcheck disable=SC2086
        train "$device $layer" $small --layer $layer
    done
    # shellcheck disable=SC2086
    {
        train "$device primal" $small --form primal
        train "$device unfused" $small --unfused
        train "$device three realizations" $small --realizations 3
        train "$device sigmoid, validation" $small --activation sigmoid --loss mse --init deterministic --validation 50
        train "$device M" $device --width 40 --layer euclidean --batch-size 16
        train "$device cnn" $device --cnn --limit-train 32 --limit-test 16 --batch-size 16 --epochs 1
    }
done
for build in old new; do
    if [ -x "${!build}/bregman" ]; then spirals=("${!build}/bregman" spirals); else spirals=("${!build}/two_spirals"); fi
    rm -rf "${folder:?}/$build"
    "${spirals[@]}" --figure 5 --device cpu --epochs 100 --out-dir "$folder/$build" 2>/dev/null >/dev/null
done
compare "Figure 5" results.json
[ "$differences" = 0 ] || { echo "$differences differences"; exit 1; }
