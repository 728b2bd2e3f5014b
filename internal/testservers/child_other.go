//go:build unix && !linux

package testservers

import "syscall"

// child is how a server is started: as another user, if need be, and in a group
// of its own. That it is killed with whoever started it, only Linux offers.
func child(account *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Setpgid: true}
}

// family is a process and the group that it leads.
func family(pid int) []int { return []int{pid, -pid} }

// still takes it that a process has stopped that was told to.
func still(int) bool { return true }
