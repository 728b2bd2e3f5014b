package chiapp

import (
	"net/http"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/frameworks/internal/apptest"
	"github.com/oneseat/oneseat/examples/internal/accounts"
)

func TestTheSecondSignInStopsTheFirstOnesStreamAndItIsToldWhy(t *testing.T) {
	apptest.SecondSignIn(t, func(seats *oneseat.Registry) (http.Handler, error) { return New(seats, accounts.New("ada", "grace")) })
}
