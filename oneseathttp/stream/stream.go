// Package stream keeps an account to as many streams as it may play at once:
// "five signed in, two playing". A player takes a stream with its session, keeps
// it by a heartbeat, and gives it back when it is closed; what it plays is cut
// when another takes the stream over.
//
// It owns the player's requests and the script that makes them. The rule is the
// registry's; requests are cut by the guard.
package stream

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
)

// Path is where [Streams.Handler] is mounted: beneath that of the guard's own.
const Path = oneseathttp.Path + "stream/"

//go:embed stream.js
var script []byte

// Streams are the streams of the accounts of a registry. All methods are safe
// for concurrent use.
type Streams struct {
	seats *oneseat.Registry
	guard *oneseathttp.Guard // over seats
}

// New returns the streams of a registry, behind a guard over the same.
func New(seats *oneseat.Registry, guard *oneseathttp.Guard) *Streams { return &Streams{seats, guard} }

// Handler serves the player's side, for requests with a session:
//
//	POST /oneseat/stream/start      take a stream: "player", its random id; "instead", a stream to end for it
//	POST /oneseat/stream/{id}/beat  keep it
//	POST /oneseat/stream/{id}/stop  give it back
//	GET  /oneseat/stream/stream.js  the script that does all that
//
// start answers with the stream's id and how often to beat; 409 and who is
// playing, if the account plays as many as it may. beat is answered when the next
// one is due: 204; or at once: 410 and why, when another has taken the stream
// over, and 404 when it has lapsed: start again.
//
// Mount it with mux.Handle(stream.Path, streams.Handler()). Requests of other
// sites get 403. None of these is activity: a stream keeps no session from idling.
func (s *Streams) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+Path+"start", s.guard.Require(http.HandlerFunc(s.start)))
	mux.Handle("POST "+Path+"{id}/beat", s.guard.Require(http.HandlerFunc(s.beat)))
	mux.Handle("POST "+Path+"{id}/stop", s.guard.Require(http.HandlerFunc(s.stop)))
	mux.HandleFunc("GET "+Path+"stream.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(script) // an error is the client's connection
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// Require serves next to requests that name a live stream of their session, in
// the query as "stream", and cuts them when that ends. Others get what Handler's
// beat answers. It does what [oneseathttp.Guard.Require] does where that is not
// around it.
func (s *Streams) Require(next http.Handler) http.Handler {
	return s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine, _ := oneseat.SessionFrom(r.Context())
		stream, err := s.seats.CheckStream(r.Context(), mine, oneseat.SessionID(r.URL.Query().Get("stream")))
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		s.guard.CutWith(r, stream)
		next.ServeHTTP(w, r)
	}))
}

func (s *Streams) start(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	err := r.ParseForm()
	id := r.PostForm.Get("player")
	if err != nil || len(id) < 16 || len(id) > 64 {
		answer(w, http.StatusBadRequest, said{Reason: "bad_player", Title: "No player", Detail: `Post "player", a random id of 16 to 64 bytes that the player keeps.`})
		return
	}
	player := oneseat.Player{ID: id}
	for _, stream := range r.PostForm["instead"] {
		player.Instead = append(player.Instead, oneseat.SessionID(stream))
	}
	mine, _ := oneseat.SessionFrom(r.Context())
	if oneseat.FromContext(r.Context()).Rotated {
		s.refuse(w, r, oneseat.ErrRotated)
		return
	}
	stream, err := s.seats.StartStream(r.Context(), mine, player)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"stream": stream.ID, "beat_ms": s.every().Milliseconds()}) // an error is the client's connection
}

// beat is answered when the next one is due, or at once when the stream ends, so
// that the player is told at that moment.
func (s *Streams) beat(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	id := oneseat.SessionID(r.PathValue("id"))
	err := s.seats.Heartbeat(r.Context(), mine, id)
	if err == nil {
		over := make(chan error, 1)
		stop := s.seats.AfterStreamEnd(r.Context(), oneseat.Stream{ID: id, Session: mine.ID, Account: mine.Account}, func(cause error) { over <- cause })
		defer stop()
		due := time.NewTimer(s.every())
		defer due.Stop()
		select {
		case <-due.C:
		case <-r.Context().Done(): // with the session, or the player
			if over, ended := errors.AsType[*oneseat.EndedError](context.Cause(r.Context())); ended {
				err = over
			}
		case err = <-over:
		}
	}
	s.done(w, r, err)
}

// every is how often a player beats: it may miss two.
func (s *Streams) every() time.Duration { return s.seats.Config().StreamIdle / 3 }

func (s *Streams) stop(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	s.done(w, r, s.seats.StopStream(r.Context(), mine, oneseat.SessionID(r.PathValue("id"))))
}

func (s *Streams) done(w http.ResponseWriter, r *http.Request, err error) {
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok && over.Ending.Parent != "" && over.Ending.Reason != oneseat.ReasonDisplaced {
		err = oneseat.ErrNoSession // it has lapsed or was stopped: no news but that there is none
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// said is the body of an answer that is not the one hoped for (RFC 9457).
type said struct {
	Type      string    `json:"type"`
	Status    int       `json:"status"`
	Reason    string    `json:"reason"`
	Title     string    `json:"title"`
	Detail    string    `json:"detail"`
	At        time.Time `json:"at,omitzero"`
	Device    string    `json:"device,omitzero"`
	Reference string    `json:"reference,omitzero"`
	Limit     int       `json:"limit,omitzero"`
	Streams   []playing `json:"streams,omitempty"`
}

// playing is a stream as its account's owner sees it.
type playing struct {
	ID      oneseat.SessionID `json:"id"`
	Device  oneseat.Device    `json:"device"`
	Created time.Time         `json:"created"`
	Here    bool              `json:"here"` // of the session that asks
}

// refuse answers a player that has no stream, or has one no longer.
func (s *Streams) refuse(w http.ResponseWriter, r *http.Request, err error) {
	full, isFull := errors.AsType[*oneseat.LimitError](err)
	over, isOver := errors.AsType[*oneseat.EndedError](err)
	switch {
	case isFull:
		mine, _ := oneseat.SessionFrom(r.Context())
		no := said{Reason: "limit", Limit: full.Limit, Title: "This account is playing elsewhere", Detail: "Stop it there to play here."}
		for _, p := range full.Streams {
			no.Streams = append(no.Streams, playing{p.ID, p.Device, p.Started, p.Session == mine.ID})
		}
		answer(w, http.StatusConflict, no)
	case isOver:
		n := oneseathttp.NoticeOf(over.Ending)
		answer(w, http.StatusGone, said{
			Reason: string(over.Ending.Reason), Title: n.Title, Detail: n.Detail, At: over.Ending.At,
			Device: over.Ending.ByDevice.Label, Reference: over.Ending.Reference(),
		})
	case errors.Is(err, oneseat.ErrRotated):
		answer(w, http.StatusConflict, said{Reason: "rotated", Title: "This page was a moment behind", Detail: "Try again."})
	case errors.Is(err, oneseat.ErrNoSession):
		answer(w, http.StatusNotFound, said{Reason: "no_stream", Title: "No stream", Detail: "It has lapsed, or was stopped. Start one."})
	default:
		w.Header().Set("Retry-After", "2")
		answer(w, http.StatusServiceUnavailable, said{Reason: "store_unavailable", Title: "Streams cannot be checked at the moment", Detail: "Try again in a few seconds."})
	}
}

func answer(w http.ResponseWriter, status int, no said) {
	no.Type, no.Status = "about:blank", status
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(no) // an error is the client's connection
}
