//go:build unix && !linux

package testservers

import "syscall"

// child says how a server is started: as another user, if need be, and in a group of
// its own. Only Linux kills it together with the process that started it.
func child(account *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Setpgid: true}
}

// family returns a process and the group that it leads.
func family(pid int) []int { return []int{pid, -pid} }

// still returns true. Here it is assumed that a process has stopped once it was told
// to.
func still(int) bool { return true }
