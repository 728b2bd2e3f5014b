module github.com/oneseat/oneseat/packaging

go 1.26.0
