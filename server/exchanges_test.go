package server_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
)

// exchanges is a file that gets every request and answer of these tests, one a line, for
// the tests of api/contract. "": they are not kept.
var exchanges = flag.String("exchanges", "", "append every exchange over HTTP to this `file`")

// exchange is a request and its answer.
type exchange struct {
	Test, Method, Path string
	Headers            http.Header
	Body               []byte
	Status             int
	AnswerHeaders      http.Header
	Answer             []byte
}

// noting is held while a line is written.
var noting sync.Mutex

// noteRecorded notes what went over no network.
func noteRecorded(t *testing.T, r *http.Request, body string, w *httptest.ResponseRecorder) {
	t.Helper()
	note(t, exchange{t.Name(), r.Method, r.URL.Path, r.Header, []byte(body), w.Code, w.Header(), w.Body.Bytes()})
}

func note(t *testing.T, e exchange) {
	t.Helper()
	if *exchanges == "" {
		return
	}
	line, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	noting.Lock()
	defer noting.Unlock()
	f, err := os.OpenFile(*exchanges, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
}
