#!/usr/bin/env bash
# Builds the images that the cluster itself needs, and the Python base image, as archives in the cache: from the
# programs built here and from Debian's packages, without a registry. Each is named by what it was made from.
set -euo pipefail
. "$(dirname "$0")/env.sh"
images=$CACHE/images
mkdir -p "$images"
exec 9> "$images/lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
key() { cat "$CLUSTER/system-images.sh" "$CLUSTER/archive.py" "$@" | sha256sum | cut -c1-12; }
archive() { # archive NAME KEY TAGS [OPTIONS]: from $work/NAME
  local name=$1 key=$2 tags=$3
  shift 3
  "$CLUSTER/archive.py" "$work/$name.tar" "$work/$name" "$tags" "$@"
  rm -f "$images/$name"-*.tar
  mv "$work/$name.tar" "$images/$name-$key.tar"
  say "image $tags"
}
program() { # program NAME TAG FILE: an image of one static program
  local key
  key=$(key "$3")
  [ ! -e "$images/$1-$key.tar" ] || return 0
  mkdir "$work/$1" && cp "$3" "$work/$1/"
  archive "$1" "$key" "$2" --entrypoint "[\"/$(basename "$3")\"]"
}
program coredns localhost/coredns:1 "$BIN/coredns"
program local-path localhost/local-path-provisioner:1 "$BIN/local-path-provisioner"
gcc -Os -static -s -o "$work/pause.bin" "$CLUSTER/pause.c"
mkdir "$work/one" && mv "$work/pause.bin" "$work/one/pause"
program pause localhost/pause:1 "$work/one/pause"

key=$(key)
if [ ! -e "$images/busybox-$key.tar" ]; then
  mkdir -p "$work/busybox"/{bin,tmp,etc}
  (cd "$work" && apt-get download -qq busybox-static > /dev/null 2>&1 && dpkg-deb -x busybox-static_*.deb unpacked)
  cp "$work/unpacked/bin/busybox" "$work/busybox/bin/"
  for applet in $("$work/busybox/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$work/busybox/bin/$applet"
  done
  chmod 1777 "$work/busybox/tmp"
  echo root:x:0:0:root:/:/bin/sh > "$work/busybox/etc/passwd"
  archive busybox "$key" localhost/busybox:1 --cmd '["sh"]'
fi

key=$(key /etc/ssl/certs/ca-certificates.crt)
if [ ! -e "$images/python-$key.tar" ]; then
  root=$work/python
  say "Debian 12 with Python 3.11 (debootstrap)"
  debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$root" > "$LOGS/debootstrap.log" 2>&1
  rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*
  rm -rf "$root"/usr/share/{doc,man,info,locale}/*
  # As in the official image: `python` and `pip` exist, and pip installs into the system.
  ln -s /usr/bin/python3 "$root/usr/local/bin/python"
  rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
  # The machine's own authorities: builds and pods trust what it trusts.
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  : > "$root/etc/resolv.conf"
  find "$root" -xdev -name __pycache__ -type d -prune -exec rm -rf {} +
  archive python "$key" python:3.11-slim-bookworm --cmd '["python3"]' --env LANG=C.UTF-8 --env PYTHONUNBUFFERED=1
fi
