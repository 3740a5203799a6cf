#!/usr/bin/env bash
# All that is measured on a machine with a CUDA GPU, in one call of at most ten minutes, without a network:
#
#     benches/peers/gpu.sh DIRECTORY [--bin DIRECTORY]
#
# writes into DIRECTORY: the parity suite, the benchmarks of the four networks, the report of `cargo bench`, PyTorch
# eager, compiled and in CUDA graphs beside ours, and the matrix products beside cuBLAS. Parity comes first: where it
# fails, what follows is measured but worth nothing, and the exit code is 1.
#
# --bin has `mnist-gpu`, `gemm` and `report`, built elsewhere for this kind of machine:
#
#     cargo build --release --bin mnist-gpu --bench gemm --bench report
#
# (cargo prints nothing of it, but the last two lie in target/release/deps with a hash behind their name). Without it
# cargo builds them here, which takes longer than the ten minutes. PYTHON is the interpreter that has PyTorch.
set -uo pipefail
if [ $# -lt 1 ]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
bin=
if [ "${2:-}" = --bin ]; then bin=$(cd "$3" && pwd); fi
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}

if [ -z "$bin" ]; then
    cargo build --release --quiet --bin mnist-gpu
    mkdir -p target/peers/bin
    for bench in gemm report; do
        built=$(cargo bench --no-run --bench "$bench" --message-format json 2>/dev/null |
            sed -n "s/.*\"name\":\"$bench\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -n 1)
        cp "$built" "target/peers/bin/$bench"
    done
    cp target/release/mnist-gpu target/peers/bin/
    bin=$(pwd)/target/peers/bin
fi

failed=0
# Seconds for everything; what does not fit is left out, and the summary says so.
limit=${LIMIT:-570}
# Runs a part for so many seconds at most; what it prints goes to files of its name.
part() {
    local seconds=$1 name=$2 begun=$SECONDS
    shift 2
    if [ $((limit - begun)) -lt "$seconds" ]; then seconds=$((limit - begun)); fi
    if [ "$seconds" -lt 5 ]; then
        echo "$name: no time was left" | tee -a "$out/summary.txt"
        return 1
    fi
    timeout "$seconds" "$@" >"$out/$name" 2>"$out/$name.err"
    local code=$?
    echo "$name: exit code $code after $((SECONDS - begun)) s" | tee -a "$out/summary.txt"
    [ -s "$out/$name.err" ] || rm -f "$out/$name.err"
    return $code
}

: >"$out/summary.txt"
{
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    "$bin/mnist-gpu" adapters
    cat /proc/loadavg
} >"$out/machine.txt" 2>&1

part 120 verify.json "$bin/mnist-gpu" verify --json || failed=1
# By name: what a network is, the sizes of its layers, and how many steps.
while read -r name layers batch steps; do
    part 30 "bench-$name.json" "$bin/mnist-gpu" bench --backend gpu --json \
        --layers "$layers" --batch-size "$batch" --steps "$steps" || failed=1
done <<'NETWORKS'
A 784,128,10 32 20000
B 784,128,10 128 20000
C 784,128,10 1024 5000
D 784,1024,1024,10 256 3000
NETWORKS
part 40 gemm-4096.json "$bin/gemm" --batch-size 4096 --inputs 4096 --units 4096 --json || failed=1
if "$python" -c 'import torch; assert torch.cuda.is_available()' 2>"$out/torch.err"; then
    rm -f "$out/torch.err"
    part 60 cublas-4096.json "$python" benches/peers/gemm_cuda.py --size 4096 || failed=1
    part 210 steps.txt "$python" benches/peers/steps.py --ours "$bin/mnist-gpu" --python "$python" \
        --only ours-gpu torch-eager-cuda torch-compile-cuda torch-graph-cuda torch-graphs-cuda jax-scan-cuda \
        --rounds 5 --seconds 0.5 --out "$out/steps.md" --json "$out/steps.json" || failed=1
else
    echo "PyTorch with CUDA is not there: ours alone" | tee -a "$out/summary.txt"
fi
part 130 report.txt "$bin/report" --out "$out/report.md" || failed=1
exit $failed
