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

# ensure_environment FILE...: installs the requirement files, in order; *-nodeps.txt without dependencies.
# The stamp is written last, so an install that was killed is done again; the lock keeps two starts apart.
ensure_environment() {
  local wanted stamp="$VENV/.installed" python file
  wanted="$(cd "$REPOSITORY" && cat "$@" | sha256sum | cut -d' ' -f1)"
  mkdir -p "$VENV"
  exec 9>"$VENV/.lock"
  flock 9
  if ! grep -qsx "$wanted" "$stamp"; then
    if [ ! -x "$VENV/bin/python" ]; then
      python="$(find_python)"
      "$python" -m venv "$VENV"
    fi
    for file in "$@"; do
      echo "installing $file into $VENV (once; a few minutes)" >&2
      case "$file" in
        *-nodeps.txt) "$VENV/bin/python" -m pip install -q --no-deps -r "$REPOSITORY/$file" ;;
        *) "$VENV/bin/python" -m pip install -q -r "$REPOSITORY/$file" ;;
      esac
    done
    echo "$wanted" >>"$stamp"
  fi
  flock -u 9
  exec 9>&-
}
