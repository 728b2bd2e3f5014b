// Package hlsapp is a channel that is played in pieces (HLS, by hls.js): several devices
// of an account are signed in, one plays, and the newest wins. docs/howto/streams.md
// shows it.
//
// The pieces were made once: ffmpeg -f lavfi -i
// "color=c=0x14543c:size=160x90:rate=8:duration=8,drawbox=x='mod(t*40,160)':y=30:w=30:h=30:color=white:t=fill"
// -c:v libx264 -profile:v baseline -preset veryslow -crf 40 -pix_fmt yuv420p -g 16
// -keyint_min 16 -sc_threshold 0 -f hls -hls_time 2 -hls_segment_filename %d.ts list.m3u8
package hlsapp

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/oneseathttp/stream"
)

// Config allows five devices signed in, and one playing: the newest.
func Config() oneseat.Config {
	return oneseat.Config{Limit: 5, Streams: 1, WhenStreamsFull: oneseat.PolicyDisplace}
}

// New returns the site. hls is the folder dist of the npm package hls.js. checkPassword
// is the application's: it returns the account, or "" for a wrong password.
func New(seats *oneseat.Registry, hls fs.FS, checkPassword func(r *http.Request) string) (http.Handler, error) {
	guard, err := oneseathttp.New(seats, oneseathttp.Config{SignInPath: "/login"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) { show(w, "login", nil) })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		account := checkPassword(r)
		if account == "" {
			http.Error(w, "that was not right", http.StatusUnauthorized)
			return
		}
		if _, err := guard.SignIn(w, r, account); err != nil {
			guard.RefuseSignIn(w, r, err, "/")
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("GET /{$}", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oneseat.SessionFrom(r.Context())
		show(w, "watch", session)
	})))
	mux.HandleFunc("GET /hls.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		http.ServeFileFS(w, r, hls, "hls.min.mjs")
	})
	mux.Handle(oneseathttp.Path, guard.Handler())

	streams := stream.New(seats, guard)
	mux.Handle(stream.Path, streams.Handler())
	mux.Handle("GET /watch/{stream}/live.m3u8", streams.Require(http.HandlerFunc(playlist)))
	mux.Handle("GET /watch/{stream}/{piece}", streams.Require(http.HandlerFunc(piece)))
	return http.NewCrossOriginProtection().Handler(guard.Wrap(mux)), nil
}

//go:embed pieces/*.ts
var pieces embed.FS

const (
	length = 2 * time.Second // of a piece
	loop   = 4               // pieces, and then the picture begins anew
	window = 5               // pieces in the playlist
)

// playlist lists the newest pieces. Their names are relative, so a player asks for them
// under the path of its playlist, which names the stream.
func playlist(w http.ResponseWriter, _ *http.Request) {
	newest := time.Now().Unix() / int64(length/time.Second)
	oldest := newest - window + 1
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:%d\n", length/time.Second)
	fmt.Fprintf(&b, "#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:%d\n", oldest, (oldest+loop-1)/loop)
	for n := oldest; n <= newest; n++ {
		if n%loop == 0 {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		fmt.Fprintf(&b, "#EXTINF:%.3f,\npiece%d.ts\n", length.Seconds(), n)
	}
	w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	_, _ = w.Write([]byte(b.String())) // an error is the client's connection
}

// piece serves two seconds of the picture.
func piece(w http.ResponseWriter, r *http.Request) {
	var n uint64
	if _, err := fmt.Sscanf(r.PathValue("piece"), "piece%d.ts", &n); err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "video/mp2t")
	http.ServeFileFS(w, r, pieces, fmt.Sprintf("pieces/%d.ts", n%loop))
}

func show(w http.ResponseWriter, name string, view any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err := pages.ExecuteTemplate(w, name, view); err != nil {
		log.Print(err) // as a rule an error of the browser's connection
	}
}

var pages = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<h1>Sign in</h1>
<form method="post">
<label>Account <input name="account" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Sign in</button>
</form></html>{{end}}

{{define "watch"}}<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Channel one</title>
<meta name="oneseat-session" content="{{.ID}}">
<script type="module" src="/oneseat/oneseat.js"></script>
<style>
  body { margin: 2rem auto; max-width: 40rem; padding: 0 1rem; font: 1rem/1.45 system-ui, sans-serif; }
  .player video { display: block; width: 100%; aspect-ratio: 16 / 9; background: #0a1018; border-radius: .5rem; }
</style>
<h1>Channel one</h1>
<div class="player"><video muted playsinline controls></video></div>
<script type="module">
import Hls from "/hls.js";
import { watch } from "/oneseat/stream/stream.js";

const video = document.querySelector("video");
let hls;
watch(document.querySelector(".player"), {
  title: "Channel one",
  play(id) {
    hls = new Hls();
    hls.loadSource("/watch/" + id + "/live.m3u8");
    hls.attachMedia(video);
    hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  },
  stop() { hls.destroy(); },
});
</script></html>{{end}}
`))
