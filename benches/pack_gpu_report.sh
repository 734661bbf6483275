#!/usr/bin/env bash
# Packs the GPU report into one folder that needs neither cargo nor a network: the program, the Vulkan
# loader, the PyTorch script, MNIST and a script that runs it all.
#
#     bash benches/pack_gpu_report.sh FOLDER [FOLDER_OF_MNIST]
#
# There: bash FOLDER/run.sh [RESULTS], at most nine minutes, two result files.
set -euo pipefail
folder=$(realpath -m "${1:?usage: pack_gpu_report.sh FOLDER [FOLDER_OF_MNIST]}")
mnist=${2:-}
[ -z "$mnist" ] || mnist=$(realpath "$mnist")
cd "$(dirname "$0")/.."

cargo build --release --bin gpu_report
mkdir -p "$folder/lib" "$folder/mnist"
cp target/release/gpu_report benches/peers/gpu_torch.py "$folder/"
strip "$folder/gpu_report" 2>/dev/null || true
loader=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p | sed -n 's/.*libvulkan\.so\.1 .*=> //p' | head -1)
[ -z "$loader" ] || cp -L "$loader" "$folder/lib/libvulkan.so.1"
for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
    for file in "$mnist/$name-ubyte.gz" "$mnist/$name-ubyte"; do
        if [ -n "$mnist" ] && [ -f "$file" ]; then cp "$file" "$folder/mnist/"; break; fi
    done
done
cat >"$folder/run.sh" <<'RUN'
#!/usr/bin/env bash
# Runs the GPU report: bash run.sh [RESULTS]
here=$(cd "$(dirname "$0")" && pwd)
results=${1:-$here/results}
# The system's own loader if it has one; the one beside this file where it has none.
if ! PATH=$PATH:/usr/sbin:/sbin ldconfig -p | grep -q 'libvulkan\.so\.1'; then
    export LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
# Where a container's toolkit leaves NVIDIA's driver outside the loader's folders.
if [ -z "${VK_DRIVER_FILES:-}" ]; then
    for icd in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json \
        /usr/local/nvidia/vulkan/icd.d/nvidia_icd.json; do
        standard=$(ls /usr/share/vulkan/icd.d/*nvidia* /etc/vulkan/icd.d/*nvidia* 2>/dev/null)
        if [ -f "$icd" ] && [ -z "$standard" ]; then export VK_DRIVER_FILES=$icd; break; fi
    done
fi
export NODEVICE_SELECT=1
exec "$here/gpu_report" --out-dir "$results" --data-dir "$here/mnist" \
    --torch-script "$here/gpu_torch.py"
RUN
du -sm "$folder" | awk '{ if ($1 > 40) { print "larger than 40 MB: " $1; exit 1 } print $1 " MB in " $2 }'
