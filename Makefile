# "make help" lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TAGS := grpcnotrace,kustomize_disable_go_plugin_support
BUILD := CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags "-s -w"
TEST := go test -tags $(TAGS)
UNIT_PACKAGES := ./api/... ./cmd/... ./internal/... ./test/e2e/traffic
ROBUSTNESS := go test -tags $(TAGS),robustness -count=1 -timeout 6h ./test/robustness/
TOOLS := bin/tools
TESTBED := .testbed/bin/testbed

# The operator image that "make image" builds and "make deploy" installs.
IMG ?= localhost/etcd-operator:dev
# More arguments for the chart, for example CHART_ARGS="--set replicas=1".
CHART_ARGS ?=
# More arguments for go test in e2e and bench.
ARGS ?=

# Go compiles in parallel by itself: two builds at once are slower than one after the other.
.NOTPARALLEL:

##@ Everyday

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-zA-Z0-9_-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: quickstart
quickstart: ## See the operator at work: in the cluster of KUBECONFIG, or in a testbed of its own
	hack/quickstart.sh

.PHONY: check
check: verify-generate lint test-unit test-simulation test-integration ## Everything that needs no cluster

.PHONY: test
test: ## Everything that CI runs
	hack/test.sh

.PHONY: generate
generate: $(TOOLS)/controller-gen $(TOOLS)/chart-render $(TOOLS)/crd-ref-docs ## Make all generated files anew
	hack/generate.sh

##@ Build

.PHONY: build
build: ## Build bin/etcd-operator, bin/etcd-launcher and bin/kubectl-etcd
	$(BUILD) -o bin/ ./cmd/...

.PHONY: image
image: build $(TESTBED) ## Make the operator image without a container engine: bin/etcd-operator.tar
	$(TESTBED) image --tag $(IMG) --entrypoint /etcd-operator --user 65532 --out bin/etcd-operator.tar \
		bin/etcd-operator=/etcd-operator bin/etcd-launcher=/etcd-launcher

##@ Checks

.PHONY: verify-generate
verify-generate: $(TOOLS)/controller-gen $(TOOLS)/chart-render $(TOOLS)/crd-ref-docs ## Fail if a generated file is out of date
	hack/verify-generate.sh

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Hold the code to the budgets and dependency rules of .golangci.yml
	$(TOOLS)/golangci-lint run ./...
	cd hack/tools/codegen && $(CURDIR)/$(TOOLS)/golangci-lint run ./...
	cd test/testbed && $(CURDIR)/$(TOOLS)/golangci-lint run ./...

.PHONY: test-unit
test-unit: ## Run the unit tests
	$(TEST) $(UNIT_PACKAGES)

.PHONY: test-simulation
test-simulation: ## Run the whole loop against a fake API server and a strict fake etcd, with a fault at every write (SIMULATION_FULL=1: with all of them)
	$(TEST) -timeout 30m ./test/simulation/...

.PHONY: test-integration
test-integration: $(TESTBED) $(TOOLS)/chart-render ## Run the API and RBAC tests against a real kube-apiserver
	$(TESTBED) build kube etcd-3.6.16
	KUBEBUILDER_ASSETS=$(CURDIR)/.testbed/bin $(TEST) -count=1 ./test/integration/...

.PHONY: test-contract
test-contract: $(TESTBED) ## Run what wants real etcd 3.5, 3.6 and 3.7: the contract, what the launcher is for, snapshots in a real S3 server
	$(TESTBED) build etcd-3.5.35 etcd-3.6.16 etcd-3.7.3 s3
	ETCD_CONTRACT_REAL=1 $(TEST) -count=1 ./internal/etcd/etcdtest/ ./test/guard/ ./internal/snapshot/...

.PHONY: test-cert-manager
test-cert-manager: $(TESTBED) ## See the testbed's cert-manager issue, renew and issue again on a real kube-apiserver
	$(TESTBED) build kube etcd-3.6.16 cert-manager
	KUBEBUILDER_ASSETS=$(CURDIR)/.testbed/bin CGO_ENABLED=0 go -C test/testbed/modules/certmanager test -trimpath -count=1 -v ./...

.PHONY: robustness
robustness: $(TESTBED) ## Break clusters of etcd processes and see them heal; FAULTS="kind,..." SEED=1 N=40 WORLDS=5 RESULTS=folder ARGS=-v
	$(TESTBED) build kube etcd-3.5.35 etcd-3.6.16 etcd-3.7.3
	$(ROBUSTNESS) $(ARGS) -args -faults='$(FAULTS)' -seed=$(or $(SEED),1) -n=$(or $(N),40) -worlds=$(or $(WORLDS),5) \
		-results='$(if $(RESULTS),$(abspath $(RESULTS)))'

.PHONY: robustness-testbed
robustness-testbed: ## The same on real kubelets (make testbed-up deploy first), with the same settings
	$(TESTBED) up --etcd 3.5.35,3.6.16,3.7.3
	go test -tags $(TAGS),e2e,robustness -count=1 -timeout 6h -parallel 16 -run TestFaultsOnRealKubelets ./test/e2e/ $(ARGS) -args -faults='$(FAULTS)' \
		-seed=$(or $(SEED),1) -n=$(or $(N),30) -worlds=$(or $(WORLDS),3) -results='$(if $(RESULTS),$(abspath $(RESULTS)))'

.PHONY: robustness-ci
robustness-ci: $(TESTBED) ## The selection of faults for CI
	$(TESTBED) build kube etcd-3.5.35 etcd-3.6.16 etcd-3.7.3
	$(ROBUSTNESS) -v -args -ci -worlds=6

.PHONY: robustness-bugs
robustness-bugs: $(TESTBED) ## Put bugs into the operator, one at a time, and see the tests catch each
	$(TESTBED) build kube etcd-3.5.35 etcd-3.6.16 etcd-3.7.3
	go test -tags $(TAGS),bugs -count=1 -timeout 3h -v -run TestEverySeededBugIsCaught ./test/robustness/bugs/ $(ARGS) \
		-args -results=$(CURDIR)/test/robustness/results/bugs.json

.PHONY: robustness-report
robustness-report: ## Write docs/reference/robustness.md from the results that are kept
	go test -count=1 ./test/robustness/report/ -rewrite

.PHONY: test-race
test-race: ## Run the unit tests and the simulation under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(TEST) -race $(UNIT_PACKAGES) ./test/simulation/...

##@ On a real Kubernetes

.PHONY: testbed-build
testbed-build: $(TESTBED) ## Build everything that the testbed and most tests need, without starting it
	$(TESTBED) build all

.PHONY: testbed-addons
testbed-addons: $(TESTBED) ## Build the testbed's add-ons, which only some end-to-end tests need
	$(TESTBED) build cert-manager

.PHONY: testbed-up
testbed-up: $(TESTBED) ## Start a three-node Kubernetes on this machine (kubeconfig in .testbed/kubeconfig)
	$(TESTBED) up

.PHONY: testbed-down
testbed-down: $(TESTBED) ## Stop the testbed and clean up after it
	$(TESTBED) down

.PHONY: deploy
deploy: $(TOOLS)/chart-render $(TESTBED) ## Install the operator: this tree's into the testbed, or IMG into the cluster of KUBECONFIG
	IMG='$(if $(filter-out file,$(origin IMG)),$(IMG))' CHART_ARGS='$(CHART_ARGS)' hack/deploy.sh

.PHONY: e2e
e2e: $(TESTBED) ## Run the end-to-end tests on the testbed (make testbed-up deploy first); ARGS="-run TestScale" for some of them
	[ -n "$${KUBECONFIG:-}" ] || $(TESTBED) up --etcd 3.5.35,3.6.16,3.7.3 --with s3
	go test -tags $(TAGS),e2e -count=1 -parallel 4 -timeout 65m ./test/e2e/ $(ARGS)

.PHONY: e2e-full
e2e-full: ## The same, and all that takes long
	$(TESTBED) up --etcd 3.5.35,3.6.14,3.6.16,3.7.3
	$(MAKE) --no-print-directory e2e TAGS=$(TAGS),full ARGS="-timeout 120m $(ARGS)"

.PHONY: e2e-lasting
e2e-lasting: ## Let certificates live for minutes, under load, for 20 minutes (make testbed-up deploy first)
	go test -tags $(TAGS),e2e,lasting -count=1 -timeout 40m -v -run TestCertificatesOfMinutes ./test/e2e/ $(ARGS)

.PHONY: bench
bench: ## Measure the operator on the testbed, with the floor beside it (make testbed-up deploy first)
	go test -tags $(TAGS),bench -count=1 -timeout 60m -v ./test/bench/ $(ARGS)

# Tools, built from pinned modules

$(TOOLS)/golangci-lint: hack/tools/lint/go.mod hack/tools/lint/go.sum
	go -C hack/tools/lint build -o $(CURDIR)/$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

CODEGEN := hack/tools/codegen/go.mod hack/tools/codegen/go.sum
$(TOOLS)/controller-gen: $(CODEGEN)
	go -C hack/tools/codegen build -o $(CURDIR)/$@ sigs.k8s.io/controller-tools/cmd/controller-gen
$(TOOLS)/crd-ref-docs: $(CODEGEN)
	go -C hack/tools/codegen build -o $(CURDIR)/$@ github.com/elastic/crd-ref-docs
$(TOOLS)/chart-render: $(CODEGEN) hack/tools/codegen/chart-render/main.go
	go -C hack/tools/codegen build -o $(CURDIR)/$@ ./chart-render

# Always asked of the compiler, whose cache knows best what has changed.
.PHONY: tools
tools: $(TOOLS)/golangci-lint $(TOOLS)/controller-gen $(TOOLS)/chart-render $(TOOLS)/crd-ref-docs $(TESTBED)

.PHONY: $(TESTBED)
$(TESTBED):
	go -C test/testbed build -o $(CURDIR)/$@ .
