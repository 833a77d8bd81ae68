#!/usr/bin/env bash
# Builds the kernel with its own test under AddressSanitizer and UndefinedBehaviorSanitizer, and runs it:
# bash native/sanitize.sh. Needs GCC; where there is none it says so and leaves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
if ! command -v g++ >/dev/null; then
  echo "no g++ here: the kernel is not run under sanitizers"
  exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

flags=(-std=c++17 -O1 -g1 -fopenmp -Wall -Wextra -Wno-psabi -Wno-maybe-uninitialized
  -fsanitize=address,undefined -fno-sanitize-recover=all)
objects=()
compile() {
  local name=$1
  shift
  objects+=("$scratch/$name.o")
  g++ "${flags[@]}" "$@" -c -o "$scratch/$name.o" &
}
compile baseline -DELMAN_VARIANT=baseline -DELMAN_NO_SHUFFLE variant.cpp
case $(uname -m) in
  x86_64 | amd64)
    compile avx2 -DELMAN_VARIANT=avx2 -mavx2 -mfma variant.cpp
    compile avx512 -DELMAN_VARIANT=avx512 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma variant.cpp
    flags+=(-DELMAN_X86)
    amx=(-mamx-tile -mamx-bf16)
    if g++ "${amx[@]}" -fsyntax-only -x c++ /dev/null 2>/dev/null; then
      # No sanitizer sees what the unit reads and writes, and few machines have one.
      flags+=(-DELMAN_EMULATED_UNIT)
      compile amx -DELMAN_VARIANT=amx -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma "${amx[@]}" variant.cpp
      flags+=(-DELMAN_AMX)
    fi
    ;;
esac
compile elman elman.cpp
compile classifier classifier.cpp
compile test_kernel test_kernel.cpp
wait
g++ "${flags[@]}" -o "$scratch/test_kernel" "${objects[@]}" -lpthread
# The runtime of OpenMP keeps its threads to the end, which is not a leak of the kernel's.
OMP_WAIT_POLICY=passive ASAN_OPTIONS=detect_leaks=0 "$scratch/test_kernel"
