# Exports as the owner of the mounted model repository: no user has to be configured, and the
# files belong to whoever owns the folder.
set -eu
umask 022
exec setpriv --reuid="$(stat -c %u /models)" --regid="$(stat -c %g /models)" --clear-groups \
  python -m triton_embed export "$@" --model-repository /models
