#!/usr/bin/env bash
# Install what the tests need and run them: ./scripts/test.sh [--fast] [pytest options]
# --fast: without the tests that start servers or browsers or compute for long (SLOW in tests/conftest.py), and without
# the audit, which asks the internet.
set -euo pipefail
fast=""
if [ "${1:-}" = --fast ]; then
  fast=yes
  shift
fi
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$REPOSITORY"
ensure_environment requirements.txt requirements-nodeps.txt requirements-dev.txt
ensure_package
export PATH="$VENV/bin:$PATH"

# A real DICOMweb server and a real browser for the tests; where they cannot be installed, those tests are skipped with
# a reason.
install() {
  local as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo -n"
  { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qy --no-install-recommends \
    "$@"; } >/dev/null 2>&1 || echo "$* could not be installed, its tests are skipped" >&2
}
if [ -z "$fast" ] && command -v apt-get >/dev/null; then
  [ -f /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || install orthanc orthanc-dicomweb
  command -v chromium >/dev/null || install chromium
fi

if [ -z "$fast" ]; then
  python scripts/dev/audit.py >"$VENV/.audit.log" 2>&1 &  # it waits for an answer while the others compute
  audit=$!
fi
ruff check
ruff format --check
mypy lib/ccsd apps scripts
if [ -z "$fast" ]; then
  wait "$audit" || { cat "$VENV/.audit.log"; exit 1; }
  cat "$VENV/.audit.log"
fi

# A file of tests for each core at a time. Each with one thread: two that wait for one another's core are slower than one.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder ${fast:+-m "not slow"} "$@"
