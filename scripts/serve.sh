#!/usr/bin/env bash
# Start the server: ./scripts/serve.sh [any option of ccsd serve, such as --studies DIR]
# Makes .venv and installs the requirements at the first start; without --studies it makes and serves a demo study.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ensure_environment requirements.txt requirements-nodeps.txt
ensure_package
export PATH="$VENV/bin:$PATH"
exec ccsd serve "$@"
