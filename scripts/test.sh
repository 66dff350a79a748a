#!/usr/bin/env bash
# Install what the tests need and run them: ./scripts/test.sh [pytest options]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$REPOSITORY"
ensure_environment requirements.txt requirements-nodeps.txt requirements-dev.txt
export PATH="$VENV/bin:$PATH"

# A real DICOMweb server for the tests; where it cannot be installed, they are skipped with a reason.
if [ ! -f /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] && command -v apt-get >/dev/null; then
  as_root=""
  [ "$(id -u)" = 0 ] || as_root="sudo -n"
  { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qy --no-install-recommends \
    orthanc orthanc-dicomweb; } >/dev/null 2>&1 || echo "Orthanc could not be installed, its tests are skipped" >&2
fi

ruff check
ruff format --check
mypy lib apps scripts
pytest "$@"
