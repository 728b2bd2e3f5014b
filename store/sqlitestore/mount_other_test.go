//go:build !linux

package sqlitestore_test

import "errors"

func mountAll(pairs []string) error {
	if len(pairs) > 0 {
		return errors.ErrUnsupported
	}
	return nil
}
