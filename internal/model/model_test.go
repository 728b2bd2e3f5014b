package model

import (
	"fmt"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/oneseat/oneseat"
)

// said is one call and what came of it, after all those before.
type said struct {
	Call
	Reply
}

func signsIn(device int) said { return said{Call{What: "sign in", Device: device}, Reply{Said: "yes"}} }

func checks(on int, reply Reply) said { return said{Call{What: "check", On: on}, reply} }

func endsOthers(on int, reply Reply) said { return said{Call{What: "end others", On: on}, reply} }

var (
	yes       = Reply{Said: "yes"}
	full      = Reply{Said: "full"}
	displaced = Reply{Said: "ended", Reason: oneseat.ReasonDisplaced}
	revoked   = Reply{Said: "ended", Reason: oneseat.ReasonRevoked}
	byItself  = Reply{Said: "ended", Reason: oneseat.ReasonDisplaced, SameDevice: true}
)

func ended(n int) Reply { return Reply{Said: "yes", Count: n} }

// The model tells right answers from wrong ones, of calls that come one after the
// other. Sessions are the numbers of the calls, from 1.
func TestTheModelTellsRightFromWrong(t *testing.T) {
	const displace, refuse, ask = oneseat.PolicyDisplace, oneseat.PolicyRefuse, oneseat.PolicyAsk
	for _, tt := range []struct {
		name   string
		limit  int
		policy oneseat.Policy
		calls  []said
		right  bool
	}{
		{"the oldest gives way", 2, displace, []said{signsIn(0), signsIn(0), signsIn(0), checks(1, displaced), checks(2, yes)}, true},
		{"the newest gives way", 2, displace, []said{signsIn(0), signsIn(0), signsIn(0), checks(2, displaced)}, false},
		{"nobody gives way", 1, displace, []said{signsIn(0), signsIn(0), checks(1, yes)}, false},

		{"who is live ends the others", 3, displace, []said{signsIn(0), signsIn(0), signsIn(0), endsOthers(2, ended(2)), checks(1, revoked), checks(3, revoked), checks(2, yes)}, true},
		{"who is live ends all but one other", 3, displace, []said{signsIn(0), signsIn(0), signsIn(0), endsOthers(2, ended(1))}, false},
		{"who is displaced ends nobody", 1, displace, []said{signsIn(0), signsIn(0), endsOthers(1, displaced), checks(2, yes)}, true},
		{"who is displaced ends its successor", 1, displace, []said{signsIn(0), signsIn(0), endsOthers(1, ended(1))}, false},
		{"who is displaced is told so and ends its successor", 1, displace, []said{signsIn(0), signsIn(0), endsOthers(1, displaced), checks(2, revoked)}, false},
		{"who is displaced is told that it ended nobody", 1, displace, []said{signsIn(0), signsIn(0), endsOthers(1, ended(0))}, false},
		{"nobody is nobody", 1, displace, []said{signsIn(0), endsOthers(0, Reply{Said: "none"}), checks(1, yes)}, true},

		{"its own device's session gives way first", 2, displace, []said{signsIn(1), signsIn(2), signsIn(2), checks(2, byItself), checks(1, yes)}, true},
		{"the oldest gives way before its own device's", 2, displace, []said{signsIn(1), signsIn(2), signsIn(2), checks(1, displaced)}, false},
		{"its own device's session gives way silently", 1, displace, []said{signsIn(1), signsIn(1), checks(1, displaced)}, false},
		{"another device's gives way as its own", 1, displace, []said{signsIn(1), signsIn(2), checks(1, byItself)}, false},
		{"its own device's session gives way though there is room", 2, displace, []said{signsIn(1), signsIn(1), checks(1, byItself)}, false},
		{"its own device's session is freed under refuse", 1, refuse, []said{signsIn(1), signsIn(1), checks(1, byItself), checks(2, yes)}, true},
		{"it is refused though its own device has a seat", 1, refuse, []said{signsIn(1), {Call{What: "sign in", Device: 1}, full}}, false},
		{"another device's is freed under refuse", 1, refuse, []said{signsIn(1), signsIn(2)}, false},
		{"a device without an id frees another such", 1, refuse, []said{signsIn(0), signsIn(0)}, false},
		{"two seats are freed", 2, refuse, []said{signsIn(1), signsIn(1), signsIn(1), checks(1, byItself), checks(2, byItself)}, false},
		{"the older of two is freed", 2, refuse, []said{signsIn(1), signsIn(1), signsIn(1), checks(1, byItself), checks(2, yes)}, true},
		{"its own device's session is freed under ask", 1, ask, []said{signsIn(1), signsIn(1), checks(1, byItself)}, true},
		{"a ticket is good on its own device", 1, ask, []said{signsIn(0), {Call{What: "sign in", Device: 1}, full}, {Call{What: "redeem", With: 2, Instead: 1, Device: 1}, yes}, checks(1, displaced)}, true},
		{"a ticket is good on another device", 1, ask, []said{signsIn(0), {Call{What: "sign in", Device: 1}, full}, {Call{What: "redeem", With: 2, Instead: 1, Device: 2}, yes}}, false},
		{"a ticket is good after others were ended", 1, ask, []said{signsIn(0), {Call{What: "sign in", Device: 1}, full}, endsOthers(1, ended(0)), {Call{What: "redeem", With: 2, Instead: 1, Device: 1}, yes}}, false},
	} {
		t.Run(fmt.Sprint(tt.name, " ", tt.right), func(t *testing.T) {
			var all []porcupine.Operation
			for i, c := range tt.calls {
				c.Number, c.Account = i+1, "ada"
				all = append(all, porcupine.Operation{Input: c.Call, Output: c.Reply, Call: int64(2 * i), Return: int64(2*i + 1)})
			}
			if got := porcupine.CheckOperations(New(tt.limit, tt.policy), all); got != tt.right {
				t.Errorf("porcupine says %v", got)
			}
		})
	}
}
