#!/bin/sh
# usage: overlay.sh COMMAND...
# Runs each command with /dev/shm and /tmp on an overlay file system, as in a container without a
# volume. The commands report in TAP. The mounts are in a mount namespace of their own, so other
# processes do not see them.
set -u

if [ -z "${IPMMAP_OVERLAID-}" ]; then
    if ! unshare --mount true 2>/dev/null; then
        echo 'ok - all of it on overlayfs # SKIP there are no mount namespaces for this user here'
        exit 0
    fi
    # The directory is removed here, because the commands see another /tmp.
    IPMMAP_OVERLAID=$(mktemp -d)
    export IPMMAP_OVERLAID
    trap 'rmdir "$IPMMAP_OVERLAID"' EXIT
    unshare --mount "$0" "$@"
    exit
fi

layers=$IPMMAP_OVERLAID
mount -t tmpfs none "$layers" || exit
for place in shm tmp; do
    mkdir "$layers/$place" "$layers/$place/lower" "$layers/$place/upper" "$layers/$place/work"
    chmod 1777 "$layers/$place/upper"
done
overlay() {
    mount -t overlay overlay "$2" \
        -o "lowerdir=$layers/$1/lower,upperdir=$layers/$1/upper,workdir=$layers/$1/work"
}
if ! overlay shm /dev/shm; then
    echo 'ok - all of it on overlayfs # SKIP overlayfs cannot be mounted here'
    exit 0
fi
case $PWD/ in
/tmp/*) ;; # the tree itself would be hidden
*) overlay tmp /tmp || exit ;;
esac

failed=0
for command; do
    # shellcheck disable=SC2086 # a command and its arguments
    .ci/tap $command || failed=1
done
exit $failed
