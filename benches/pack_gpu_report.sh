#!/usr/bin/env bash
# Packs the GPU report into one folder that needs neither cargo nor a network: the program, burn's, the
# Vulkan loader with what NVIDIA's driver links to, the PyTorch script, MNIST and a script that runs it
# all.
#
#     bash benches/pack_gpu_report.sh FOLDER [FOLDER_OF_MNIST [BURN_WGPU]]
#
# There: bash FOLDER/run.sh [RESULTS], at most nine minutes, two result files. burn's program is built
# unless it is given, and left out if the folder would be larger than 40 MB.
set -euo pipefail
folder=$(realpath -m "${1:?usage: pack_gpu_report.sh FOLDER [FOLDER_OF_MNIST [BURN_WGPU]]}")
mnist=${2:-}
[ -z "$mnist" ] || mnist=$(realpath "$mnist")
burn=${3:-}
[ -z "$burn" ] || burn=$(realpath "$burn")
cd "$(dirname "$0")/.."

cargo build --release --bin gpu_report
if [ -z "$burn" ]; then
    burn=benches/peers/rust/target/release/burn_wgpu
    cargo build --release --features burn-wgpu --bin burn_wgpu \
        --manifest-path benches/peers/rust/Cargo.toml || echo "burn does not build"
fi
mkdir -p "$folder/lib" "$folder/mnist"
cp benches/peers/gpu_torch.py "$folder/"
# Without symbols and compressed: burn's is 76 MB.
pack() {
    strip -o "$folder/program" "$1" 2>/dev/null || cp "$1" "$folder/program"
    gzip -9 <"$folder/program" >"$folder/$2.gz"
    rm "$folder/program"
}
pack target/release/gpu_report gpu_report
# The loader, and what NVIDIA's libGLX_nvidia.so.0 links to, which a bare container may lack.
for name in libvulkan.so.1 libX11.so.6 libXext.so.6 libxcb.so.1 libXau.so.6 libXdmcp.so.6 \
    libbsd.so.0 libmd.so.0 libGLdispatch.so.0 libGLX.so.0 libEGL.so.1; do
    library=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p | awk -v name="$name" '$1 == name { print $NF; exit }')
    if [ -n "$library" ]; then cp -L "$library" "$folder/lib/$name"; else echo "no $name here"; fi
done
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
# Last, and without what the system has: its own come first.
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
"$programs/gpu_report" --out-dir "$results" --data-dir "$here/mnist" \
    --torch-script "$here/gpu_torch.py" --burn "$programs/burn_wgpu"
RUN
megabytes() { du -sm --apparent-size "$folder" | cut -f1; }
if [ -f "$burn" ]; then
    pack "$burn" burn_wgpu
    if [ "$(megabytes)" -gt 40 ]; then
        echo "left out, as the folder would have $(megabytes) MB: burn"
        rm "$folder/burn_wgpu.gz"
    fi
fi
[ "$(megabytes)" -le 40 ] || { echo "larger than 40 MB: $(megabytes)"; exit 1; }
echo "$(megabytes) MB in $folder"
