# Targets for developers; `make` alone lists them. ./deploy.sh makes the environment that they use.
BIN := .venv/bin
SHELL_SCRIPTS := deploy.sh deploy/*.sh .ci/run tests/support/kube/build_apiserver.sh
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help all fmt lint types layers test bench soak image manifests monitoring apiserver drills page screenshots dashboards contracts contracts-check lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

all: lint types layers contracts-check test ## everything that CI checks but the soak and the locks

fmt: $(BIN)/uv ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: $(BIN)/uv ## ruff, and shellcheck on the scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/shellcheck $(SHELL_SCRIPTS)

types: $(BIN)/uv ## mypy, strict
	$(BIN)/mypy

layers: $(BIN)/uv ## imports point down only
	$(BIN)/lint-imports

test: ## all tests
	./deploy.sh test

bench: $(BIN)/uv ## latency, requests, gas: the tables
	$(BIN)/python -m bench

soak: $(BIN)/uv ## a keeper under random faults, for SECONDS (60) from SEED (1), and a verdict
	$(BIN)/python -m bench.soak --seconds $(or $(SECONDS),60) --seed $(or $(SEED),1)

image: .venv/ops-installed ## the container image, built and run, and the compose file (root on Debian)
	$(BIN)/python -m tests.support.container_tools
	$(BIN)/python -m pytest tests/image

manifests: .venv/ops-installed ## k8s/ and .github/, checked in every way that needs no cluster
	$(BIN)/yamllint --strict k8s .github
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/python -m pytest tests/manifests

monitoring: ## bring k8s/components/monitoring in step with prometheus/alerts.yaml and grafana/dashboards/
	{ cat k8s/components/monitoring/rule-head.txt; sed 's/^\(.\)/  \1/' prometheus/alerts.yaml; } \
		>k8s/components/monitoring/prometheus-rule.yaml
	rm -f k8s/components/monitoring/dashboards/*.json
	cp grafana/dashboards/*.json k8s/components/monitoring/dashboards/

apiserver: ## kube-apiserver and etcd for the drills, built once (8 minutes, Debian)
	tests/support/kube/build_apiserver.sh

drills: .venv/ops-installed apiserver ## keepers, leaders and manifests on a real kube-apiserver
	$(BIN)/python -m pytest tests/drills

page: $(BIN)/uv ## the live page in Chromium (installed as root on Debian)
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m pytest tests/browser

screenshots: $(BIN)/uv ## write docs/images/ anew, of a keeper on a devnet
	$(BIN)/python -m tests.support.chromium
	$(BIN)/python -m tests.browser.screenshots

dashboards: $(BIN)/uv ## write grafana/dashboards/ anew from grafana/boards.py
	$(BIN)/python -m grafana.build

contracts: ## compile the devnet's contract (needs npm)
	cd contracts && npm ci --no-audit --no-fund && node build.mjs

contracts-check: ## the committed artifact is what its source compiles to (needs npm)
	cd contracts && npm ci --no-audit --no-fund && node build.mjs --check

lock: $(BIN)/uv ## bring requirements/ in step with pyproject.toml; UPGRADE=1 takes newer versions
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group build -o requirements/runtime.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group node -o requirements/node.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group ops -c requirements/dev.txt -o requirements/ops.txt

$(BIN)/uv:
	./deploy.sh test --version

.venv/ops-installed: requirements/ops.txt | $(BIN)/uv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --require-hashes --only-binary :all: -r $<
	touch $@
