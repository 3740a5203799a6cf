#!/bin/sh
# Runs the whole test suite. The GPU tests need a Vulkan adapter: where there is none, Debian and
# Ubuntu have Mesa's software one, which is installed here.
set -eu
cd "$(dirname "$0")"

adapters() {
    cargo run --release --quiet -- adapters --json
}

if [ "$(adapters)" = "[]" ]; then
    install="apt-get update && apt-get install -y --no-install-recommends libvulkan1 mesa-vulkan-drivers"
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "There is no Vulkan adapter on this machine. As root, on Debian or Ubuntu, run" >&2
        echo "    $install" >&2
        echo "or install your GPU's Vulkan driver, and try again." >&2
        exit 1
    fi
    echo "There is no Vulkan adapter on this machine: installing Mesa's software adapter." >&2
    DEBIAN_FRONTEND=noninteractive sh -c "$install" >&2
    if [ "$(adapters)" = "[]" ]; then
        echo "Mesa's software adapter is installed, but wgpu does not find it." >&2
        exit 1
    fi
fi

# Without a desktop session, Mesa's device-select layer prints an error for each look at the adapters.
[ -n "${XDG_RUNTIME_DIR:-}" ] || export NODEVICE_SELECT=1
exec cargo test --release "$@"
