# Boots systemd on a copy of this machine that forgets all that is written to it, and runs
# the unit test.service there. It runs as the first process of namespaces of its own:
#
#	unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net sh boot.sh FOLDER
#
# FOLDER is /test there. Of the machine itself, nothing is changed: its disk is below an
# overlay, and its kernel's settings are there to be read only.
set -e
folder=$1
mount -t tmpfs tmpfs "$folder/machine"
cd "$folder/machine"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" root
cd root
mkdir -p old test
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount --bind /dev/null dev/console
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount --bind "$folder" test
# What a machine does when it boots is not what is tested.
rm -rf usr/lib/systemd/system/sysinit.target.wants usr/lib/systemd/system/local-fs.target.wants etc/systemd/system/*.wants
cp "$folder/test.service" etc/systemd/system/
printf '[Manager]\nDefaultStandardOutput=null\nDefaultStandardError=null\n' >etc/systemd/system.conf
: >etc/fstab
pivot_root . old
umount -l old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=test.service --show-status=0 --log-target=null
