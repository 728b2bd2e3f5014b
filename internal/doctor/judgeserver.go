package doctor

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oneseat/oneseat/api"
)

const (
	// apart is how far two clocks may be apart.
	apart = 2 * time.Second
	// renewal is how long before its end a certificate should have been renewed.
	renewal = 14 * 24 * time.Hour
)

// judgeServer judges one server.
func judgeServer(f serverFacts) []Result {
	answers, certificate := judgeHealth(f), judgeCertificate(f)
	if len(answers.Findings) > 0 || answers.NotChecked != "" {
		all := []Result{answers}
		for _, check := range []string{"ready", "tls"} {
			all = append(all, notChecked(check, f.url, "it does not answer"))
		}
		all = append(all, certificate)
		for _, check := range []string{"key", "realm", "clock", "adoption", "dangerously"} {
			all = append(all, notChecked(check, f.url, "it does not answer"))
		}
		return all
	}
	all := []Result{answers, judgeReady(f), judgeTLS(f), certificate}
	return append(all, judgeAbout(f)...)
}

func judgeHealth(f serverFacts) Result {
	const check = "answers"
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](f.health.err)
	switch {
	case f.bad != nil:
		return found(check, f.url, Problem, f.bad.Error()).cured("Correct the URL.")
	case distrusted:
		return notChecked(check, f.url, "its certificate is not accepted")
	case f.health.err != nil:
		return found(check, f.url, Problem, fmt.Sprintf("%s: %v", f.url, f.health.err))
	case !f.health.oneseats() || f.health.status != http.StatusOK:
		return found(check, f.url, Problem, fmt.Sprintf("%s answers %d to GET /healthz, and not as an oneseat server does", f.url, f.health.status))
	}
	return fine(check, f.url, "")
}

func judgeReady(f serverFacts) Result {
	const check = "ready"
	switch {
	case f.ready.err != nil:
		return found(check, f.url, Problem, fmt.Sprintf("GET /readyz: %v", f.ready.err))
	case f.ready.status != http.StatusOK:
		return found(check, f.url, Problem, fmt.Sprintf("it answers %d to GET /readyz", f.ready.status))
	}
	return fine(check, f.url, "")
}

func judgeTLS(f serverFacts) Result {
	const check = "tls"
	switch {
	case !f.plain && f.health.tls == nil:
		return fine(check, f.url, "a Unix socket needs none")
	case !f.plain:
		return fine(check, f.url, "")
	case !f.health.peer.IsLoopback():
		return found(check, f.url, Problem, fmt.Sprintf("%s is plain http, and %v is not an address of this machine alone", f.url, f.health.peer))
	case len(f.beyond) > 0:
		return found(check, f.url, Problem, fmt.Sprintf("it answers by plain http at %s too, which others may reach", strings.Join(f.beyond, " and ")))
	}
	return fine(check, f.url, "on this machine only")
}

func judgeCertificate(f serverFacts) Result {
	const check = "certificate"
	distrusted, ok := errors.AsType[*tls.CertificateVerificationError](f.health.err)
	switch {
	case ok:
		return found(check, f.url, Problem, fmt.Sprintf("the certificate is not accepted: %v", distrusted.Err))
	case f.bad != nil || f.health.err != nil:
		return notChecked(check, f.url, "it does not answer")
	case f.health.tls == nil || len(f.health.tls.PeerCertificates) == 0:
		return notChecked(check, f.url, "there is no TLS")
	}
	until := f.health.tls.PeerCertificates[0].NotAfter
	if left := until.Sub(f.now); left < renewal {
		return found(check, f.url, Warning, fmt.Sprintf("the certificate ends on %s, in %d days", until.UTC().Format(time.DateOnly), int(left.Hours()/24)))
	}
	return fine(check, f.url, "until "+until.UTC().Format(time.DateOnly))
}

// judgeAbout judges what a server says of itself to a key.
func judgeAbout(f serverFacts) []Result {
	why := ""
	key, realm := fine("key", f.url, ""), Result{}
	switch {
	case !f.keyed:
		why = "it takes a key"
		key, realm = notChecked("key", f.url, why), notChecked("realm", f.url, why)
	case !f.spelt:
		why = "what was given is no key"
		key = found("key", f.url, Problem, "what was given is not a key of the API, or not a whole one: a key is one line that begins with oneseat_key_")
		realm = notChecked("realm", f.url, why)
	case errors.Is(f.asked.err, errNotLocal):
		why = "the key is not sent by plain http beyond this machine"
		key, realm = notChecked("key", f.url, why), notChecked("realm", f.url, why)
	case f.asked.err == nil && f.asked.status == http.StatusUnauthorized && f.keyFile != nil:
		why = "the key is refused"
		key = notChecked("key", f.url, "see realm")
		realm = found("realm", f.url, Problem, fmt.Sprintf("%s has the key %s, of the realm %q, and the server does not know the key", f.keyFile.file, f.keyFile.id, f.keyFile.realm))
	case f.asked.err == nil && f.asked.status == http.StatusUnauthorized:
		why = "the key is refused"
		key = found("key", f.url, Problem, "it answers 401 to the key")
		realm = notChecked("realm", f.url, why)
	case f.about == nil:
		why = "it does not say what it is"
		what := fmt.Sprintf("it answers %d to POST %s", f.asked.status, api.PathAbout)
		if f.asked.err != nil {
			what = fmt.Sprintf("POST %s: %v", api.PathAbout, f.asked.err)
		}
		key = found("key", f.url, Problem, what).cured("Examine the store too (--store), and read the log of the server.")
		key.Findings[0].Means = "A call with this key gets no answer."
		realm = notChecked("realm", f.url, why)
	default:
		key.Said = "for " + strings.Join(f.about.Scopes, ", ")
		realm = judgeRealm(f)
	}
	if f.about == nil {
		return []Result{key, realm, notChecked("clock", f.url, why), notChecked("adoption", f.url, why), notChecked("dangerously", f.url, why)}
	}
	return []Result{key, realm, judgeClock(f.url, f.about.Now, f.asked.sent, f.asked.at), judgeAdoption(f), judgeSwitch(f)}
}

// judgeRealm judges the realm that a server says a key is of.
func judgeRealm(f serverFacts) Result {
	const check = "realm"
	switch {
	case f.realm != "" && f.about.Realm != f.realm:
		return otherRealm(f, fmt.Sprintf("the key is of the realm %q here, and should be of %q", f.about.Realm, f.realm))
	case f.keyFile != nil && f.about.Realm != f.keyFile.realm:
		return otherRealm(f, fmt.Sprintf("the key is of the realm %q here, and %s says %q", f.about.Realm, f.keyFile.file, f.keyFile.realm))
	}
	return fine(check, f.url, f.about.Realm)
}

func otherRealm(f serverFacts, what string) Result {
	r := found("realm", f.url, Problem, what)
	r.Findings[0].Means = "A program with this key signs people in among other accounts than it should."
	return r
}

// judgeClock judges the clock of a store, which was asked and answered between two times
// of this machine.
func judgeClock(of string, store, asked, answered time.Time) Result {
	const check = "clock"
	switch ahead, behind := store.Sub(answered), asked.Sub(store); {
	case ahead > apart:
		return found(check, of, Problem, fmt.Sprintf("the clock of the store is %v ahead of this machine's", ahead.Round(time.Millisecond)))
	case behind > apart:
		return found(check, of, Problem, fmt.Sprintf("the clock of the store is %v behind this machine's", behind.Round(time.Millisecond)))
	}
	return fine(check, of, "")
}

func judgeAdoption(f serverFacts) Result {
	const check = "adoption"
	until := f.about.AdoptUntil
	switch {
	case until.IsZero():
		return fine(check, f.url, "")
	case until.Before(f.about.Now):
		return found(check, f.url, Note, fmt.Sprintf("the realm %q adopted sessions until %s", f.about.Realm, until.UTC().Format(time.RFC3339)))
	}
	return fine(check, f.url, "until "+until.UTC().Format(time.RFC3339))
}

func judgeSwitch(f serverFacts) Result {
	const check = "dangerously"
	if f.about.DangerouslyAllowWhenStoreIsDown {
		return found(check, f.url, Warning, fmt.Sprintf("DangerouslyAllowWhenStoreIsDown is on in the realm %q", f.about.Realm))
	}
	return fine(check, f.url, "")
}

// judgeServers judges how servers differ.
func judgeServers(all []serverFacts) []Result {
	if len(all) == 0 {
		return nil
	}
	var known []serverFacts
	for _, f := range all {
		if f.about != nil {
			known = append(known, f)
		}
	}
	const of = "all servers"
	if len(known) < 2 {
		why := "there are not two servers that answer with a key"
		return []Result{notChecked("limits", of, why), notChecked("versions", of, why)}
	}
	limits, versions := fine("limits", of, ""), fine("versions", of, known[0].about.Version)
	for i, f := range known {
		same := slices.IndexFunc(known[:i], func(g serverFacts) bool { return g.about.Realm == f.about.Realm })
		if same >= 0 {
			if d := differences(known[same], f); len(d) > 0 {
				limits.Findings = append(limits.Findings, Finding{Severity: Problem, What: fmt.Sprintf("in the realm %q %s", f.about.Realm, strings.Join(d, "; "))})
			}
		}
		if a, b := known[0], f; a.about.Version != b.about.Version {
			versions.Findings = append(versions.Findings, Finding{Severity: Warning, What: fmt.Sprintf("%s is %s, and %s is %s", a.url, a.about.Version, b.url, b.about.Version)})
			versions.Said = ""
		}
	}
	return []Result{limits, versions}
}

// differences says how the settings of one realm differ at two servers.
func differences(a, b serverFacts) (list []string) {
	x, y := settings(a.about), settings(b.about)
	for i := range x {
		if x[i].value != y[i].value {
			list = append(list, fmt.Sprintf("%s is %s at %s, and %s at %s", x[i].name, x[i].value, a.url, y[i].value, b.url))
		}
	}
	return list
}

type setting struct{ name, value string }

func settings(a *api.About) []setting {
	span := func(seconds float64) string {
		if seconds == 0 {
			return "none"
		}
		return time.Duration(seconds * float64(time.Second)).String()
	}
	limit, adopt := fmt.Sprint(int(a.Limit)), "none"
	if a.Limit == api.Unlimited {
		limit = "unlimited"
	}
	if !a.AdoptUntil.IsZero() {
		adopt = a.AdoptUntil.UTC().Format(time.RFC3339)
	}
	return []setting{
		{"limit", limit}, {"policy", a.WhenFull}, {"idle", span(a.Idle)}, {"absolute", span(a.Absolute)}, {"max_stale", span(a.MaxStale)},
		{"keep_endings", span(a.KeepEndings)}, {"adopt_until", adopt}, {"touch_every", span(a.TouchEvery)},
	}
}
