# Sourced by serve.sh and test.sh: makes the virtual environment and installs requirement files when they changed.

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${CCSD_VENV:-$REPOSITORY/.venv}"

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3 python; do
    if command -v "$candidate" >/dev/null && "$candidate" -c \
      'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "error: Python 3.11 or 3.12 with venv is needed (MONAI Label does not run on 3.13), found none on PATH" >&2
  return 1
}

# ensure_environment FILE...: installs each requirement file that changed, in order; *-nodeps.txt without dependencies.
# A file's stamp is written after its install, so one that was killed is done again; the lock keeps two starts apart.
ensure_environment() {
  local file stamp wanted options python
  mkdir -p "$VENV"
  exec 9>"$VENV/.lock"
  flock 9
  if [ ! -x "$VENV/bin/pip" ]; then
    python="$(find_python)"
    "$python" -m venv "$VENV"
  fi
  for file in "$@"; do
    stamp="$VENV/.installed-$file"
    wanted="$(sha256sum <"$REPOSITORY/$file")"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
      echo "installing $file (once; a few minutes)" >&2
      options=()
      case "$file" in *-nodeps.txt) options=(--no-deps) ;; esac
      "$VENV/bin/python" -m pip install -q ${options[@]+"${options[@]}"} -r "$REPOSITORY/$file"
      echo "$wanted" >"$stamp"
    fi
  done
  exec 9>&-
}
