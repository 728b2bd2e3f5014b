package testservers

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Slots is how many slots a cluster has.
const Slots = 16384

// SlotMove is a slot on its way from one master to another. Its keys are moved one by
// one or all at once, so a test decides what the servers hold meanwhile.
//
// Its methods return errors, so that they can be used beside the goroutine of a test.
type SlotMove struct {
	Slot     int
	From, To *Redis
	cluster  *RedisCluster
}

// SlotOf returns the slot of a key.
func (c *RedisCluster) SlotOf(key string) (int, error) {
	answer, err := c.Nodes[0].Do(context.Background(), "CLUSTER", "KEYSLOT", key)
	if err != nil {
		return 0, err
	}
	n, ok := answer.(int)
	if !ok {
		return 0, fmt.Errorf("the slot of %s is %v", key, answer)
	}
	return n, nil
}

// MasterOf returns the master that has a slot, and the other masters.
func (c *RedisCluster) MasterOf(slot int) (owner *Redis, others []*Redis, err error) {
	for _, n := range c.Nodes {
		if n.cmd == nil {
			continue
		}
		switch master, owns, err := n.serves(slot); {
		case err != nil:
			return nil, nil, err
		case owns:
			owner = n
		case master:
			others = append(others, n)
		}
	}
	if owner == nil || len(others) == 0 {
		err = fmt.Errorf("slot %d has no master, or there is no other", slot)
	}
	return owner, others, err
}

// BeginMove begins to move a slot to another master. to is the number of one of these other
// masters, from 0 on. The keys of the slot stay where they are until Move.
func (c *RedisCluster) BeginMove(slot, to int) (*SlotMove, error) {
	from, others, err := c.MasterOf(slot)
	if err != nil {
		return nil, err
	}
	m := &SlotMove{Slot: slot, From: from, cluster: c}
	m.To = others[to%len(others)]
	if err = m.set(m.To, "IMPORTING", m.From); err == nil {
		err = m.set(m.From, "MIGRATING", m.To)
	}
	return m, err
}

// Keys returns the keys of the slot that have not moved yet.
func (m *SlotMove) Keys() ([]string, error) {
	answer, err := m.From.Do(context.Background(), "CLUSTER", "GETKEYSINSLOT", strconv.Itoa(m.Slot), "1000000")
	if err != nil {
		return nil, err
	}
	list, ok := answer.([]any)
	if !ok {
		return nil, fmt.Errorf("the keys of slot %d are %v", m.Slot, answer)
	}
	keys := make([]string, len(list))
	for i := range list {
		keys[i], _ = list[i].(string)
	}
	return keys, nil
}

// Move moves some keys. It moves them together, and no command sees some of them here
// and some there.
func (m *SlotMove) Move(keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	host, port, err := net.SplitHostPort(m.To.Addr)
	if err != nil {
		return err
	}
	words := append([]string{"MIGRATE", host, port, "", "0", "60000", "KEYS"}, keys...)
	_, err = m.From.Do(context.Background(), words...)
	return err
}

// End gives the slot to its new master, which has to have all of the keys. It returns
// when every server knows that.
func (m *SlotMove) End() error {
	err := m.set(m.To, "NODE", m.To)
	if err == nil {
		err = m.set(m.From, "NODE", m.To)
	}
	// A master that does not know yet how new another one's slots are may lose this slot
	// to it in the next move.
	for end := time.Now().Add(agreesWithin); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		var same bool
		if same, err = m.cluster.agrees(); same {
			return err
		}
	}
	return cmp.Or(err, fmt.Errorf("the servers do not agree on slot %d after %v", m.Slot, agreesWithin))
}

// agreesWithin is how long the servers may take to agree. Only servers that never agree take as
// long as that.
const agreesWithin = time.Minute

// agrees reports whether all servers see the same masters with the same slots.
func (c *RedisCluster) agrees() (bool, error) {
	var views []string
	for _, n := range c.Nodes {
		if n.cmd == nil {
			continue
		}
		answer, err := n.Do(context.Background(), "CLUSTER", "NODES")
		if err != nil {
			return false, err
		}
		var view []string
		for line := range strings.Lines(fmt.Sprint(answer)) {
			w := strings.Fields(line)
			w = slices.DeleteFunc(w, func(w string) bool { return strings.HasPrefix(w, "[") }) // a slot that moves, which only its servers know
			if len(w) > 8 {                                                                    // it has slots
				view = append(view, w[0]+" "+w[6]+" "+strings.Join(w[8:], " "))
			}
		}
		slices.Sort(view)
		views = append(views, strings.Join(view, "\n"))
	}
	return len(slices.Compact(views)) == 1, nil
}

// Whole moves all that is left, and ends the move.
func (m *SlotMove) Whole() error {
	for {
		keys, err := m.Keys()
		if err == nil && len(keys) == 0 {
			return m.End()
		}
		if err == nil {
			err = m.Move(keys...)
		}
		if err != nil {
			return err
		}
	}
}

func (m *SlotMove) set(at *Redis, what string, other *Redis) error {
	id, err := other.Do(context.Background(), "CLUSTER", "MYID")
	if err == nil {
		_, err = at.Do(context.Background(), "CLUSTER", "SETSLOT", strconv.Itoa(m.Slot), what, fmt.Sprint(id))
	}
	return err
}

// serves returns whether a server is a master, and whether it has a slot.
func (r *Redis) serves(slot int) (master, owns bool, err error) {
	answer, err := r.Do(context.Background(), "CLUSTER", "NODES")
	if err != nil {
		return false, false, err
	}
	for line := range strings.Lines(fmt.Sprint(answer)) {
		words := strings.Fields(line)
		if len(words) < 8 || !strings.Contains(words[2], "myself") {
			continue
		}
		for _, w := range words[8:] {
			first, last, ranged := strings.Cut(w, "-")
			if !ranged {
				last = first
			}
			from, err1 := strconv.Atoi(first) // a slot that moves is "[1-<-ID]", which is no number
			to, err2 := strconv.Atoi(last)
			owns = owns || err1 == nil && err2 == nil && from <= slot && slot <= to
		}
		return strings.Contains(words[2], "master"), owns, nil
	}
	return false, false, errors.New("CLUSTER NODES does not name the server itself")
}

// Do sends a command and returns its answer: a string, an int, nil, or a list of these.
// An answer that refuses the command is an error.
func (r *Redis) Do(ctx context.Context, words ...string) (any, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // the answer is read
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return nil, err
	}
	answer, err := readAnswer(bufio.NewReader(conn))
	if err != nil {
		err = fmt.Errorf("%s: %s: %w", r.Addr, strings.Join(words[:min(3, len(words))], " "), err)
	}
	return answer, err
}

func readAnswer(from *bufio.Reader) (any, error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errors.New("an empty line")
	}
	kind, rest := line[0], line[1:]
	if kind == '+' {
		return rest, nil
	}
	if kind == '-' {
		return nil, errors.New(rest)
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return nil, err
	}
	switch {
	case kind == ':':
		return n, nil
	case kind == '$' && n >= 0:
		text := make([]byte, n+len("\r\n"))
		_, err := io.ReadFull(from, text)
		return string(text[:n]), err
	case kind == '*' && n >= 0:
		list := make([]any, n)
		for i := range list {
			if list[i], err = readAnswer(from); err != nil {
				return nil, err
			}
		}
		return list, nil
	case n == -1:
		return nil, nil // Redis has a nil
	}
	return nil, fmt.Errorf("an answer of the form %q", kind)
}
