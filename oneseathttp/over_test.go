package oneseathttp_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/client"
	"github.com/oneseat/oneseat/internal/canaries"
	"github.com/oneseat/oneseat/oneseathttp"
	"github.com/oneseat/oneseat/server"
)

// over says what guards ask: a registry; or a server before it, by a client that asks
// each time, or by one that keeps answers.
var over = flag.String("over", "registry", "what the guards ask: registry, client or memory")

// seatsOver is what a guard of a test asks, over a registry.
func seatsOver(t *testing.T, seats *oneseat.Registry) oneseathttp.Seats {
	t.Helper()
	if *over == "registry" {
		return seats
	}
	c := seats.Config()
	secret, key := server.NewKey(c.Realm, server.ScopeCheck, server.ScopeSessions, server.ScopeAdmin)
	s, err := server.New(server.Config{Realms: map[string]*oneseat.Registry{c.Realm: seats}, Keys: []server.Key{key}, Logger: canaries.Logger(nil)})
	if err != nil {
		t.Fatal(err)
	}
	in := client.Config{URL: "http://oneseat", Key: secret, Transport: wireless{s}, Logger: c.Logger}
	if *over == "memory" {
		in.MaxStale = time.Second
	}
	k, err := client.New(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// wireless makes calls of a server without a network.
type wireless struct{ server http.Handler }

func (d wireless) RoundTrip(r *http.Request) (*http.Response, error) {
	in := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.Path, r.Body)
	for name, values := range r.Header {
		if len(values) > 0 {
			in.Header[name] = values
		}
	}
	out := httptest.NewRecorder()
	d.server.ServeHTTP(out, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return out.Result(), nil
}

// apart are the tests of what differs with a server between a guard and its registry.
var apart = []struct{ why, test string }{
	// These displace a session inside of a handler, and go on at once.
	{"a cut comes a moment after its cause", "NothingIsAppendedToAnAnswerThatWasSentPastTheGuard"},
	{"", "WhereNothingWasSentPastTheGuardTheRefusalIs"},
	{"", "RequireFindsTheRequestAgainBehindAnAdapterThatLostIt"},
	{"", "WhatIsSentBeforeAnAnswerIsNoAnswer"},
	{"", "WhatCannotBeDoneWithAConnectionIsNoAnswer"},
	{"", "ARefusalInThePlaceOfAnAnswerCanBeReadByWhoeverAsked"},
	{"", "AfterACutEveryWayToSendReturnsTheCauseAndPassesNothingOn"},
	{"", "AConnectionThatMovesOrIgnoresDeadlinesDoesNotKeepARequestGoing"},
	{"", "OffTheServersGoroutineACutIsThePanicAndNoMore"},
	{"", "AnOpeningThatCannotBeSentLeavesNothingToDo"},
	{"", "AFileIsSentByTheKernelAndCutBetweenPieces"},
	{"", "WhatASlowSourceHoldsAfterTheCutIsNotSent"},
	{"", "WhatIsSentInOnePieceEndsWithinThePieceOfTheCut"},
	{"", "HandlersUnderFinishThatAreCutAreLoggedOnceAMinute"},

	{"a registry that is closed is a server that does not answer", "AfterCloseNoRequestIsAdmitted"},
	{"", "WorkInFlightWhenTheRegistryIsClosed"},
	{"", "EveryRefusalToAProgramHasTheKeysThatProgramsKnow"},
	{"the server logs, and it words what the store did", "EachFailureHasAReasonOfItsOwnAndALineInTheLog"},

	// These set the store's clock by hours, while no time passes for the client.
	{"a client goes by its own clock between two answers", "WhereSessionsNeverEndACookieInDailyUseIsSetAnewAndNeverRunsOut"},
	{"", "ACookieIsSetAnewByNoAnswerThatACacheMayKeepOrThatChangesWhoseItIs"},
	{"", "WhatAPersonDoesInAPageIsActivity"},
	{"", "APageMayAskForAFreshProof"},
	{"", "OwnDevicesAskForAProofThatIsNotADayOld"},
	{"", "TheCookieOutlivesTheDeadlineSoThatTheBrowserIsToldWhy"},
	{"", "AnApplicationSaysWhichOfItsRequestsAreNoActivity"},
	{"", "MountedAnywhereTheGuardsOwnQuestionsAreNoActivity"},
	{"", "WithoutAPageToConfirmTheSignInPageIsOne"},
	{"", "APageThatLiesAboutActivityIsBounded"},
	{"", "ASessionThatGoesOnInAnotherBrowserIsAnEvent"},
	{"", "APageIsToldInMillisecondsWhenItsSessionEndsByTheStoresClock"},
}

// Every other test of this package passes with a server between guard and registry.
func TestTheGuardWorksOverAClientAsOverARegistry(t *testing.T) {
	if *over != "registry" {
		return // it is one of them
	}
	all, err := exec.CommandContext(t.Context(), os.Args[0], "-test.list", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(all))
	skip := []string{"^$"}
	for _, a := range apart {
		if !slices.Contains(names, "Test"+a.test) {
			t.Errorf("there is no test of the name %s", a.test)
		}
		skip = append(skip, "^Test"+a.test+"$")
	}
	for _, how := range []string{"client", "memory"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-over", how, "-test.run", "^Test", "-test.skip", strings.Join(skip, "|"), "-test.v", "-test.timeout", "10m")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, regexp.MustCompile(`(?m)^ *--- FAIL.*|^ +\w+_test\.go:\d+: .*|^canaries: .*`).FindAll(out, 20))
			}
			if passed := len(regexp.MustCompile("(?m)^--- PASS").FindAll(out, -1)); passed < len(names)/2 {
				t.Errorf("only %d tests passed", passed)
			}
		})
	}
}
