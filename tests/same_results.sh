#!/usr/bin/env bash
# Compares the results of two builds to the last bit: the metrics of each epoch, the summary, the saved
# networks and the checkpoints of small runs of each kind, on the processor and on an adapter, and the
# results of the two spirals' Figure 5. For a change that must not change a number.
#
#     bash tests/same_results.sh OLD NEW [ADAPTER]
#
# OLD and NEW are folders with the programs train_mnist and bregman, such as target/release of two
# checkouts; ADAPTER (llvmpipe if it is not named) is a part of an adapter's name. Takes some minutes, and
# python3 with nothing but its standard library.
set -euo pipefail
old=$(realpath "${1:?usage: same_results.sh OLD NEW [ADAPTER]}")
new=$(realpath "${2:?usage: same_results.sh OLD NEW [ADAPTER]}")
adapter=${3:-llvmpipe}
export NODEVICE_SELECT=1
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
differences=0

# What a file has, as text: the values of JSON, and the metadata and tensors of safetensors; without times,
# paths, the version of the program, and the data's sha256, which older programs do not write.
cat >"$folder/contents.py" <<'PYTHON'
import hashlib, json, struct, sys

LEFT_OUT = {"out_dir", "out-dir", "save", "data_sha256", "bregman_version"}

def kept(name):
    return name not in LEFT_OUT and not name.endswith(("seconds", "per_second"))

def values(found):
    if isinstance(found, dict):
        return {name: values(value) for name, value in found.items() if kept(name)}
    if isinstance(found, list):
        return [values(value) for value in found]
    return found

def show(found):
    print(json.dumps(values(found), sort_keys=True))

def safetensors(content):
    end = 8 + struct.unpack("<Q", content[:8])[0]
    tensors = json.loads(content[8:end])
    metadata = tensors.pop("__metadata__", {})
    # Some entries are JSON themselves.
    for name, text in metadata.items():
        if text.startswith(("{", "[")):
            metadata[name] = json.loads(text)
    show(metadata)
    for name, tensor in sorted(tensors.items()):
        if kept(name):
            first, last = tensor["data_offsets"]
            sha256 = hashlib.sha256(content[end + first:end + last]).hexdigest()
            print(name, tensor["dtype"], tensor["shape"], sha256)

path = sys.argv[1]
with open(path, "rb") as file:
    content = file.read()
if path.endswith(".safetensors"):
    safetensors(content)
elif path.endswith(".jsonl"):
    for line in content.splitlines():
        show(json.loads(line))
else:
    show(json.loads(content))
PYTHON

contents() {
    python3 "$folder/contents.py" "$1"
}

compare() { # NAME FILE
    local a b
    if a=$(contents "$folder/old/$2") && b=$(contents "$folder/new/$2") && [ "$a" = "$b" ]; then
        echo "same      $1: $2"
    else
        echo "DIFFERENT $1: $2"
        differences=$((differences + 1))
    fi
}

train() { # NAME OPTION…
    local name=$1 build file
    shift
    for build in old new; do
        rm -rf "${folder:?}/$build"
        "${!build}/train_mnist" --dataset digits --limit-train 256 --limit-test 128 --epochs 2 \
            --checkpoint-every 1 --out-dir "$folder/$build" --save "$folder/$build/network.safetensors" "$@" \
            2>/dev/null >/dev/null
    done
    for file in metrics.jsonl summary.json checkpoint.safetensors; do compare "$name" "$file"; done
    for file in "$folder"/old/network*.safetensors; do compare "$name" "$(basename "$file")"; done
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
