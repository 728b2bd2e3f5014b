// Package powercut cuts the power of a disk while SQLite and PostgreSQL write to it, and
// looks for all that was acknowledged.
//
// It owns a disk: a file system of FUSE that has one file, on which a loop device lies, and
// on that ext4. So the stores write to a usual file system, with its page cache and its
// journal, and what comes to the disk is what would come to a real one. Like a real one the
// disk has a cache: what was written since the last flush is lost with the power, all of it
// or any part of it, down to single sectors of a write.
//
// It holds no rule. It needs Linux, root, /dev/fuse and loop devices; the tests are skipped
// where one of these is missing.
package powercut
