#!/bin/sh
# wheelhouse.sh BASE
# Fills build/wheelhouse with every wheel that an image on BASE needs: the pinned versions of requirements.lock, their
# hashes checked, for the Python and C library of BASE, and Ropeteam itself. After this the image is built without any
# network. Asks BASE with `docker run`, and downloads with the pip of .venv, or of an environment of its own in build/.
set -eu
cd "$(dirname "$0")/.."

base=${1:?usage: wheelhouse.sh BASE}
docker=${DOCKER:-docker}
house=build/wheelhouse

# "3.12 x86_64 glibc 2.36": of the image, for this machine may have another Python.
# shellcheck disable=SC2016 # Python's dollar signs, not the shell's
found=$($docker run --rm --network none --entrypoint python3 "$base" -c '
import platform, sys, venv
libc, version = platform.libc_ver()
print("%d.%d" % sys.version_info[:2], platform.machine(), libc or "musl", version or "1.2")
') || {
  echo "wheelhouse: $base cannot be run, or has no python3 with venv" >&2
  exit 2
}
# shellcheck disable=SC2086 # four words
set -- $found
python=$1 machine=$2 libc=$3 minor=${4#*.}
minor=${minor%%.*}

wanted=$(cat requirements.lock scripts/wheelhouse.sh | sha256sum | cut -d' ' -f1)
wanted="$wanted $found"
mkdir -p "$house"
own=.venv/bin/python
if [ ! -x $own ]; then
  own=build/wheelhouse-env/bin/python
  [ -x $own ] || "$(sh scripts/python.sh)" -m venv build/wheelhouse-env
fi

if [ "$(cat build/wheelhouse.stamp 2>/dev/null)" != "$wanted" ]; then
  rm -f build/wheelhouse.stamp "$house"/*.whl
  case $libc in
  glibc) family=manylinux_2 first=5 legacy="manylinux1 manylinux2010 manylinux2014" ;;
  *) family=musllinux_1 first=1 legacy= ;;
  esac
  platforms=
  for name in $legacy; do platforms="$platforms --platform ${name}_$machine"; done
  while [ "$first" -le "$minor" ]; do
    platforms="$platforms --platform ${family}_${first}_$machine"
    first=$((first + 1))
  done
  echo "Downloading the wheels of requirements.lock for Python $python on $machine ($libc)"
  # shellcheck disable=SC2086 # a list of words
  $own -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
    --implementation cp --python-version "$python" --abi "cp$(printf %s "$python" | tr -d .)" --abi abi3 --abi none \
    $platforms --dest "$house" -r requirements.lock
  echo "$wanted" >build/wheelhouse.stamp
fi

rm -f "$house"/ropeteam-*.whl
$own -c 'import setuptools' 2>/dev/null || $own -m pip install --quiet --no-index "$house"/setuptools-*.whl
rm -rf build/wheel-source
mkdir -p build/wheel-source
# A copy, because setuptools leaves a folder build/lib, and what it finds there from before goes into the wheel.
cp -R pyproject.toml README.md protocol composefile controlplane nodeagent ropeteam static templates build/wheel-source/
find build/wheel-source -name __pycache__ -prune -exec rm -rf {} +
$own -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$house" ./build/wheel-source
rm -rf build/wheel-source
