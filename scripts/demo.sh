#!/bin/sh
# Runs the whole workflow once on the pictures that come with cnnedge: trains, converts, runs and
# benchmarks the default recipe.  demo.sh CNNEDGE FOLDER
set -eu
cnnedge=$1
folder=$2
run=$folder/fashion_cnn
mkdir -p "$folder"

bold= plain=
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi
step() { printf '\n%s\n' "$bold\$ cnnedge $*$plain"; "$cnnedge" "$@"; }

resume=
[ -e "$run/recipe.yaml" ] && resume=--resume
step train fashion_cnn --out "$run" $resume
step convert "$run"
step run "$run/export/int8.tflite" --source sample --save "$folder/sample.mp4"
step bench "$run/export/float32.tflite" "$run/export/int8.tflite" --json "$folder/bench.json"

cat <<END

Done. Look at
  $run/export/report.html   accuracy, size and latency of every variant
  $folder/sample.mp4                       the int8 model at work
On a phone, by a code to scan:
  $cnnedge demo $run/export/int8.tflite
Next, on pictures of your own (a folder with one folder per class):
  $cnnedge train fashion_cnn --data PICTURES --out runs/mine && $cnnedge convert runs/mine
END
