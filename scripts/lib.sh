# Copyright 2026 The ros_cloud_bridge authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
#
# What demo, test and check share; sourced by them. Sets ROOT and goes there.

set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
# Neither DDS traffic nor a test's broker ever leaves this machine.
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# as_root COMMAND...: run it as root, or fail without asking for a password on a dumb terminal.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    sudo "$@"
  else
    return 1
  fi
}

# apt_install PACKAGE...: by apt. (RUNLEVEL=1: where there is no systemd, no service is started.)
apt_install() {
  command -v apt-get >/dev/null || return 1
  local quiet=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -o Dpkg::Use-Pty=0)
  local install=("${quiet[@]}" install -y --no-install-recommends "$@")
  as_root "${install[@]}" >&2 2>/dev/null && return 0
  # A fresh machine knows no package before its first update.
  as_root "${quiet[@]}" update >&2 && as_root "${install[@]}" >&2
}

# need_node: runs the page's decoder as it was built; without it those tests are skipped.
need_node() {
  command -v node >/dev/null && return 0
  say 'installing nodejs'
  apt_install nodejs || say 'no node: the tests of the built decoder are skipped'
}

# need_page_sources: what the page's own tests need; nothing else here needs npm.
need_page_sources() {
  [ ! -d web/node_modules ] || return 0
  command -v npm >/dev/null && (cd web && npm ci --silent --no-audit --no-fund --no-update-notifier) >&2 ||
    { rm -rf web/node_modules; say 'no npm, or nothing from it: the tests of the page'"'"'s sources are skipped'; }
}

# need_mosquitto: a broker program, which demo and tests start themselves on ports of their own.
need_mosquitto() {
  PATH="$PATH:/usr/sbin:/usr/local/sbin"
  command -v mosquitto >/dev/null && return 0
  say 'installing mosquitto'
  # Debian starts the broker on port 1883 when it installs it; nobody here asked for that, so tell
  # its service manager not to, for as long as the installation takes.
  local unit=/etc/systemd/system/mosquitto.service mask=''
  if command -v systemctl >/dev/null && [ ! -e "$unit" ]; then
    mask=yes
    as_root mkdir -p "${unit%/*}" && as_root ln -s /dev/null "$unit" || mask=''
  fi
  local done=0
  apt_install mosquitto || done=$?
  if [ -n "$mask" ]; then
    as_root rm -f "$unit"
    # Installed but neither running nor started at the next boot: 'systemctl enable --now' does that.
    as_root systemctl disable mosquitto >/dev/null 2>&1 || true
  fi
  [ "$done" = 0 ] && command -v mosquitto >/dev/null ||
    die 'mosquitto is missing and could not be installed: as root, apt-get install mosquitto'
}

# need_chromium: a browser for the tests of the page, which skip without one and say so.
need_chromium() {
  command -v chromium chromium-browser google-chrome >/dev/null && return 0
  say 'installing chromium'
  apt_install chromium || say 'chromium could not be installed: tests of the page will skip'
}

# python_version PYTHON: prints '312' for 3.12; fails for what is no working Python of 3.10 or later.
python_version() {
  "$1" -c 'import sys
v = sys.version_info
sys.exit(1) if v < (3, 10) else print(v.major * 100 + v.minor)' 2>/dev/null
}

# find_python VERSION...: prints the first Python found, of the named versions first, then any >= 3.10.
find_python() {
  local wanted candidate roots=("${PYENV_ROOT:-$HOME/.pyenv}/versions")
  for wanted in "$@" ''; do
    for candidate in "python$wanted" "${roots[0]}/$wanted"*/bin/python3 \
      python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
      candidate="$(command -v "$candidate" 2>/dev/null)" || continue
      [ -z "$wanted" ] || [ "$(python_version "$candidate")" = "${wanted/./}" ] || continue
      python_version "$candidate" >/dev/null || continue
      # A shim or a link is not what a venv should point to.
      "$candidate" -c 'import sys; print(sys.executable)'
      return 0
    done
  done
  say 'installing python3'
  apt_install python3 python3-venv && candidate="$(command -v python3)" &&
    python_version "$candidate" >/dev/null || die 'no Python of 3.10 or later found'
  echo "$candidate"
}

# new_venv FOLDER PYTHON [OPTION...]
new_venv() {
  local folder="$1" python="$2"
  shift 2
  rm -rf "$folder"
  "$python" -m venv "$@" "$folder" >/dev/null 2>&1 && [ -x "$folder/bin/pip" ] && return 0
  # Debian and Ubuntu keep ensurepip in a package of its own.
  rm -rf "$folder"
  say 'installing python3-venv'
  local version
  version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  apt_install "python$version-venv" || apt_install python3-venv ||
    die "$python cannot make virtual environments: as root, apt-get install python3-venv"
  "$python" -m venv "$@" "$folder" || die "$python cannot make the virtual environment $folder"
}

# venv FOLDER PYTHON [--system-site-packages] -- PIP-ARGUMENT...
# Makes or reuses FOLDER, so that it holds what the arguments ask for. What made it is kept in a
# stamp: the second time nothing is done, and a change of any requirement, or of a file that
# VENV_FROM names, makes it anew.
VENV_FROM=()
venv() {
  local folder="$1" python="$2" options=() stamp now
  shift 2
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  stamp="$folder/.made-of"
  now="$({ printf '%s\n' "$python" "${options[@]-}" "$@"
    cat scripts/requirements/*.txt scripts/lib.sh setup.py "${VENV_FROM[@]-/dev/null}"; } | sha256sum)"
  if [ -x "$folder/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then
    return 0
  fi
  say "making $folder with $("$python" --version)"
  new_venv "$folder" "$python" ${options[@]+"${options[@]}"}
  "$folder/bin/pip" install --quiet --no-input "$@" >&2 ||
    die "could not install what $folder needs; the lines above say why"
  echo "$now" > "$stamp"
}

# requirements NAME...: sets PIP_ARGS to the pip arguments for these files.
requirements() {
  PIP_ARGS=()
  local name
  for name in "$@"; do PIP_ARGS+=(-r "scripts/requirements/$name.txt"); done
}

# ros_sourced: whether a ROS 2 of the machine's own is there.
ros_sourced() {
  [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ]
}
