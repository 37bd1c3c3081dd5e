# Runs `triton-embed export`, or list, show, remove or verify, as the owner of the mounted model
# repository: no user has to be configured, and the files belong to the owner of the folder.
set -eu
umask 022
case "${1:-}" in
  list | show | remove | verify) ;;
  *) set -- export "$@" ;;
esac
exec setpriv --reuid="$(stat -c %u /models)" --regid="$(stat -c %g /models)" --clear-groups \
  triton-embed "$@" --model-repository /models
