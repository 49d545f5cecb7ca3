#!/bin/sh
# Writes requirements.lock (what the product needs) and requirements-dev.lock (and what work on it needs): pinned
# versions with the hashes of every file, for every Python and platform. Versions stay unless UPGRADE=1.
# Uses uv in an environment of its own; changes nothing else.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PIP_FIND_LINKS || true
python=$(sh scripts/python.sh)
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv
echo 'setuptools>=77' >"$work/build.in"   # builds the project itself, which is installed without build isolation

write() { # write FILE OPTION...
  file=$1
  shift
  "$work/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --no-header ${UPGRADE:+--upgrade} \
    pyproject.toml "$work/build.in" "$@" --output-file "$file" >/dev/null
  { echo "# Written by 'make lock' from pyproject.toml. Install with: pip install --require-hashes -r $file"; cat "$file"; } >"$work/out"
  cat "$work/out" >"$file"
}

sed -i '/^#/d' requirements.lock requirements-dev.lock 2>/dev/null || true
write requirements.lock
write requirements-dev.lock --extra dev --constraint requirements.lock
if grep -nE '://|^-|/opt/|/root/' requirements.lock requirements-dev.lock; then
  echo "a lock file names an address or a path" >&2
  exit 1
fi
