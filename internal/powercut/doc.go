// Package powercut cuts the power of a disk while SQLite and PostgreSQL write to it, and
// looks for all that was acknowledged.
//
// It owns a disk: a file system of FUSE that has one file. A loop device uses that file,
// and ext4 is on the loop device. So the stores write to a usual file system, with its page
// cache and its journal, and the disk gets what a real disk would get. Like a real disk it
// has a cache. When the power goes, what was written since the last flush is lost, all of
// it or any part of it, down to single sectors of a write.
//
// It holds no rule. It needs Linux, root, /dev/fuse and loop devices; the tests are skipped
// where one of these is missing.
package powercut
