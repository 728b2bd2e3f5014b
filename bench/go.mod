module github.com/oneseat/oneseat/bench

go 1.26.0

replace github.com/oneseat/oneseat => ../

require (
	github.com/alexedwards/scs/v2 v2.9.0
	github.com/oneseat/oneseat v0.0.0-00010101000000-000000000000
)
