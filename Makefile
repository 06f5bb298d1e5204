# vWorkspace Fleet. `make` alone lists the targets. Needs Go, git, make and a C compiler; nothing is downloaded
# but Go modules, and every tool is built from source by the Go that is installed.

GO      ?= go
ARGS    ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Packages tested at once. Most of them start control planes of their own (about 0.5 GB and half a core each),
# so this follows memory and patience rather than the number of cores.
TEST_PARALLEL ?= 2
TEST_TIMEOUT  ?= 30m
# These start some twenty to fifty processes each. Those that mostly wait for them go two at a time. Beside one of the others nothing else does: on two
# cores, what they wait for would come too late.
FLEET_PACKAGES = /e2e/(addon|cli|hosted|scenarios|testbed|transport)$$
BUSY_PACKAGES  = /e2e/(engines|faults)$$
# These need root and real nodes: `make e2e`.
POD_PACKAGES   = /e2e/pods$$
BENCH         ?= .

# Tools live in modules of their own under .ci/tools, so that they never move a version the product ships.
# `go tool` builds them on first use and keeps the binaries in Go's build cache.
GOLANGCI_LINT  = $(GO) tool -modfile=.ci/tools/lint/go.mod golangci-lint
CONTROLLER_GEN = $(GO) tool -modfile=.ci/tools/generate/go.mod controller-gen
# It says at the end which tests were skipped, and why, and counts them; `go test` alone keeps that to itself.
GOTESTSUM      = $(GO) tool -modfile=.ci/tools/test/go.mod gotestsum --format pkgname --

# The testbed's modules are fetched while our own code is compiled: one waits for the network, the other for the processor. What
# goes wrong here is told by whoever needs the modules next. Where Kubernetes is in the module cache, so is the rest.
FETCH_COMPONENTS = (ls -d "$$($(GO) env GOMODCACHE)"/k8s.io/kubernetes@* >/dev/null 2>&1 || \
	$(GO) -C e2e/testbed/components list -deps tool >/dev/null 2>&1 &)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## show this list
	@echo "vWorkspace Fleet - make targets:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'ARGS="..." is passed on by demo, test, e2e, faults and bench: make test ARGS="-run TestPlan -v"'

##@ What it does

.PHONY: demo
demo: ## a local fleet with Operations running across it: vw demo (ARGS="--help" for more)
	@echo "demo: compiling vw (the first time some minutes; then vw builds the fleet's binaries, and says how far it is)" >&2
	@$(FETCH_COMPONENTS)
	@$(GO) run ./cmd/vw demo $(ARGS)

##@ The loop

.PHONY: test
test: assets ## every test of the module, against real control planes
	@echo "test: go test ./... ($(TEST_PARALLEL) packages at once, then those that start a whole fleet; $(TEST_TIMEOUT) each at most)"
	@trap 'exit 130' INT TERM; all=$$($(GO) list ./...) || exit 1; code=0; \
	$(GOTESTSUM) -timeout $(TEST_TIMEOUT) -p $(TEST_PARALLEL) $(ARGS) $$(echo "$$all" | grep -vE '$(FLEET_PACKAGES)|$(BUSY_PACKAGES)|$(POD_PACKAGES)') || code=1; \
	$(GOTESTSUM) -timeout $(TEST_TIMEOUT) -p 2 $(ARGS) $$(echo "$$all" | grep -E '$(FLEET_PACKAGES)') || code=1; \
	$(GOTESTSUM) -timeout $(TEST_TIMEOUT) -p 1 $(ARGS) $$(echo "$$all" | grep -E '$(BUSY_PACKAGES)') || code=1; \
	exit $$code

# Not part of `test`: the race detector needs a second compile of Kubernetes and everything else (minutes on two
# cores) and slows control-plane tests several times. The goroutines that are ours run in these packages.
.PHONY: test-race
test-race: assets ## the packages that run goroutines of ours, under the race detector
	@echo "test-race: compiling everything a second time, with the race detector"
	$(GO) test -race -timeout $(TEST_TIMEOUT) -p $(TEST_PARALLEL) $(ARGS) ./placement/... ./engines/... ./hub/... ./spoke/...

# golangci-lint runs vet too. The testbed's components module is formatted like the rest but not linted: that
# would compile a second Kubernetes and all of OCM for a few mains without logic.
.PHONY: lint
lint: ## golangci-lint over the module, and the formatting of every Go file in the tree
	@echo "lint: golangci-lint (the first run builds it from source: minutes on a small machine, seconds after)"
	@$(GOLANGCI_LINT) version
	@echo "lint: checking ./... (the first run compiles the dependencies too)"
	@$(GOLANGCI_LINT) run $(ARGS) ./...
	@echo "lint: building every package without its tests: the linters see both as one"
	@$(GO) build ./...
	@echo "lint: checking the formatting of the nested modules"
	@$(GOLANGCI_LINT) fmt --diff e2e/testbed/components e2e/kindfleet/node

# CRDs replace the whole old set, and only when all were made: a kind that was renamed or dropped does not stay
# behind, and a type that does not compile yet costs nothing. There is no RBAC generator: Roles are written by hand,
# with the reason beside every verb.
.PHONY: generate
generate: ## deep copies and CRDs from the types in api/; references; manifests and the add-on from the charts
	@echo "generate: deep copies in api/ and CRDs in deploy/crds (the first run builds controller-gen)"
	@rm -rf bin/crds
	$(CONTROLLER_GEN) \
		object:headerFile=.ci/boilerplate.go.txt \
		crd:crdVersions=v1,generateEmbeddedObjectMeta=true \
		paths=./api/... output:crd:artifacts:config=bin/crds
	@mkdir -p deploy/crds
	@rm -f deploy/crds/*.vworkspace.io_*.yaml
	@mv bin/crds/*.yaml deploy/crds/
	@rmdir bin/crds
	@echo "generate: schemas of the engines' parameters in deploy/schemas, and docs/reference/parameters.md"
	@$(GO) run ./engines/reference
	@echo "generate: deploy/hub, deploy/spoke, deploy/addon and the charts' READMEs from deploy/charts"
	@$(GO) run ./deploy/render
	@echo "generate: docs/reference/api.md from deploy/crds, and docs/reference/vw.md from the commands"
	@$(GO) run ./deploy/reference
	@$(GO) run ./cmd/vw/reference

# The version is a linker flag, so that what is compiled stays shared with `go test` and `go run`. No -trimpath for
# the same reason; no VCS stamp, because git describe says it already and works in a checkout of another user. Each
# main declares `var version = "dev"`, which a plain `go build` keeps.
.PHONY: build
build: ## hub, spoke and vw (and kubectl-vw, which is vw by the name that kubectl looks for) into bin/, stamped with the version from git
	@echo "build: bin/ at version $(VERSION)"
	$(GO) build -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/...
	@ln -sf vw bin/kubectl-vw

# The time in the images is the commit's, so that whoever builds a commit gets the same digests; SOURCE_DATE_EPOCH says another.
IMAGE_REPOSITORY ?= registry.example.com/vworkspace-fleet
.PHONY: images
images: ## images of hub and spoke for amd64 and arm64 in dist/, without a container runtime (IMAGE_REPOSITORY=... names them)
	@echo "images: dist/ at version $(VERSION) (the first run compiles everything for both platforms: some minutes)"
	@$(GO) run ./deploy/image/cmd -version '$(VERSION)' -repository '$(IMAGE_REPOSITORY)'

##@ Longer

# Root, Debian's apt and the Go module proxy are all that it needs: see e2e/kindfleet. Without root its tests are skipped, and say so.
.PHONY: e2e
e2e: ## what only real pods can prove: images, charts and engines on a fleet of kind clusters (ARGS="-pods.keep" keeps it)
	@echo "e2e: the first run on a machine builds nodes and images, half an hour and more on two cores; then a fleet is up in two to four minutes"
	@$(FETCH_COMPONENTS)
	$(GO) test -count=1 -v -timeout 90m -parallel 16 ./e2e/pods $(ARGS)

# Hours on two cores, by what is asked: every fault at every write, and then a soak of SOAK.
SOAK ?= 1h
.PHONY: faults
faults: assets ## every fault at every write of every story, then a soak (SOAK=1h; ARGS="-faults.seed=7" repeats one)
	@echo "faults: the whole of what \`make test\` takes a sample of"
	$(GO) test -count=1 -v -timeout 12h -p 1 ./e2e/faults -args -faults.long -faults.soak=$(SOAK) $(ARGS)

# What has been found stays as a seed in testdata/fuzz, and is then part of `make test`.
FUZZTIME ?= 20s
.PHONY: fuzz
fuzz: ## every parser of what others write, with inputs that nobody thought of, for FUZZTIME each (20s)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u | while read -r package; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$package"/*_test.go | cut -d ' ' -f 2); do \
			echo "fuzz: $$target of $$package for $(FUZZTIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $(ARGS) "$$package" || exit 1; \
		done; \
	done

# Nothing else should run beside it. It leaves dist/bench.
.PHONY: bench
bench: ## fleet scale, beside the floor and beside peers, into dist/bench (ARGS="--help" for more)
	@echo "bench: compiling it (then it builds what is missing, and says how far it is)" >&2
	@$(FETCH_COMPONENTS)
	@$(GO) run ./e2e/bench $(ARGS)

# One package at a time: benchmarks that share the cores measure each other.
.PHONY: benchmarks
benchmarks: ## Go's benchmarks of single parts (BENCH=<regexp> for some)
	@echo "benchmarks: go test -bench '$(BENCH)' ./..."
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m -p 1 $(ARGS) ./...

.PHONY: assets
assets: ## build the testbed's Kubernetes and OCM binaries, once per machine
	@echo "assets: the testbed's control-plane binaries (built once per machine, 15 to 20 minutes on two cores; then at once)"
	@$(FETCH_COMPONENTS)
	@$(GO) run ./e2e/testbed/cmd assets

##@ Tidying

.PHONY: clean
clean: ## remove bin/ and dist/; keep the testbed's binaries
	rm -rf bin dist
	@echo "clean: the testbed's binaries stay in $${XDG_CACHE_HOME:-~/.cache}/vworkspace-fleet; 'make clean-cache' drops them (about 10 minutes to build again)"

# Where e2e/testbed keeps them: the same folder that os.UserCacheDir names on Linux.
.PHONY: clean-cache
clean-cache: ## remove the testbed's built binaries from your user cache
	rm -rf "$${XDG_CACHE_HOME:-$${HOME:?is not set}/.cache}/vworkspace-fleet"
