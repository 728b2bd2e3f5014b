package payapp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/examples/internal/accounts"
	"github.com/oneseat/oneseat/examples/internal/webtest"
	"github.com/oneseat/oneseat/store/memstore"
)

func TestWhoHasPaidIsToldSoAlthoughTheAccountSignsInElsewhereMeanwhile(t *testing.T) {
	var phone *webtest.Browser
	works := true
	s := webtest.Open(t, memstore.New(), oneseat.Config{}, func(seats *oneseat.Registry) (http.Handler, error) {
		return New(seats, accounts.New("ada"), func(ctx context.Context, account, key string) error {
			phone.SignIn("ada")
			if account != "ada" || key != "order 1" || ctx.Err() != nil || !works {
				return errors.New("no")
			}
			return nil
		})
	})
	laptop := s.Browser(webtest.Laptop)
	phone = s.Browser(webtest.Phone)
	for _, works = range []bool{true, false} {
		laptop.SignIn("ada")
		resp := laptop.Do(http.MethodPost, "/pay", url.Values{"key": {"order 1"}})
		body, err := io.ReadAll(resp.Body)
		if err != nil || works != (resp.StatusCode == http.StatusOK) {
			t.Errorf("%s %q, %v", resp.Status, body, err)
		}
		if resp := laptop.Do(http.MethodPost, "/pay", url.Values{"key": {"order 2"}}); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("the next one: %s", resp.Status)
		}
	}
}
