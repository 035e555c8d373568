#!/usr/bin/env bash
# Puts images where the kubelet finds them: load.sh ARCHIVE.tar... or load.sh NAME:TAG... (docker's).
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$STATE/loaded"
for image; do
  if [ -f "$image" ]; then
    mark=$STATE/loaded/$(basename "$image")
    [ ! -e "$mark" ] || continue
    runtime images import "$image" > /dev/null
  else
    mark=$STATE/loaded/$(docker image inspect --format '{{.Id}}' "$image" | cut -d: -f2)-${image//\//_}
    [ ! -e "$mark" ] || continue
    docker save "$image" | runtime images import - > /dev/null
    rm -f "$STATE/loaded/"*"-${image//\//_}"
  fi
  touch "$mark"
done
