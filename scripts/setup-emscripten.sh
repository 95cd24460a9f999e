#!/usr/bin/env bash
# Installs Emscripten where `emcc` is missing or too old. Debian only; called by scripts/setup.mjs,
# which has looked for an emcc on PATH before. Idempotent.
#
#   Debian 13 or newer: the distribution's own emscripten package.
#   Debian 12: a private prefix in the user's cache folder. The host's packages stay as they are,
#     but for clang, lld and llvm of one version, which apt installs side by side.
#       channel "stable" (default): emscripten 3.1.69 and binaryen 120, unpacked from Debian 13,
#         with LLVM 19. These versions no longer move.
#       channel "latest" (EMSCRIPTEN_CHANNEL=latest): what Debian testing has (6.0.5 in November
#         2026), with LLVM 22. It proves the code against a current emsdk.
#
# Usage: setup-emscripten.sh <prefix> <smallest version>
set -euo pipefail

prefix=$1
min=$2
channel=${EMSCRIPTEN_CHANNEL:-stable}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "emscripten: $*"; }
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

# Two setups at once (`npm start` beside `npm test`) take turns; the second finds the work done.
mkdir -p "$(dirname "$prefix")"
exec 9>"$prefix.lock"
flock 9
[ -e "$prefix/.complete" ] && exit 0

. /etc/os-release
if [ "${VERSION_ID:-99}" -ge 13 ]; then
  as_root apt-get update -q
  apt_install emscripten
  have=$(emcc --version | sed -n '1s/.*[ )]\([0-9][0-9.]*\).*/\1/p')
  [ "$(printf '%s\n%s\n' "$min" "$have" | sort -V | head -1)" = "$min" ]
  exit 0
fi

case $channel in
  stable) suite=trixie llvm=19 ;;
  latest) suite=forky llvm=22 ;;
  *) say "unknown EMSCRIPTEN_CHANNEL $channel (stable, latest)"; exit 1 ;;
esac
case $(uname -m) in
  x86_64) triple=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
  aarch64) triple=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
  *) say "no recipe for $(uname -m)"; exit 1 ;;
esac

say "LLVM $llvm"
if ! dpkg -s "clang-$llvm" "lld-$llvm" "llvm-$llvm" >/dev/null 2>&1; then
  as_root apt-get update -q
  apt_install "clang-$llvm" "lld-$llvm" "llvm-$llvm"
fi

# The newer suite is read from the mirror this machine uses already, through a package index of our
# own: the host's apt never learns of it.
fields='$(REPO_URI) $(RELEASE) $(COMPONENT)'
mirror=$(apt-get indextargets --format "$fields" 'Created-By: Packages' |
  awk '$2 ~ /^(bookworm|oldstable)$/ && $3 == "main" {print $1; exit}')
[ -n "$mirror" ] || { say "this machine has no Debian 12 package source"; exit 1; }
mkdir -p "$work"/{lists/partial,cache/archives/partial,packages}
: >"$work/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
  >"$work/sources.list"
cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
say "package index of $suite"
APT_CONFIG=$work/apt.conf apt-get update -q
say "downloading (250 MB)"
(
  cd "$work/packages"
  APT_CONFIG=$work/apt.conf apt-get download -q emscripten binaryen node-acorn \
    libc6 libgcc-s1 libstdc++6
)

say "unpacking"
rm -rf "$prefix"
mkdir -p "$prefix"/{runtime,binaryen/bin}
# Only the system libraries that a single-threaded build without sanitizers links: 455 MB instead
# of 1.6 GB.
dpkg-deb --fsys-tarfile "$work"/packages/emscripten_*.deb |
  tar x -C "$prefix" --wildcards --exclude='*-mt*.a' --exclude='*-ww*.a' --exclude='*asan*.a' \
    --exclude='*ubsan*.a' --exclude='*lsan*.a' --exclude='libGL-*emu*' \
    --exclude='./usr/share/doc' --exclude='./usr/share/man'
mv "$prefix/usr/share/emscripten" "$prefix/em"
rm -rf "$prefix/usr"
dpkg -x "$work"/packages/node-acorn_*.deb "$work/acorn"
mv "$work/acorn/usr/share/nodejs" "$prefix/em/node_modules"

# binaryen is linked against a newer glibc than this Debian has: run it with its own loader.
for package in binaryen libc6 libgcc-s1 libstdc++6; do
  dpkg -x "$work/packages/${package}"_*.deb "$prefix/runtime"
done
usr=$prefix/runtime/usr
libraries=$usr/lib/$triple
for tool in "$usr"/bin/wasm*; do
  name=${tool##*/}
  printf '#!/bin/sh\nexec "%s/%s" --library-path "%s" "%s" "$@"\n' \
    "$libraries" "$loader" "$libraries" "$tool" >"$prefix/binaryen/bin/$name"
  chmod +x "$prefix/binaryen/bin/$name"
done

# A frozen cache keeps emcc from throwing away the prebuilt system libraries.
frozen=True
cache=
if [ "$channel" = latest ]; then
  frozen=False
  cache="CACHE = '$prefix/cache'"
  # Debian lowered emscripten to LLVM 21. With LLVM 22 that is put back: the expected version, and
  # being explicit about --no-stack-first.
  sed -i "s/^EXPECTED_LLVM_VERSION = .*/EXPECTED_LLVM_VERSION = $llvm/" \
    "$prefix/em/tools/shared.py"
  grep -q "'--no-stack-first'" "$prefix/em/tools/building.py" ||
    sed -i "s/^    cmd.append('--stack-first')\$/&\n  else:\n    cmd.append('--no-stack-first')/" \
      "$prefix/em/tools/building.py"
fi
cat >"$prefix/em/.emscripten" <<CONF
LLVM_ROOT = '$("llvm-config-$llvm" --bindir)'
BINARYEN_ROOT = '$prefix/binaryen'
NODE_JS = '$(command -v node)'
FROZEN_CACHE = $frozen
$cache
CONF

# A program like ours must build and run. On "latest" this also builds the system libraries.
say "trying it out"
cat >"$work/smoke.cc" <<'SOURCE'
#include <emscripten/bind.h>

#include <string>

std::string Greet(const std::string& name) { return "hello " + name; }

EMSCRIPTEN_BINDINGS(smoke) { emscripten::function("greet", &Greet); }
SOURCE
for level in -O1 -Oz; do
  "$prefix/em/em++" -std=c++23 "$level" -fno-exceptions -lembind -sMODULARIZE=1 -sEXPORT_ES6=1 \
    "$work/smoke.cc" -o "$work/smoke.mjs"
done
answer=$(node --input-type=module -e "
  const { default: create } = await import('$work/smoke.mjs')
  process.stdout.write((await create()).greet('wasm'))")
[ "$answer" = "hello wasm" ] || { say "the trial program answered '$answer'"; exit 1; }
touch "$prefix/.complete"
say "ready in $prefix"
