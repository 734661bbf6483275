#!/usr/bin/env bash
# Runs the whole test suite, the GPU tests included: where Debian or Ubuntu has no Vulkan driver, the
# software driver is installed first (as root or through sudo).
set -euo pipefail
cd "$(dirname "$0")/.."

# Whether the Vulkan loader and a driver for it are there.
has_vulkan() {
    [[ "$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p)" == *libvulkan.so.1* ]] || return 1
    [ -n "${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}" ] && return 0
    local folder file
    for folder in /usr/share /usr/local/share /etc; do
        for file in "$folder"/vulkan/icd.d/*.json; do
            if [ -e "$file" ]; then return 0; fi
        done
    done
    return 1
}

if [ "$(uname)" = Linux ] && command -v apt-get >/dev/null && ! has_vulkan; then
    install='apt-get update && apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers'
    if [ "$(id -u)" = 0 ]; then
        bash -c "$install"
    elif command -v sudo >/dev/null; then
        sudo bash -c "$install"
    else
        echo "No Vulkan driver is installed. As root, run:  $install" >&2
        exit 1
    fi
fi

# Mesa's device chooser complains on machines without a desktop.
export NODEVICE_SELECT=1
export BREGMAN_REQUIRE_GPU=1
exec cargo test --release "$@"
