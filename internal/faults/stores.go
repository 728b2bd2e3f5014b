package faults

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/oneseat/oneseat"
	"github.com/oneseat/oneseat/store/sqlitestore"
)

// store is what a round needs of one.
type store interface {
	oneseat.Store
	oneseat.History
}

// open opens the store at a URL, reaching its servers by dial; shut ends it.
func open(ctx context.Context, url string, dial func(ctx context.Context, server string) (net.Conn, error)) (s store, shut func(), err error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite": // a file needs no way
		s, err := sqlitestore.Open(rest)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { _ = s.Close() }, nil
	}
	return nil, nil, fmt.Errorf("there is no store %q", scheme)
}
