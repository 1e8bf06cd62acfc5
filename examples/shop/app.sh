#!/bin/sh
# The app: uses its secrets without printing them, and runs until it is told to stop.
for name in DB_PASSWORD API_KEY; do
  file="/run/secrets/$name"
  if [ -r "$file" ]; then
    echo "$name: $(wc -c < "$file") bytes from $file, check $(sha256sum < "$file" | cut -c1-12)"
  else
    eval "value=\${$name:-}"
    echo "$name: ${#value} bytes from the environment"
  fi
done
trap 'exit 0' TERM INT
while :; do sleep 1 & wait $!; done
