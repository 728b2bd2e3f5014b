# Where PATH has no Go, make takes the one that Go's own installer has put here.
# A packaged Go that is older than go.mod asks for fetches a newer one.
export PATH := $(PATH):/usr/local/go/bin
export GOTOOLCHAIN ?= auto

tool := go tool -modfile=tools/go.mod

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the members' site on http://127.0.0.1:8080; ARGS="--listen 127.0.0.1:0" and the like
	@scripts/prepare go
	@echo "compiling; the first time takes a minute or two" >&2
	@go build -o bin/oneseat ./cmd/oneseat
	@exec bin/oneseat demo $(ARGS)

# How all tests are run: a busy machine may take its time.
tests := go test -race -shuffle=on -timeout=60m

.PHONY: test
test: ## everything: format, vet, linters, all tests with the race detector
	@scripts/prepare go gcc postgres pgbouncer redis faketime nginx languages commands powercut
	@$(MAKE) --no-print-directory lint
	@echo "testing; compiling with the race detector takes some minutes the first time"
	@ONESEAT_REQUIRE_SERVERS=1 $(tests) ./...
	@go test -run '^TestAllocs' . ./oneseathttp
	@go -C tools test ./...
	@$(MAKE) --no-print-directory fuzz FOR=60s ARGS=
	@cd examples && ONESEAT_REQUIRE_SERVERS=1 $(tests) ./...
	@cd examples/frameworks && $(tests) ./...
	@cd examples/sso && $(tests) ./...
	@cd api/contract && $(tests) -count=1 ./...
	@cd bench && $(tests) ./...
	@cd internal/powercut && $(tests) -count=1 -run='^TestWhatWasSynced' . && ONESEAT_REQUIRE_SERVERS=1 go test -count=1 -skip='^TestWhatWasSynced' .
	@$(MAKE) --no-print-directory packages ARGS=-short
	@$(MAKE) --no-print-directory django
	@$(MAKE) --no-print-directory e2e
	@echo "all tests passed"

PYTHON ?= /usr/bin/python3

.PHONY: django
django: ## the Django app, and the site with it, with Debian's Django; ROUNDS=200 MATRIX=full PAGES=10000 TIMEOUT=1.5 for all there is
	@PYTHON=$(PYTHON) scripts/prepare go django postgres
	@go build -o bin/oneseat ./cmd/oneseat
	@cd clients/django && $(PYTHON) -m mypy --no-incremental --no-error-summary oneseat_django binary_wheel.py
	@cd clients/django && ONESEAT_BINARY="$(CURDIR)/bin/oneseat" $(PYTHON) -B -m tests $(ARGS)
	@cd examples/djangosite && ONESEAT_BINARY="$(CURDIR)/bin/oneseat" $(PYTHON) -B -m unittest tests.test_site tests.test_restart

.PHONY: django-bench
django-bench: ## what oneseat costs a page of a Django site, in alternating pairs; PAIRS=9 SECONDS=4 ARGS=tutorial
	@PYTHON=$(PYTHON) scripts/prepare go django postgres
	@go build -o bin/oneseat ./cmd/oneseat
	@go -C examples build -o ../bin/load ./djangosite/load
	@cd examples/djangosite && ONESEAT_BINARY="$(CURDIR)/bin/oneseat" $(PYTHON) -B bench.py $(ARGS)

VERSION ?= $(shell scripts/version)

.PHONY: image
image: ## an image for containers in bin/oneseat-image.tar, which "podman load -i" and "docker load -i" read
	@scripts/prepare go packages
	@mkdir -p bin
	@scripts/image "$(VERSION)" bin/oneseat-image.tar
	@echo "bin/oneseat-image.tar is localhost/oneseat:$(VERSION)"

.PHONY: deb
deb: ## a Debian package in bin
	@scripts/prepare go packages
	@scripts/deb "$(VERSION)" bin

PREFIX ?= /usr/local

.PHONY: install
install: ## the program, its unit for systemd, and completions, below PREFIX=/usr/local; DESTDIR is put in front of it
	@scripts/prepare go
	@scripts/install "$(VERSION)" "$(PREFIX)" "$(DESTDIR)"

.PHONY: packages
packages: ## make each package, install it and run it
	@PYTHON=$(PYTHON) scripts/prepare go packages postgres redis django
	@cd packaging && ONESEAT_REQUIRE_SERVERS=1 go test -count=1 -timeout=60m ./... $(ARGS)

.PHONY: e2e
e2e: ## the program in Chromium: what it promises, from end to end
	@PYTHON=$(PYTHON) scripts/prepare go gcc chromium django hls
	@echo "testing in Chromium; that takes a minute or two"
	@cd e2e && $(tests) -count=1 ./...

RUNS ?= 10
LOOPS ?= 18

.PHONY: busy
busy: ## all tests, again and again, on a machine that is kept busy; RUNS=10 LOOPS=18 ARGS="./store/... ." for some packages
	@scripts/prepare go gcc postgres pgbouncer redis faketime
	@ONESEAT_REQUIRE_SERVERS=1 scripts/busy $(RUNS) $(LOOPS) $(tests) -count=1 -exec='$(CURDIR)/scripts/quietly' $(or $(ARGS),./...)

.PHONY: mutants
mutants: ## break the root package in thousands of ways, one at a time, see each caught (slow); ARGS='-mutants="limit.go;(*draft).end"' for some
	@scripts/prepare go
	@go test ./internal/mutants -count=1 -v -timeout=3h -run='^TestEveryMutantIsCaught$$' -mutants=all -record $(ARGS)

.PHONY: requirements
requirements: ## break each row of docs/requirements.md, and see the test fail that holds it (some minutes); ARGS="TOK-01 STO" for some
	@scripts/prepare go postgres redis django
	@cd internal/requirements && ONESEAT_REQUIRE_SERVERS=1 go test -count=1 -timeout=0 -run='^TestEveryRequirementIsHeld$$' -rows='$(or $(ARGS),all)'

.PHONY: crash
crash: ## kill -9 a process that writes to SQLite, 10000 times, and look for all that it had acknowledged (slow)
	@scripts/prepare go
	@go test ./store/sqlitestore -count=1 -v -timeout=0 -run '^TestWhatWasAcknowledgedSurvivesKill9$$' -rounds=10000 $(ARGS)

.PHONY: rounds
rounds: ## a session ends all others while it is displaced: 1000000 times in memory, 20000 times on each real store (slow)
	@scripts/prepare go postgres redis
	@ONESEAT_STORETEST_ROUNDS=1000000 go test ./store/memstore -count=1 -v -timeout=0 -run '^TestStoreKeepsTheContract$$/^Contention$$/displaced'
	@ONESEAT_STORETEST_ROUNDS=20000 ONESEAT_REQUIRE_SERVERS=1 go test -p 1 ./store/sqlitestore ./store/pgstore ./store/redisstore -count=1 -v -timeout=0 -run '^TestStoreContract$$/^Contention$$/displaced'

FOR ?= 60s

.PHONY: fuzz
fuzz: ## fuzz everything that is read, each Fuzz function for its part of the time; FOR=1h ARGS="-parallel 1 -run Token" for some
	@scripts/prepare go
	@go -C tools build -o ../bin/fuzz ./fuzz
	@bin/fuzz -for '$(FOR)' $(ARGS)

.PHONY: rolling
rolling: ## two nodes behind nginx, restarted in turn under load: what fails, and how long a shutdown takes; FOR=60s
	@scripts/prepare go nginx
	@ONESEAT_REQUIRE_SERVERS=1 go -C examples test ./deployapp -count=1 -v -timeout=0 -run '^TestARollingRestart' -for='$(FOR)' $(ARGS)

.PHONY: screenshots
screenshots: ## draw the pictures of all pages in docs/screenshots again
	@PYTHON=$(PYTHON) scripts/prepare go chromium django pngquant
	@mkdir -p docs/screenshots
	@go -C e2e test -count=1 -timeout 30m -run '^TestEveryPage' . -args -screenshots "$(CURDIR)/docs/screenshots"

.PHONY: lint
lint: ## format, vet, staticcheck, errcheck and its like, govulncheck, go mod tidy and go fix, without changing anything
	@scripts/prepare go
	@echo "linting; compiling the linters takes a minute or two the first time"
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { echo "not formatted (make fmt):"; echo "$$bad"; exit 1; }
	@go vet ./...
	@go -C tools vet ./...
	@for m in api/contract internal/powercut e2e examples examples/frameworks examples/sso bench packaging; do go -C $$m vet ./... || exit 1; done
	@$(tool) staticcheck ./...
	@go -C tools build -o ../bin/lint ./lint
	@for m in . tools api/contract internal/powercut e2e examples examples/frameworks examples/sso bench packaging; do go -C $$m vet -vettool="$(CURDIR)/bin/lint" ./... || exit 1; done
	@scripts/vulncheck
	@go mod tidy -diff
	@go -C tools mod tidy -diff
	@for m in api/contract internal/powercut e2e examples examples/frameworks examples/sso bench packaging; do go -C $$m mod tidy -diff || exit 1; done
	@go fix -diff ./...

.PHONY: apidiff
apidiff: ## what has changed of the API since the last release; SINCE=revision for another
	@scripts/prepare go
	@scripts/apidiff $(SINCE)

.PHONY: outdated
outdated: ## direct dependencies that have a newer release; asks the network
	@scripts/prepare go
	@scripts/outdated

.PHONY: bench
bench: ## figures beside the bare operation, as ratios; ARGS=check for one section, ARGS=tenmillion for 12 GB of accounts
	@scripts/prepare go postgres redis
	@go -C bench run . $(ARGS)

HISTORIES ?= 10000
SEED ?= 1

.PHONY: simulate
simulate: ## many nodes in virtual time with everything going wrong; HISTORIES=100000 SEED=1
	@scripts/prepare go
	@go test ./internal/simulate -count=1 -timeout=0 -v -run='^TestSimulate$$' -histories='$(HISTORIES)' -seed='$(SEED)'

.PHONY: simulate-bugs
simulate-bugs: ## make simulate with each of the planted bugs, which it has to catch
	@scripts/prepare go
	@go test ./internal/simulate -count=1 -timeout=0 -v -run='^TestPlantedBugs' -bugs=all

ROUNDS ?= 100
STORE ?= all

.PHONY: faults
faults: ## three nodes on each real store, while all of it is killed and cut off; ROUNDS=100 SEED=1 STORE=redis
	@scripts/prepare go postgres redis
	@ONESEAT_REQUIRE_SERVERS=1 go test ./internal/faults -count=1 -timeout=0 -v -run='^TestFaults$$' -rounds='$(ROUNDS)' -seed='$(SEED)' -store='$(STORE)'

.PHONY: powercut
powercut: ## cut the power of the disk of SQLite and of PostgreSQL, and look for all that was acknowledged; as root; ROUNDS=1000 ARGS="-seed 1"
	@scripts/prepare go postgres powercut
	@ONESEAT_REQUIRE_SERVERS=1 go -C internal/powercut test -count=1 -timeout=0 -v -run='^TestWhatWas' . -args -rounds '$(ROUNDS)' $(ARGS)

.PHONY: powercut-bugs
powercut-bugs: ## make powercut with stores, and a disk, that do not sync, which it has to catch
	@scripts/prepare go postgres powercut
	@ONESEAT_REQUIRE_SERVERS=1 go -C internal/powercut test -count=1 -timeout=0 -v -run='Caught$$' . -args -bugs

ORDERED ?= 500

.PHONY: histories
histories: ## three servers on each real store, and eight clients of theirs: is there an order in which all answers are right? ORDERED=500 of each setting on each store
	@scripts/prepare go postgres redis
	@ONESEAT_REQUIRE_SERVERS=1 go test ./internal/histories -count=1 -timeout=0 -v -run='^TestWhatSeveral' -args -rounds $(ORDERED)
	@go test ./client -count=1 -v -timeout=0 -run '^TestNoYesIsOlderThanMaxStale' -args -rounds 10000

.PHONY: faults-bugs
faults-bugs: ## make faults with each of the planted bugs, which it has to catch
	@scripts/prepare go postgres redis
	@ONESEAT_REQUIRE_SERVERS=1 go test ./internal/faults -count=1 -timeout=0 -v -run='^TestPlantedBugs' -bugs=all

.PHONY: fmt
fmt: ## format, and bring the code to today's Go
	@scripts/prepare go
	@gofmt -l -w .
	@go fix ./...

.PHONY: glyphs
glyphs: ## draw the lettering of the demo's picture again
	@scripts/prepare go
	@for size in 18 40; do go -C tools run ./glyphs -size $$size -o ../internal/demo/assets/glyphs$$size.png || exit 1; done
