module github.com/oneseat/oneseat

go 1.26.0
