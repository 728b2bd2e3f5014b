// Package stream limits how many streams an account plays at once: "five signed in,
// two playing". A player starts a stream with its session, keeps it by heartbeats and
// stops it when the player is closed. When another player takes the place of a
// stream, the requests that play it are cut.
//
// This package owns the player's requests and the script that makes them. The
// registry has the rule, and the guard cuts the requests.
package stream

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/internal/words"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/internal/answer"
	"github.com/oneseat/oneseat/oneseathttp/internal/mounted"
)

// Path is where [Streams.Handler] is mounted: beneath that of the guard's own.
const Path = oneseathttp.Path + "stream/"

//go:embed stream.js
var script []byte

// Streams serves the players of a registry's accounts. All methods are safe for
// concurrent use.
type Streams struct {
	seats *oneseat.Registry
	guard *oneseathttp.Guard // over seats
	words words.Language
}

// New returns the streams of a registry. guard is a guard over the same registry.
func New(seats *oneseat.Registry, guard *oneseathttp.Guard) *Streams {
	return &Streams{seats, guard, words.English()}
}

// Handler serves players, for requests with a session:
//
//	POST /oneseat/stream/start      start a stream: "player", the player's random id; "title", what plays; "instead", a stream to end for it
//	POST /oneseat/stream/{id}/beat  keep the stream
//	POST /oneseat/stream/{id}/stop  stop the stream
//	GET  /oneseat/stream/stream.js  the script that does all this
//
// start answers with the stream's id and with how often to beat. If the account plays
// as many streams as it may, start answers 409, with those streams. beat answers 204
// when the next beat is due. It answers 410 and why, at once, when another player has
// taken the stream's place, and 404 when the stream was stopped or its player was
// silent for too long: then start another. After [oneseathttp.Guard.Drain] it answers
// 503 at once, with the reason "closing": the stream goes on, beat again.
//
// Mount it with mux.Handle(stream.Path, streams.Handler()). Requests of other sites
// get 403. None of these requests is activity, so a session that only plays still
// times out.
func (s *Streams) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+Path+"start", s.guard.Require(http.HandlerFunc(s.start)))
	mux.Handle("POST "+Path+"{id}/beat", s.guard.Require(http.HandlerFunc(s.beat)))
	mux.Handle("POST "+Path+"{id}/stop", s.guard.Require(http.HandlerFunc(s.stop)))
	player := s.words.Fill(script, "player.", "device.")
	mux.HandleFunc("GET "+Path+"stream.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(player) // an error is the client's connection
	})
	return mounted.At(Path, s.guard.CrossOrigin(mux))
}

// Require serves next to requests that name a live stream of their session: in the
// path, where the pattern has {stream}, or else in the query as "stream". Relative
// names in a playlist inherit the path, but not the query. So a pattern such as
// "GET /watch/{stream}/{file}" is for playlists and their segments.
//
// Each request keeps the stream, as a heartbeat does: a player that the browser lets
// sleep, as on a locked phone, goes on while it fetches something every two thirds of
// [oneseat.Config.StreamIdle]. Requests are cut when the stream ends. Other requests
// are refused as by the beat of Handler. Require works with [oneseathttp.Guard.Require]
// around it and without.
func (s *Streams) Require(next http.Handler) http.Handler {
	return s.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine, _ := oneseat.SessionFrom(r.Context())
		id := r.PathValue("stream")
		if id == "" {
			id = r.URL.Query().Get("stream")
		}
		stream, err := s.seats.PlayStream(r.Context(), mine, oneseat.SessionID(id))
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if err := s.guard.CutWith(r, stream); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

func (s *Streams) start(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	err := r.ParseForm()
	id := r.PostForm.Get("player")
	if err != nil || len(id) < 16 || len(id) > 64 {
		answer.Refuse(w, http.StatusBadRequest, s.problem("bad_player", "stream.bad_player"))
		return
	}
	player := oneseat.Player{ID: id, Title: r.PostForm.Get("title")}
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
	answer.JSON(w, map[string]any{"stream": stream.ID, "beat_ms": s.every().Milliseconds()})
}

// beat answers when the next beat is due, or at once when the stream ends, so that the
// player learns of it at that moment.
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
		case <-s.guard.Draining():
			err = oneseathttp.ErrClosing
		case <-r.Context().Done(): // the session has ended, or the player has gone
			cause := context.Cause(r.Context())
			if _, ended := errors.AsType[*oneseat.EndedError](cause); ended || errors.Is(cause, oneseat.ErrClosed) {
				err = cause
			}
		case err = <-over:
		}
	}
	s.done(w, r, err)
}

// every is how often a player beats. A player may miss two beats.
func (s *Streams) every() time.Duration { return s.seats.Config().StreamIdle / 3 }

func (s *Streams) stop(w http.ResponseWriter, r *http.Request) {
	mine, _ := oneseat.SessionFrom(r.Context())
	s.done(w, r, s.seats.StopStream(r.Context(), mine, oneseat.SessionID(r.PathValue("id"))))
}

func (s *Streams) done(w http.ResponseWriter, r *http.Request, err error) {
	if over, ok := errors.AsType[*oneseat.EndedError](err); ok && over.Ending.Parent != "" && over.Ending.Reason != oneseat.ReasonDisplaced {
		err = oneseat.ErrNoSession // it was stopped, or its player was silent: nobody has taken its place
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers a player that has no stream, or whose stream has ended.
func (s *Streams) refuse(w http.ResponseWriter, r *http.Request, err error) {
	full, isFull := errors.AsType[*oneseat.LimitError](err)
	over, isOver := errors.AsType[*oneseat.EndedError](err)
	switch {
	case errors.Is(err, oneseat.ErrLimitUnknown): // first, because it wraps anything that the application says
		w.Header().Set("Retry-After", "2")
		answer.Refuse(w, http.StatusServiceUnavailable, s.problem("limit_unknown", "refused.limit_unknown"))
	case isFull:
		mine, _ := oneseat.SessionFrom(r.Context())
		p := s.problem("limit", "stream.full")
		p.Limit, p.Streams = full.Limit, answer.Streams(full.Streams, mine.ID)
		answer.Refuse(w, http.StatusConflict, p)
	case isOver:
		n := oneseathttp.NoticeOf(over.Ending)
		answer.Refuse(w, http.StatusGone, answer.Problem{
			Reason: string(over.Ending.Reason), Title: n.Title, Detail: n.Detail, At: over.Ending.At,
			Device: over.Ending.ByDevice.Label, Reference: over.Ending.Reference(),
		})
	case errors.Is(err, oneseat.ErrClosed), errors.Is(err, oneseathttp.ErrClosing):
		answer.Elsewhere(w, r, s.problem("closing", "refused.closing"))
	case errors.Is(err, oneseat.ErrRotated):
		answer.Refuse(w, http.StatusConflict, s.problem("rotated", "refused.rotated"))
	case errors.Is(err, oneseat.ErrNoSession):
		answer.Refuse(w, http.StatusNotFound, s.problem("no_stream", "stream.none"))
	default:
		w.Header().Set("Retry-After", "2")
		answer.Refuse(w, http.StatusServiceUnavailable, s.problem("store_unavailable", "stream.no_answer"))
	}
}

// problem is the body of a refusal. key is that of its words.
func (s *Streams) problem(reason, key string) (p answer.Problem) {
	p.Reason = reason
	p.Title, p.Detail = s.words.Pair(key)
	return p
}
