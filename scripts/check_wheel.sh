#!/usr/bin/env bash
# Builds the wheel, installs it alone into an empty environment and runs it from another folder.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/.venv/bin/python" -m build --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 ||
  { cat "$work/build.log"; exit 1; }
wheel=$(ls "$work"/dist/*.whl)
if unzip -l "$wheel" 2>/dev/null | grep -qE ' (envs|assets|configs|tests|scripts)/' ||
  "$root/.venv/bin/python" -m zipfile -l "$wheel" | grep -qE '^(envs|assets|configs|tests|scripts)/'; then
  echo "the wheel carries a top-level folder that is not robo_ts" >&2
  exit 1
fi
"$root/.venv/bin/python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet -c "$root/constraints.txt" torch
"$work/venv/bin/python" -m pip install --quiet -c "$root/constraints.txt" "$wheel"
cd "$work"
"$work/venv/bin/robo-ts" list
"$work/venv/bin/robo-ts" pipeline task=quadrotor recipe=smoke run_dir="$work/run"
echo "wheel ok"
