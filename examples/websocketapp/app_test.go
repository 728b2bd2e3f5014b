package websocketapp

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

func dial(t *testing.T, s *webtest.Site, b *webtest.Browser) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), s.URL+"/echo", &websocket.DialOptions{HTTPClient: b.Client})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, resp, err
}

func say(t *testing.T, conn *websocket.Conn, word string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(word)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); err != nil || string(got) != word {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestADisplacedConnectionIsClosedAndToldWhy(t *testing.T) {
	s := webtest.Open(t, memstore.New(), oneseat.Config{}, New)
	laptop, phone := s.Browser(webtest.Laptop), s.Browser(webtest.Phone)
	laptop.SignIn("ada")
	conn, _, err := dial(t, s, laptop)
	if err != nil {
		t.Fatal(err)
	}
	say(t, conn, "hello")
	phone.SignIn("ada")
	_, _, err = conn.Read(t.Context())
	if end, ok := errors.AsType[websocket.CloseError](err); !ok || end.Code != websocket.StatusPolicyViolation || end.Reason != "displaced" {
		t.Fatalf("closed with %v", err)
	}
	if _, resp, err := dial(t, s, laptop); err == nil || resp.StatusCode != 401 {
		t.Fatalf("a displaced browser is back: %v", err)
	}
	again, _, err := dial(t, s, phone)
	if err != nil {
		t.Fatal(err)
	}
	say(t, again, "hello from the phone")
}

func TestAClientThatDoesNotReadIsClosedAllTheSame(t *testing.T) {
	s := webtest.Open(t, memstore.New(), oneseat.Config{}, New)
	laptop := s.Browser(webtest.Laptop)
	laptop.SignIn("ada")
	conn, _, err := dial(t, s, laptop)
	if err != nil {
		t.Fatal(err)
	}
	say(t, conn, "hello")
	s.Browser(webtest.Phone).SignIn("ada")
	// It answers no close frame, and goes on talking until that fails.
	for err == nil {
		err = conn.Write(t.Context(), websocket.MessageText, []byte("still here"))
	}
}

func TestTheClosingOfTheRegistryAsksTheClientToComeAgain(t *testing.T) {
	s := webtest.Open(t, memstore.New(), oneseat.Config{}, New)
	b := s.Browser(webtest.Laptop)
	b.SignIn("ada")
	conn, _, err := dial(t, s, b)
	if err != nil {
		t.Fatal(err)
	}
	say(t, conn, "hello")
	go func() { _ = s.Seats.Close() }()
	if _, _, err = conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Fatalf("closed with %v", err)
	}
}

func TestAStrangerGetsNoConnection(t *testing.T) {
	s := webtest.Open(t, memstore.New(), oneseat.Config{}, New)
	_, resp, err := dial(t, s, s.Browser(webtest.Laptop))
	if err == nil || resp.StatusCode != 401 {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(resp.Body); len(body) == 0 {
		t.Error("and is told nothing")
	}
}
