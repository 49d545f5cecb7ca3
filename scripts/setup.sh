#!/bin/sh
# setup.sh dev|demo|test|ci [-y]
#   dev   .venv with everything for work on Ropeteam (make setup)
#   demo  .venv with the product, the programs that three hosts need (when run as root), then the demo (make demo)
#   test  dev, and when run as root every program that the tests use (make test); silent when all is there
#   ci    dev, and every program that the tests use (.ci/run)
# Says what it will install and change, and asks before it touches the system, unless -y or YES=1.
set -eu
cd "$(dirname "$0")/.."

mode=${1:-dev}
yes=${YES:-}
[ "${2:-}" = "-y" ] && yes=1
case $mode in dev | demo | test | ci) ;; *)
  echo "usage: $0 dev|demo|test|ci [-y]" >&2
  exit 2
  ;;
esac

say() { printf '%s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 2
}
has() { command -v "$1" >/dev/null 2>&1; }
root() { [ "$(id -u)" = 0 ]; }

packages=
programs= # a package of which only the programs are taken: itself it would make a user and start a service
need() { # need PROGRAM PACKAGE
  has "$1" || packages="$packages $2"
}

static_busybox() { # ldd has nothing to list for a static program
  has busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1
}

find_packages() {
  if python=$(sh scripts/python.sh); then
    # Debian and Ubuntu ship Python without the part that makes environments.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || {
      version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
      packages="$packages python$version-venv"
    }
  else
    if has apt-get && root && [ -z "$(apt-cache search --names-only '^python3$')" ]; then
      say "Reading the list of system packages (apt-get update)"
      apt-get update -qq
    fi
    for version in 3.13 3.12 3.11; do
      if has apt-cache && [ -n "$(apt-cache search --names-only "^python$version-venv$" 2>/dev/null)" ]; then
        packages="$packages python$version python$version-venv"
        break
      fi
    done
    [ -n "$packages" ] || fail "no Python 3.11 or newer here, and no package of it: install one, or set PYTHON=/its/path"
  fi
  if [ "$mode" = ci ] || { [ "$mode" != dev ] && root; }; then
    need ip iproute2
    need iptables iptables
    need nsenter util-linux
    need dockerd docker.io # an engine that is there is used as it is
    static_busybox || packages="$packages busybox-static"
  fi
  if [ "$mode" = ci ] || { [ "$mode" = test ] && root; }; then
    need make make
    need docker-registry docker-registry
    need tmux tmux
    need debootstrap debootstrap # the base of our own images, where no public one can be pulled
    need docker docker.io
    need docker-compose docker-compose # for deploy/compose.yaml
    has promtool || [ -x .venv/bin/promtool ] || programs=prometheus
    ldconfig -p | grep -q libatomic.so.1 || packages="$packages libatomic1" # what drives Chromium needs it
    has chromium || packages="$packages chromium fonts-dejavu-core fonts-noto-cjk"
  fi
}

announce() {
  [ "$mode" = test ] && [ -z "$packages$programs" ] && return 0
  say "Ropeteam ${mode} will:"
  if [ -n "$packages" ]; then
    say "  * install these system packages with apt-get:$packages"
  else
    say "  * install no system package: all that is needed is there"
  fi
  [ -z "$programs" ] || say "  * put the programs of the package $programs into .venv/bin, without its service"
  say "  * make a Python environment in .venv with pinned versions"
  [ "$mode" = demo ] || return 0
  if root; then
    say "  * make a bridge 'ropedemo' (10.77.1.1) and three network namespaces with a Docker Engine of their own each,"
    say "    their data in /var/lib/rope-lab-demo; your own Docker Engine, if any, is not touched"
    say "  * set net.bridge.bridge-nf-call-iptables to 0 while the demo runs, and back afterwards"
    say "  * start the Center and three agents; their state is in .state/demo"
    say "'make demo-down' takes all of this back, except packages and .venv."
  else
    say "  * not root: start the Center and three agents on the Docker Engine you have; their state is in .state/demo"
    say "'make demo-down' takes this back, except .venv."
  fi
}

ask() {
  [ -n "$yes" ] && return 0
  [ "$mode" != demo ] && [ -z "$packages" ] && return 0
  [ -t 0 ] || fail "nobody to ask here: run it with -y, or make with YES=1"
  printf 'Go on? [y/N] '
  read -r answer
  case $answer in y | Y | yes | Yes) ;; *) fail "nothing was changed" ;; esac
}

install_packages() {
  [ -n "$packages" ] || return 0
  has apt-get || fail "please install these yourself, there is no apt-get here:$packages"
  root || fail "root is needed to install:$packages (sudo apt-get install --no-install-recommends$packages)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of words
  apt-get install -y -qq --no-install-recommends $packages >/dev/null
}

make_environment() {
  lock=requirements-dev.lock
  [ "$mode" = demo ] && lock=requirements.lock
  wanted=$(cat $lock pyproject.toml | sha256sum | cut -d' ' -f1)
  stamp=.venv/.ropeteam-$lock
  [ -f .venv/.ropeteam-$lock ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
  [ -x .venv/bin/python ] || "$(sh scripts/python.sh)" -m venv .venv
  say "Installing $(grep -c '==' $lock) pinned Python packages into .venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $lock
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
  printf '%s' "$wanted" >"$stamp"
}

take_programs() {
  [ -n "$programs" ] || return 0
  has apt-get || fail "please put prometheus and promtool on the PATH yourself, there is no apt-get here"
  folder=$(mktemp -d)
  (
    cd "$folder"
    apt-get download -qq -o APT::Sandbox::User=root "$programs" || {
      apt-get update -qq
      apt-get download -qq -o APT::Sandbox::User=root "$programs"
    }
    dpkg-deb --fsys-tarfile "$programs"_*.deb | tar -x ./usr/bin
  )
  mv "$folder"/usr/bin/* .venv/bin/
  rm -rf "$folder"
}

find_packages
announce
ask
install_packages
make_environment
take_programs
if [ "$mode" = demo ]; then
  exec .venv/bin/python -m lab demo-up -y
fi
[ "$mode" = test ] || say "Ready: 'make help' shows what there is."
