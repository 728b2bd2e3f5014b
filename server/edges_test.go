package server_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/api"
	"github.com/oneseat/oneseat/server"
	"github.com/oneseat/oneseat/store/memstore"
)

// counting counts how often its store is asked.
type counting struct {
	*memstore.Store
	loads, updates atomic.Int64
	hangs          atomic.Bool // it answers nothing any more
}

func (c *counting) Load(ctx context.Context, keys ...oneseat.Key) ([]oneseat.View, error) {
	c.loads.Add(1)
	if c.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return c.Store.Load(ctx, keys...)
}

func (c *counting) Update(ctx context.Context, k oneseat.Key, f func(oneseat.View) (oneseat.Change, error)) (oneseat.View, error) {
	c.updates.Add(1)
	if c.hangs.Load() {
		<-ctx.Done()
		return oneseat.View{}, ctx.Err()
	}
	return c.Store.Update(ctx, k, f)
}

// Whether an account is known shows in no answer, and in no work that could be timed:
// the store is asked as often.
func TestAnAccountThatIsKnownAndOneThatIsNotAreAnsweredAlike(t *testing.T) { // API-12
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memstore.New()}
		d := newDirectOver(t, store, server.Config{})
		// It was here, and is not any more.
		if got := d.signIn("ada"); got != 201 {
			t.Fatal(got)
		}
		if w := d.ask(0, api.PathEnd, `{"account":"ada","all":true}`); w.Code != 200 {
			t.Fatal(w.Body)
		}
		for path, body := range map[string]string{
			api.PathSessions: `{"account":"NAME"}`, api.PathEnd: `{"account":"NAME","all":true}`, api.PathCheck: `{"account":"NAME","session":"X"}`,
			api.PathSignOut: `{"account":"NAME","session":"X"}`, api.PathExplain: `{"account":"NAME"}`, api.PathUnblock: `{"account":"NAME"}`,
			api.PathLimit: `{"account":"NAME","limits":null}`,
		} {
			type seen struct {
				status         int
				answer         string
				loads, updates int64
			}
			see := func(account string) seen {
				time.Sleep(10 * time.Minute) // nothing is in memory, nor under way
				synctest.Wait()
				loads, updates := store.loads.Load(), store.updates.Load()
				w := d.ask(0, path, strings.Replace(body, "NAME", account, 1))
				answer := w.Body.String()
				if id := w.Header().Get("X-Request-Id"); w.Code >= 400 {
					answer = strings.Replace(answer, id, "ID", 1)
				}
				return seen{w.Code, answer, store.loads.Load() - loads, store.updates.Load() - updates}
			}
			known, unknown := see("ada"), see("eve")
			if known != unknown || known.status >= 500 {
				t.Errorf("%s: %+v, and for one that is not known %+v", path, known, unknown)
			}
		}
	})
}

// A store that does not answer at all: the answer is no, in time.
func TestWhileTheStoreHangsEveryCallIsRefusedWithinItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memstore.New()}
		d := newDirectOver(t, store, server.Config{})
		w := d.ask(0, api.PathSignIn, `{"account":"ada"}`)
		token := strings.Split(w.Body.String(), `"`)[3]
		time.Sleep(10 * time.Minute)
		store.hangs.Store(true)
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			switch path {
			case api.PathAccounts, api.PathEvents: // they ask the store's history, which answers here
				continue
			}
			body := strings.Replace(strings.Replace(paths[path].body, `"x"`, quoted(token), 1), "token=x", "token="+token, 1)
			body = strings.Replace(body, `"members"`, `"default"`, 1)
			began := time.Now()
			w := d.ask(0, path, body)
			took := time.Since(began)
			most := 2 * time.Second
			if path == api.PathCheck || path == api.PathIntrospect {
				most = time.Second
			}
			if path == api.PathForget { // it may have much to write, so it may take longer
				most = 30 * time.Second
			}
			if path == api.PathChanges || path == api.PathRedeem && w.Code == 410 { // what needs no store
				continue
			}
			if w.Code != 503 || took > most {
				t.Errorf("%s: %d %s, after %v", path, w.Code, w.Body, took)
			}
		}
		began := time.Now()
		r := d.get("/readyz")
		if took := time.Since(began); r.Code != 503 || took > time.Second {
			t.Errorf("/readyz: %d, after %v", r.Code, took)
		}
	})
}

func TestARepetitionOfASessionThatEndedSaysSo(t *testing.T) { // API-09
	w := newWorld(t, oneseat.Config{})
	k := attempt(time.Now())
	first := w.signIn("ada", k...)
	w.want(200, api.PathEnd, `{"account":"ada","all":true,"reason":"credentials_changed"}`, &struct{}{})
	var p api.Problem
	if w.want(410, api.PathSignIn, `{"account":"ada"}`, &p, k...); p.Ending == nil || p.Ending.Session != first.Session.ID || p.Ending.Reason != "credentials_changed" {
		t.Errorf("%+v", p)
	}
	var list api.Sessions
	if w.want(200, api.PathSessions, `{"account":"ada"}`, &list); len(list.Sessions) != 0 {
		t.Errorf("%+v", list)
	}
}

// whole is all that is known of a realm, but for when its sessions were last seen: that
// is written a moment after a check.
func whole(t *testing.T, w *world, realm string) string {
	t.Helper()
	var b bytes.Buffer
	for _, account := range []string{"ada", "eve", "members", "staff"} {
		a, err := w.seats[realm].Account(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		for i := range a.Sessions {
			a.Sessions[i].LastSeen = time.Time{}
		}
		fmt.Fprintf(&b, "%+v\n", a)
	}
	return b.String()
}

// Whatever is asked with a key of one realm, nothing of another one changes, or is told.
func TestNoCallWithAKeyOfOneRealmTouchesAnother(t *testing.T) { // API-12
	w := newWorld(t, oneseat.Config{Limit: 2})
	var theirs []string // what the realm of the staff may know of the members: tokens and IDs, but by no right
	secret := "a member's phone"
	for _, account := range []string{"ada", "ada", "eve"} {
		g := api.Granted{}
		w.want(201, api.PathSignIn, `{"account":"`+account+`","device":{"label":"`+secret+`"}}`, &g)
		w.want(200, api.PathCheck, token(g), &struct{}{})
		theirs = append(theirs, g.Token, g.Session.ID)
	}
	before := whole(t, w, "members")
	dice := rand.New(rand.NewPCG(1, 2))
	any := func(list ...string) string { return list[dice.IntN(len(list))] }
	said := func() string {
		return quoted(any(append(slices.Clone(theirs), "x", "ada", "eve", "members", "staff")...))
	}
	members := map[string]func() string{
		"account": func() string { return quoted(any("ada", "eve", "members", "staff")) }, "token": said, "session": said, "ticket": said, "except": said, "by": said, "actor": said,
		"class": func() string { return `"other"` }, "all": func() string { return "true" }, "sessions": func() string { return "[" + said() + "]" }, "end": func() string { return "[" + said() + "]" },
		"previous": func() string { return `{"account":` + quoted(any("ada", "eve")) + `,"session":` + said() + `}` }, "limits": func() string { return any("null", `{"total":1}`) },
		"realm": func() string { return `"staff"` }, "prefix": func() string { return any(`""`, `"a"`) }, "after": said, "before": func() string { return `"9"` }, "limit": func() string { return "1000" },
		"take_over": func() string { return "true" }, "use": func() string { return any("true", "false") }, "fresh": func() string { return "true" }, "wait_ms": func() string { return "0" },
	}
	of := map[string][]string{
		api.PathCheck: {"token", "account", "session", "use", "fresh"}, api.PathSignIn: {"account", "token", "previous", "take_over"}, api.PathRedeem: {"ticket", "end", "token", "previous"},
		api.PathRotate: {"token"}, api.PathSignOut: {"token", "account", "session"}, api.PathSessions: {"account"}, api.PathEnd: {"account", "sessions", "except", "class", "all", "actor", "by"},
		api.PathAccount: {"account"}, api.PathAccounts: {"prefix", "after", "limit"}, api.PathLimit: {"account", "limits", "actor"}, api.PathBlock: {"account", "actor"}, api.PathUnblock: {"account", "actor"}, api.PathForget: {"account"}, api.PathConfirm: {"account", "session"}, api.PathData: {"account", "session"},
		api.PathExplain: {"account", "token", "previous", "take_over"}, api.PathEndRealm: {"realm", "actor"}, api.PathEvents: {"account", "session", "before", "limit"}, api.PathChanges: {"after", "wait_ms"}, api.PathAbout: {},
	}
	if len(of)+2 != len(paths) { // and the two with forms
		t.Errorf("%d calls of %d", len(of)+2, len(paths))
	}
	done := map[int]int{}
	calls := slices.Sorted(maps.Keys(of))
	for range 3000 {
		path := any(calls...)
		var parts []string
		for _, m := range of[path] {
			if dice.IntN(3) > 0 {
				parts = append(parts, quoted(m)+":"+members[m]())
			}
		}
		status, answer := w.ask("other", path, "{"+strings.Join(parts, ",")+"}")
		done[status]++
		if strings.Contains(answer, secret) {
			t.Errorf("%s {%s}: it is told of a member: %s", path, strings.Join(parts, ","), answer)
		}
	}
	if done[200] < 500 || done[201] < 20 {
		t.Errorf("too few calls did anything: %v", done)
	}
	if after := whole(t, w, "members"); after != before {
		t.Errorf("something has changed: %s, before %s", after, before)
	}
	for _, i := range []int{0, 2, 4} {
		w.want(200, api.PathCheck, `{"token":`+quoted(theirs[i])+`}`, &struct{}{})
	}
}
