package testservers

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// child says how a server is started: as another user, if need be, and killed when the
// process that started it has ended.
func child(account *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: account, Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// still reports whether a process is stopped or dead. Such a process starts nothing and
// waits for no child, so all its children are there when they are listed.
func still(pid int) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(status), ") ")
	return state == "" || strings.ContainsRune("TZX", rune(state[0]))
}

// family returns a process and everything that it has started, the oldest first. A
// child may have made a process group of its own, as PostgreSQL's do.
func family(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", all[i]))
		for word := range strings.FieldsSeq(string(children)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}
