#!/usr/bin/env bash
# Start the server: ./scripts/serve.sh [--studies DIR] [--host H] [--port P] [any option of monailabel start_server]
# Makes .venv and installs the requirements at the first start; without --studies it makes and serves a demo study.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

studies="" host=127.0.0.1 port=8000
rest=()
while [ $# -gt 0 ]; do
  case "$1" in
    --studies | -s | --host | -i | --port | -p)
      [ $# -ge 2 ] || { echo "error: $1 needs a value" >&2; exit 2; }
      case "$1" in
        --studies | -s) studies="$2" ;;
        --host | -i) host="$2" ;;
        --port | -p) port="$2" ;;
      esac
      shift 2
      ;;
    --app | -a) echo "error: --app is set by this script, expected another option" >&2; exit 2 ;;
    -h | --help) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    *) rest+=("$1"); shift ;;
  esac
done

ensure_environment requirements.txt requirements-nodeps.txt
ensure_package
export PATH="$VENV/bin:$PATH"
. "$REPOSITORY/scripts/memory.sh"
export MONAI_LABEL_TRACKING_ENABLED="${MONAI_LABEL_TRACKING_ENABLED:-false}"

if [ -z "$studies" ]; then
  studies="$REPOSITORY/studies/demo"
  if [ ! -e "$studies" ]; then
    making="$REPOSITORY/studies/.demo-$$"
    trap 'rm -rf "$making"' EXIT
    ccsd phantom --out "$making" --name demo
    mv -T "$making" "$studies"
    trap - EXIT
  fi
fi
case "$studies" in
  http://* | https://*) ;;
  *)
    [ -d "$studies" ] || { echo "error: --studies $studies is no folder" >&2; exit 2; }
    [ -w "$studies" ] || { echo "error: --studies $studies is not writable, labels are kept there" >&2; exit 2; }
    studies="$(cd "$studies" && pwd)"
    (ccsd inspect "$studies" --url "http://$host:$port" &)  # while the server starts
    ;;
esac

case "$host" in
  127.* | localhost | ::1) ;;
  *)
    if [ "${MONAI_LABEL_AUTH_ENABLE:-false}" != true ]; then
      echo "WARNING: --host $host lets everybody who reaches this machine see the studies, change labels and train;" \
        "authentication is off (docs/operate.md)" >&2
    fi
    ;;
esac

exec monailabel start_server --app "$REPOSITORY/apps/ccsd" --studies "$studies" \
  --uvicorn_app ccsd.server.app:app \
  --host "$host" --port "$port" ${rest[@]+"${rest[@]}"}
