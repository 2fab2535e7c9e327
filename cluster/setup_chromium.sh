#!/bin/sh
# Installs Debian's Chromium, in which tests open the report, where there is none and this is
# allowed (root, apt). Never fails: without a browser those tests are skipped, and say so.
set -eu
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Chromium: tests of the report page are skipped. To run them: sudo apt-get install chromium"
    exit 0
fi
echo "Installing chromium ..."
export DEBIAN_FRONTEND=noninteractive
install() { apt-get -q -y --no-install-recommends install chromium >/dev/null 2>&1; }
install || { apt-get -q update >/dev/null 2>&1 && install; } ||
    echo "Chromium could not be installed; by hand: apt-get install chromium"
