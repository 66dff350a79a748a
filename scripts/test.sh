#!/usr/bin/env bash
# Install what the tests need and run them: ./scripts/test.sh [pytest options]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$REPOSITORY"
ensure_environment requirements.txt requirements-nodeps.txt requirements-dev.txt
export PATH="$VENV/bin:$PATH"

ruff check
ruff format --check
mypy lib apps scripts
pytest "$@"
