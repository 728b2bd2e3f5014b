package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// errGone is the error of a call whose node was killed before it answered.
var errGone = errors.New("the node is gone")

// node is the harness's side of a node: its process, and its way to the store.
type node struct {
	number int
	config nodeConfig
	way    *proxy

	mu      sync.Mutex // guards everything below
	process *process   // nil while it does not run
}

// process is one life of a node.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	errors  strings.Builder // its standard error; read it after over
	over    chan struct{}   // closed when the process has ended and was waited for
	mu      sync.Mutex      // guards what is below, and writing to in
	last    int
	waiting map[int]chan answer
	holds   map[int]func()
}

// restart does what an operator does: if the node ends with an error because it cannot
// reach the store, it is started again.
func (n *node) restart() (err error) {
	for end := time.Now().Add(recovers); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = n.start(); err == nil {
			return nil
		}
	}
	return err
}

// start runs the node's process, and returns when it answers.
func (n *node) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(n.config)
	if err != nil {
		return err
	}
	p := &process{cmd: exec.Command(self), over: make(chan struct{}), waiting: make(map[int]chan answer), holds: make(map[int]func())} // this very program
	p.cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	p.cmd.Stderr = &p.errors
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so an interrupt goes to us only
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	ready := make(chan answer, 1)
	p.waiting[0] = ready
	go p.listen(out) // ends with the process
	select {
	case <-ready:
	case <-p.over:
		return fmt.Errorf("node %d: %s", n.number, p.errors.String())
	case <-time.After(recovers):
		p.kill()
		return fmt.Errorf("node %d is not ready after %v: %s", n.number, recovers, p.errors.String())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.process = p
	return nil
}

// listen hands each answer to the goroutine that waits for it, until the process ends.
func (p *process) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue // the end of the process has cut this line off
		}
		p.mu.Lock()
		if a.Over {
			if cut := p.holds[a.ID]; cut != nil {
				cut()
			}
		} else if c := p.waiting[a.ID]; c != nil {
			delete(p.waiting, a.ID)
			c <- a
		}
		p.mu.Unlock()
	}
	_ = p.cmd.Wait()
	close(p.over)
}

// ask makes a call. If the call makes a hold, cut is called when the hold is cut,
// unless cut is nil.
func (p *process) ask(q request, cut func()) (answer, error) {
	c := make(chan answer, 1)
	p.mu.Lock()
	p.last++
	q.ID = p.last
	p.waiting[q.ID] = c
	if cut != nil {
		p.holds[q.ID] = cut
	}
	line, err := json.Marshal(q)
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	p.mu.Unlock()
	if err != nil {
		return answer{}, errGone
	}
	select {
	case a := <-c:
		return a, nil
	case <-p.over:
		return answer{}, errGone
	}
}

func (p *process) tell(q request) {
	line, _ := json.Marshal(q)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.in.Write(append(line, '\n'))
}

// kill ends the process at once, as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.over
}

// now returns the process that runs, or nil.
func (n *node) now() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// kill ends the node's process. start begins another.
func (n *node) kill() {
	n.mu.Lock()
	p := n.process
	n.process = nil
	n.mu.Unlock()
	if p != nil {
		p.kill()
	}
}

func (n *node) signal(s syscall.Signal) {
	if p := n.now(); p != nil {
		_ = p.cmd.Process.Signal(s)
	}
}
