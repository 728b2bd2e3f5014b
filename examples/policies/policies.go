// Package policies holds configurations for common needs. docs/policies.md shows them.
// Their tests show that each does what it is for.
package policies

import (
	"context"
	"time"

	"github.com/oneseat/oneseat"
)

// Subscription is one paid account for one person. The newest device takes the seat.
func Subscription() oneseat.Config {
	return oneseat.Config{}
}

// Video lets a household sign in on five devices and watch on two.
func Video() oneseat.Config {
	return oneseat.Config{Limit: 5, Streams: 2}
}

// Family has two phones and a television, and up to four devices in total.
func Family() oneseat.Config {
	return oneseat.Config{
		Limit:         4,
		ClassLimits:   map[oneseat.Class]int{"mobile": 2, "tv": 1},
		DisplaceOrder: oneseat.DisplaceSameClass,
	}
}

// Course lets a student use a laptop and a phone, and asks before it ends one.
func Course() oneseat.Config {
	return oneseat.Config{Limit: 2, WhenFull: oneseat.PolicyAsk}
}

// Exam lets the first device have the seat. A second one is refused until a proctor
// releases the seat, with [Release]. No session gives way because it is idle.
func Exam() oneseat.Config {
	return oneseat.Config{WhenFull: oneseat.PolicyRefuse, Idle: 4 * time.Hour, Absolute: 4 * time.Hour}
}

// Release is for the proctor's page, when a candidate's device has broken down.
func Release(ctx context.Context, seats *oneseat.Registry, candidate, proctor string) error {
	_, err := seats.EndAll(ctx, candidate, oneseat.EndOptions{Actor: proctor})
	return err
}

// BackOffice refuses a second seat of a licence. A device that was not used for half an
// hour gives way.
func BackOffice() oneseat.Config {
	return oneseat.Config{
		WhenFull: oneseat.PolicyRefuse,
		SeatIdle: 30 * time.Minute,
		Idle:     8 * time.Hour,
		Absolute: 12 * time.Hour,
	}
}

// Plans asks the application how many devices an account has paid for. Staff is
// exempt, by name.
func Plans(planOf func(ctx context.Context, account string) (string, error)) oneseat.Config {
	return oneseat.Config{LimitFor: func(ctx context.Context, account string) (oneseat.Limits, error) {
		plan, err := planOf(ctx, account)
		switch {
		case err != nil:
			return oneseat.Limits{}, err // nobody gets in by a guess
		case plan == "staff":
			return oneseat.Limits{Total: oneseat.Unlimited}, nil
		case plan == "family":
			return oneseat.Limits{Total: 4, Streams: 2}, nil
		}
		return oneseat.Limits{}, nil // the limit for everybody
	}}
}

// APIKeys gives each person ten keys for programs. They take no seat of the person, end
// when nobody has used them for 90 days, and go when the account is blocked.
func APIKeys() oneseat.Config {
	return oneseat.Config{Programs: oneseat.Programs{Limit: 10, Idle: 90 * 24 * time.Hour}}
}

// AskFirst shows an existing site what a limit would do, before the limit is in force.
func AskFirst() oneseat.Config {
	return oneseat.Config{ObserveOnly: true}
}

// NISTAAL1 is what SP 800-63B-4 advises for AAL1: 30 days in all.
func NISTAAL1() oneseat.Config {
	return oneseat.Config{Absolute: 30 * 24 * time.Hour}
}

// NISTAAL2 is what SP 800-63B-4 advises for AAL2: an hour idle, a day in all.
func NISTAAL2() oneseat.Config {
	return oneseat.Config{Idle: time.Hour, Absolute: 24 * time.Hour}
}

// NISTAAL3 is what SP 800-63B-4 asks for at AAL3: 15 minutes idle, 12 hours in
// all.
func NISTAAL3() oneseat.Config {
	return oneseat.Config{Idle: 15 * time.Minute, Absolute: 12 * time.Hour}
}

// PCI is PCI DSS v4.0, 8.2.8: 15 minutes idle.
func PCI() oneseat.Config {
	return oneseat.Config{Idle: 15 * time.Minute, Absolute: 12 * time.Hour}
}

// STIGUsers is the Application Security STIG for users (APSC-DV-000070): 15
// minutes idle, and a limit that is set (APSC-DV-000010).
func STIGUsers() oneseat.Config {
	return oneseat.Config{Limit: 3, Idle: 15 * time.Minute}
}

// STIGAdmins is the same for administrators (APSC-DV-000080): 10 minutes.
func STIGAdmins() oneseat.Config {
	return oneseat.Config{Realm: "admin", Limit: 3, Idle: 10 * time.Minute}
}

// FedRAMPHigh is AC-10 of FedRAMP High: three sessions for privileged accounts, two for
// others.
func FedRAMPHigh(privileged func(account string) bool) oneseat.Config {
	return oneseat.Config{
		Limit: 2,
		LimitFor: func(_ context.Context, account string) (oneseat.Limits, error) {
			if privileged(account) {
				return oneseat.Limits{Total: 3}, nil
			}
			return oneseat.Limits{}, nil
		},
	}
}

// OWASPHigh is the Session Management Cheat Sheet for high-value applications: 2
// to 5 minutes idle, a working day in all.
func OWASPHigh() oneseat.Config {
	return oneseat.Config{Idle: 5 * time.Minute, Absolute: 8 * time.Hour}
}
