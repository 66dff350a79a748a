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

# install_locked: first of all the files that requirements/lock-*.txt know by hash (docs/operate.md). Which lock: that
# of the torch that pip would take here. A file other than its hash stops the start; whatever else fails is left to the
# requirement files, which come next. CCSD_LOCK: cpu or cuda chooses, off leaves it out.
install_locked() {
  local kind="${CCSD_LOCK:-}" lock torch offered log
  torch="$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$REPOSITORY/requirements.txt")"
  if [ -z "$kind" ]; then
    offered="$("$VENV/bin/python" -m pip index versions torch 2>/dev/null || true)"
    case "$offered" in *"$torch+cpu"*) kind=cpu ;; *) kind=cuda ;; esac
  fi
  case "$kind" in
    cpu | cuda) lock="$REPOSITORY/requirements/lock-$kind.txt" ;;
    off) return ;;
    *) echo "error: CCSD_LOCK is $kind, expected cpu, cuda or off" >&2; return 1 ;;
  esac
  echo "installing from ${lock##*/}: every file is compared with its hash (once; a few minutes)" >&2
  log="$VENV/.lock.log"
  if "$VENV/bin/python" -m pip install -q --no-deps --require-hashes -r "$lock" >"$log" 2>&1; then
    "$VENV/bin/python" "$REPOSITORY/scripts/dev/lock.py" check "$lock" >&2
  elif grep -q "DO NOT MATCH THE HASHES" "$log"; then
    sed -n '/DO NOT MATCH THE HASHES/,$p' "$log" >&2
    echo "error: the hash of a package differs from ${lock##*/}, nothing was installed; if your registry builds its own" \
      "packages and you trust it, start with CCSD_LOCK=off (docs/operate.md)" >&2
    return 1
  else
    tail -n 3 "$log" >&2
    echo "WARNING: ${lock##*/} cannot be installed here, packages are installed by version, hashes are not compared" >&2
  fi
}

# ensure_environment FILE...: installs each requirement file that changed, in order; *-nodeps.txt without dependencies.
# A file's stamp is written after its install, so one that was killed is done again; the lock keeps two starts apart.
ensure_environment() {
  local file stamp wanted options python locked
  mkdir -p "$VENV"
  exec 9>"$VENV/.lock"
  flock 9
  if [ ! -x "$VENV/bin/pip" ]; then
    python="$(find_python)"
    "$python" -m venv "$VENV"
  fi
  locked="$(cd "$REPOSITORY" && cat requirements{,-nodeps}.txt requirements/lock-*.txt | sha256sum)"
  if [ "$(cat "$VENV/.installed-lock" 2>/dev/null)" != "$locked" ]; then install_locked; fi
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
  echo "$locked" >"$VENV/.installed-lock"
  exec 9>&-
}

# ensure_package: `import ccsd` and the command `ccsd` are this repository's. After ensure_environment.
ensure_package() {
  local installed="$REPOSITORY $(sha256sum <"$REPOSITORY/pyproject.toml")"
  if [ "$(cat "$VENV/.installed-ccsd" 2>/dev/null)" != "$installed" ]; then
    "$VENV/bin/python" -m pip install -q --no-deps --no-build-isolation -e "$REPOSITORY"
    echo "$installed" >"$VENV/.installed-ccsd"
  fi
}
