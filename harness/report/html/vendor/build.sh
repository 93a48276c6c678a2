#!/bin/sh
# Fetch the chart libraries from the npm registry and put the licences on top of each. Run in this folder; see README.md.
set -eu
here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fetch() { # name@version -> folder of its package
  mkdir -p "$1" && tar xzf "$(npm pack --silent "$1")" -C "$1" && echo "$work/$1/package"
}

assemble() { # name version, then the packages that its build bundles
  name=$1 version=$2
  shift 2
  folder=$(fetch "$name@$version")
  {
    printf '/*! %s %s\n\n' "$name" "$version"
    cat "$folder/LICENSE"
    for part in "$@"; do
      printf '\nIt bundles %s:\n\n' "$part"
      cat "$(fetch "$part")"/LICENSE*
    done
    printf '*/\n'
    # A source map is not shipped; the reference to it would be a request.
    sed '/^\/\/# sourceMappingURL=/d' "$folder/build/$name.min.js"
  } > "$here/$name.min.js"
}

assemble vega 6.4.0 d3@7.9.0 topojson-client@3.1.0
assemble vega-lite 6.5.0
assemble vega-embed 7.3.0 fast-json-patch@3.1.1 json-stringify-pretty-compact@4.0.0 semver@7.8.5
