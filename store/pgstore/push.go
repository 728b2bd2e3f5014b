package pgstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/oneseat/oneseat"
)

// channel is the NOTIFY channel of the nodes on one database.
const channel = "oneseat"

const (
	// notifyGap is the least time between two notifications of a node. Under load one
	// notification stands for everything that was committed in that time.
	notifyGap = 2 * time.Millisecond
	// notifyTimeout is how long one notification may take. A lost notification does no
	// harm: the next commit sends another.
	notifyTimeout = 2 * time.Second

	// silence is how long the listener hears nothing before it checks that it still
	// can.
	silence = 5 * time.Second
	// hearing is how long it then waits for what it has sent itself.
	hearing = 3 * time.Second

	// pollEvery is how often Wake has the log read when it hears nothing. tryAgain is
	// how long it does so before it listens again.
	pollEvery = 100 * time.Millisecond
	tryAgain  = 10 * time.Second
)

// committed tells the notifier that there may be news.
func (s *Store) committed() {
	select {
	case s.news <- struct{}{}:
	default: // the notifier has not begun yet, and will tell of this too
	}
}

// notify is the goroutine that tells other nodes of commits, until Close. It tells of a
// commit afterwards and not in the same transaction: a transaction with NOTIFY holds a
// lock on the whole database until it is on the disk.
func (s *Store) notify() {
	broken := false
	for {
		select {
		case <-s.news:
		case <-s.life.Done():
			return
		}
		err := s.tell(s.life)
		if err != nil && !broken && s.life.Err() == nil {
			s.log.Warn("other nodes are not told of commits; they read the log at intervals", "server", s.addr, "error", err)
		}
		broken = err != nil
		select {
		case <-time.After(notifyGap):
		case <-s.life.Done():
			return
		}
	}
}

// tell sends a notification in a transaction of its own. It does not wait until that is
// on the disk, because a notification is only a hint.
func (s *Store) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	_, err := s.pool.Exec(ctx, "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1::text, '')", channel)
	return err
}

// Wake implements [oneseat.Store]. It listens on a connection of its own, and checks
// that notifications arrive: through PgBouncer in transaction mode they do not, and
// nothing reports an error. Then Wake says so in the log and calls wake ten times a
// second. It runs wake on the caller's goroutine.
func (s *Store) Wake(ctx context.Context, wake func(partition int)) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return oneseat.ErrStoreClosed
	}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()

	either, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	deaf := false // notifications do not arrive, and that was logged
	for {
		err := s.hear(either, wake)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case s.life.Err() != nil:
			return oneseat.ErrStoreClosed
		case !errors.Is(err, errDeaf):
			return s.explain(err)
		}
		if !deaf {
			deaf = true
			s.log.Warn("pgstore: notifications do not arrive, so the log is polled: if the pool goes through PgBouncer in transaction mode, "+
				"give Options.Listen, a connection to the server itself", "server", s.addr, "every", pollEvery)
		}
		poll(either, wake)
	}
}

// errDeaf says that LISTEN was accepted and no notification comes.
var errDeaf = errors.New("what was sent was not heard")

// poll calls wake every pollEvery, until tryAgain has passed.
func poll(ctx context.Context, wake func(int)) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for end := time.Now().Add(tryAgain); time.Now().Before(end); {
		wake(0)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// hear calls wake for every notification, until the connection is lost or notifications
// do not arrive.
func (s *Store) hear(ctx context.Context, wake func(int)) error {
	conn, hangUp, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	if err := s.hearOwn(ctx, conn); err != nil {
		return err
	}
	wake(0) // for what was committed before
	for {
		err := wait(ctx, conn, silence)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			wake(0)
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		default:
			if err := s.hearOwn(ctx, conn); err != nil {
				return err
			}
			wake(0) // hearOwn may have taken the notification of another node
		}
	}
}

// connect makes a connection outside the pool, in the same way as the pool makes one.
// It calls the pool's hooks for each connection, because they may set a role, or fetch
// a password that is valid for some minutes only.
func (s *Store) connect(ctx context.Context) (conn *pgx.Conn, hangUp func(), err error) {
	way := s.pool.Config() // a copy
	to := way.ConnConfig
	if s.listen != nil {
		to = s.listen.Copy()
	}
	if way.BeforeConnect != nil {
		if err := way.BeforeConnect(ctx, to); err != nil {
			return nil, nil, err
		}
	}
	if conn, err = pgx.ConnectConfig(ctx, to); err != nil {
		return nil, nil, err
	}
	hangUp = func() {
		if way.BeforeClose != nil {
			way.BeforeClose(conn)
		}
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bye) // the error before has said what is wrong with it
	}
	if way.AfterConnect != nil {
		if err := way.AfterConnect(ctx, conn); err != nil {
			hangUp()
			return nil, nil, err
		}
	}
	return conn, hangUp, nil
}

// hearOwn sends a notification through the pool, as for a commit, and waits until it
// arrives. A notification of another node proves the same.
func (s *Store) hearOwn(ctx context.Context, conn *pgx.Conn) error {
	if err := s.tell(ctx); err != nil {
		return err
	}
	err := wait(ctx, conn, hearing)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return errDeaf
	}
	return err
}

// wait waits for the next notification. When none comes in time, the connection can be
// used as before.
func wait(ctx context.Context, conn *pgx.Conn, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := conn.WaitForNotification(ctx)
	return err
}
