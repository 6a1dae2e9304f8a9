#!/usr/bin/env bash
# Work through runs/queue, one training command's flags a line, resuming what was begun.
# Usage: train/queue.sh (from the repository's root; the queue may grow while it runs)
set -u
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}  # a waiting thread sleeps: the machine is shared
# huge pages for what is allocated: a step of shallow took 14% less on a machine of 4 kB pages
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}
python=${PYTHON:-.venv/bin/python}
queue=runs/queue
done_file=runs/queue.done
touch "$done_file"
while true; do
  line=$(grep -vxFf "$done_file" "$queue" | grep -v '^ *#' | grep -v '^ *$' | head -n 1)
  [ -n "$line" ] || { sleep 20; continue; }
  name=$(sed -E 's/.*--run-dir ([^ ]+).*/\1/' <<<"$line")
  resume=""
  [ -f "$name/state.pt" ] && resume="--resume"
  mkdir -p "$name"
  # shellcheck disable=SC2086  # the line is a list of flags
  if $python -m train.run $line $resume >>"$name/log.txt" 2>&1; then
    echo "$line" >>"$done_file"
  else
    echo "$line" >>"$done_file"
    echo "failed: $line" >>runs/queue.failed
  fi
done
