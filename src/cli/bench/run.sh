#!/usr/bin/env bash
# Runs `bregman bench` from a folder that `bregman bench --pack` made: bash run.sh [RESULTS [OPTION…]]
here=$(cd "$(dirname "$0")" && pwd)
results=${1:-$here/results}
shift || true
programs=$(mktemp -d)
trap 'rm -r "$programs"' EXIT
for file in "$here"/*.gz; do
    program=$programs/$(basename "$file" .gz)
    gzip -d <"$file" >"$program" && chmod +x "$program"
done
# Where a container's toolkit leaves NVIDIA's driver outside the linker's folders.
for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib; do
    if [ -d "$folder" ]; then LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder; fi
done
# Only the libraries that the system lacks, and last, so that the system's own are found first.
lacking=$programs/lib
mkdir "$lacking"
for library in "$here"/lib/*; do
    if ! PATH=$PATH:/usr/sbin:/sbin ldconfig -p | grep -qF "$(basename "$library") "; then
        cp "$library" "$lacking/"
    fi
done
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$lacking
# Some loaders find NVIDIA's driver only by its name, and an empty name hides all drivers.
if [ -z "${VK_DRIVER_FILES:-}" ]; then
    unset VK_DRIVER_FILES
    for icd in {/usr/local/nvidia/share,/usr/local/nvidia,/usr/share,/etc}/vulkan/icd.d/nvidia_icd*.json; do
        if [ -f "$icd" ]; then export VK_DRIVER_FILES=$icd; break; fi
    done
fi
export NODEVICE_SELECT=1
"$programs/bregman" bench --out-dir "$results" --data-dir "$here/mnist" \
    --torch-script "$here/gpu_torch.py" --burn "$programs/burn_wgpu" "$@"
