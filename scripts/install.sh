#!/bin/sh
# install.sh center [--listen H:P] [--public-url URL] [--insecure]            the Center as a systemd service
# install.sh agent --center URL --join TOKEN [--name N] [--address IP] [--insecure]   the agent as a systemd service
# install.sh remove center|agent                   takes the service away; applications and data stay
#   -y        do not ask
# Says what it will do, and asks before it changes anything. Run as root from this source tree; needs Python 3.11.
# WHEELS=DIR installs from wheels that are there already (scripts/wheelhouse.sh), without any network.
# DESTDIR=DIR installs below DIR and starts nothing: for packages, and for a look before it is done.
set -eu
cd "$(dirname "$0")/.."

root=${DESTDIR:-}
wheels=${WHEELS:-}
yes=${YES:-}

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install: %s\n' "$*" >&2
  exit 2
}
usage() {
  sed -n '2,4p' scripts/install.sh | cut -c3- >&2
  exit 2
}
value() { [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value"; }

verb=install
[ "${1:-}" = remove ] && verb=remove && shift
part=${1:-}
case $part in center | agent) shift ;; *) usage ;; esac

settings=
put() { # put VARIABLE VALUE: a line of the service's environment file
  case $2 in *[!A-Za-z0-9._:/@%+=,~-]*) fail "$2: such characters cannot stand in the settings file" ;; esac
  settings="$settings$1=$2
"
}

center= join=
while [ $# -gt 0 ]; do
  option=$1
  case $option in
  -y) yes=1 && shift && continue ;;
  --insecure) put ROPE_INSECURE 1 && shift && continue ;;
  esac
  value "$@"
  case $part$option in
  center--listen) put ROPE_LISTEN "$2" ;;
  center--public-url) put ROPE_PUBLIC_URL "$2" ;;
  agent--center) center=$2 && put ROPE_CENTER "$2" ;;
  agent--join) join=$2 && put ROPE_JOIN "$2" ;;
  agent--name) put ROPE_NAME "$2" ;;
  agent--address) put ROPE_ADDRESS "$2" ;;
  *) usage ;;
  esac
  shift 2
done

unit=ropeteam-$part.service
home=/opt/ropeteam
file=/etc/ropeteam/$part.env
data=/var/lib/ropeteam
[ "$part" = agent ] && data=/var/lib/ropeteam-agent

ask() {
  [ -n "$yes" ] && return 0
  [ -t 0 ] || fail "nobody to ask here: run it with -y"
  printf 'Go on? [y/N] '
  read -r answer
  case $answer in y | Y | yes | Yes) ;; *) fail "nothing was changed" ;; esac
}

check_machine() {
  [ -n "$root" ] && return 0
  [ "$(id -u)" = 0 ] || fail "root is needed (sudo sh scripts/install.sh …)"
  [ -d /run/systemd/system ] || fail "no systemd runs here: use the images instead (docs/install.md)"
}

remove() {
  check_machine
  say "This will:"
  say "  * stop $unit and remove it from /etc/systemd/system"
  say "Containers of applications go on. $data, $file and $home stay; remove them by hand when they are not needed."
  ask
  if [ -z "$root" ]; then
    systemctl disable --now "$unit" || true
  fi
  rm -f "$root/etc/systemd/system/$unit"
  [ -n "$root" ] || systemctl daemon-reload
  say "Gone."
}

install() {
  check_machine
  if [ "$part" = agent ] && [ ! -e "$data/identity.json" ]; then
    [ -n "$center" ] && [ -n "$join" ] ||
      fail "--center URL and --join TOKEN are needed: 'rope token create --process' on the Center prints them"
  fi
  python=$(sh scripts/python.sh) || fail "no Python 3.11 or newer here: apt-get install python3 python3-venv"
  "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python cannot make environments: apt-get install python3-venv"
  say "This will:"
  if [ -n "$wheels" ]; then
    say "  * install Ropeteam into $root$home, from $wheels"
  else
    say "  * install Ropeteam into $root$home, with $(grep -c '==' requirements.lock) pinned Python packages from your package index"
  fi
  say "  * link $root/usr/local/bin/rope to it"
  if [ -n "$settings" ]; then
    say "  * write the settings to $root$file, which only root can read"
  else
    say "  * keep the settings in $root$file, if there are any"
  fi
  say "  * put $unit into $root/etc/systemd/system"
  [ -n "$root" ] || say "  * start it now, and at each boot; its data will be in $data"
  ask

  mkdir -p "$root$home" "$root/usr/local/bin" "$root/etc/systemd/system" "$root/etc/ropeteam"
  chmod 0755 "$root/etc/ropeteam"
  "$python" -m venv "$root$home"
  pip="$root$home/bin/python -m pip --quiet --disable-pip-version-check"
  if [ -n "$wheels" ]; then
    $pip install --no-index --find-links "$wheels" --upgrade --force-reinstall ropeteam
  else
    $pip install --require-hashes -r requirements.lock
    # Only now, so that a copy of what was built before does not get into it.
    rm -rf build/lib
    $pip install --no-deps --no-build-isolation --force-reinstall .
  fi
  ln -sf "$home/bin/rope" "$root/usr/local/bin/rope"
  if [ -n "$settings" ]; then
    (umask 077 && printf '%s' "$settings" >"$root$file")
  fi
  cp "deploy/systemd/$unit" "$root/etc/systemd/system/$unit"
  chmod 0644 "$root/etc/systemd/system/$unit"
  if [ -n "$root" ]; then
    say "Installed below $root; nothing was started."
    return
  fi
  systemctl daemon-reload
  systemctl enable "$unit"
  systemctl restart "$unit"
  say "It runs: systemctl status $unit, journalctl -u $unit"
  if [ "$part" = center ]; then
    say "The admin token was printed at its first start: journalctl -u $unit | grep 'Admin token'"
  fi
}

$verb
