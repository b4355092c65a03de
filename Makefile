# A fresh machine needs Python >= 3.11, make and git; everything else is installed on the way.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

python := .venv/bin/python
# Debian keeps servers where ordinary users do not look.
export PATH := $(CURDIR)/.venv/bin:$(PATH):/usr/sbin:/sbin

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Running

.PHONY: run
run: export LOG_FORMAT ?= text
run: .venv/.ready-run ## start all services in one process on embedded defaults (settings: README.md)
	@exec $(python) -m services

.PHONY: psql
psql: .venv/.ready-run ## open psql as the operator, who may read everything (ARGS="-c '…'")
	@exec $(python) -m services psql $(ARGS)

.PHONY: create-user
create-user: .venv/.ready-run ## make an account: NAME=ana, ARGS="--staff" or "--superuser"
	@exec $(python) -m services create-user $(NAME) $(ARGS)

.PHONY: backup
backup: .venv/.ready-run ## back up database and objects into TO=backups, the keyring into KEYRING_TO=backups-keyring (ARGS="--keep 7")
	@exec $(python) -m services backup $(or $(TO),backups) --keyring-folder $(or $(KEYRING_TO),backups-keyring) $(ARGS)

.PHONY: restore
restore: .venv/.ready-run ## bring FROM=backups/… back into a stopped, empty system (ARGS="--keyring FILE --identity FILE")
	@exec $(python) -m services restore $(FROM) $(ARGS)

.PHONY: migrate
migrate: .venv/.ready-run ## bring the database of DATABASE_ADMIN_URL or DATABASE_URL up to date
	@exec $(python) -m services migrate

.PHONY: fill-results
fill-results: .venv/.ready-run ## complete results of earlier releases, after an upgrade
	@exec $(python) -m services fill-results

.PHONY: reconcile
reconcile: .venv/.ready-run ## see that every accepted file is in exactly one state (ARGS="--repair")
	@exec $(python) -m services reconcile $(ARGS)

.PHONY: reprocess
reprocess: .venv/.ready-run ## have files measured again by a newer method (ARGS="--where state=failed --yes")
	@exec $(python) -m services reprocess $(ARGS)

.PHONY: dead
dead: .venv/.ready-run ## messages and events that were given up (ARGS="list", "show ID", "replay --all", "drop ID")
	@exec $(python) -m services dead $(or $(ARGS),list)

.PHONY: rotate-keys
rotate-keys: .venv/.ready-run ## put all objects under a new key, beside the running system (ARGS="--remove-old --keyring-folder FOLDER", "--status")
	@exec $(python) -m services rotate-keys $(ARGS)

.PHONY: rotate-signing-key
rotate-signing-key: .venv/.ready-run ## replace the key that signs access tokens, with an overlap (ARGS="--status", "--now --revoke")
	@exec $(python) -m services rotate-signing-key $(ARGS)

.PHONY: doctor
doctor: .venv/.ready-run ## check configuration, connections, certificates, clock, disk and queues (ARGS="--json")
	@exec $(python) -m services doctor $(ARGS)

## In containers (docker compose, or podman-compose)

.PHONY: up
up: .venv/.ready-run ## start everything in containers (ARGS="--tracing --ohif"; GATEWAY_HOST=, GATEWAY_PORT=)
	@exec $(python) -m infra.up $(ARGS)

.PHONY: down
down: .venv/.ready-run ## stop the containers; data stay (ARGS=--volumes deletes them)
	@exec $(python) -m infra.down $(ARGS)

.PHONY: certs
certs: .venv/.ready-run ## make or renew the private CA and the containers' certificates, below var/deploy/certs (ARGS=--force)
	@exec $(python) -m infra.certificates $(ARGS)

## Checking

# Runs the tests of the markers $(1) side by side, and at most three that failed once more, alone.
define run-tests
	export TMPDIR=$$(infra/machine/test-folder.sh); \
	$(python) -m pytest -n $$(($$(nproc) * 3 / 2)) --maxprocesses 6 --dist loadfile -m "$(1)" $(ARGS) \
		|| $(python) -m tests.again $$? -m "$(1)"
endef

.PHONY: test
test: lint test-tools ## lint, then every test but the large and the long ones
	$(call run-tests,not large and not faults and not deploy and not monitoring and not browser_matrix and not peers)

.PHONY: test-browser
test-browser: .venv/.ready-test test-tools ## every test in Chromium, in all languages, sizes and colour schemes
	$(call run-tests,browser or browser_matrix)

.PHONY: screenshots
screenshots: .venv/.ready-test test-tools ## photograph the portal for guide and README, in both languages (ARGS="studies study")
	$(python) -m tests.screenshots $(ARGS)

.PHONY: fuzz
fuzz: .venv/.ready-test test-tools ## call every operation with many generated inputs (FUZZ_EXAMPLES=100 for each), and break bodies
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),100) $(python) -m pytest tests/e2e/test_openapi.py tests/integration/test_stow_fuzz.py tests/integration/test_dimse_fuzz.py tests/integration/test_qido.py -o timeout=1800 $(ARGS)

.PHONY: test-large
test-large: .venv/.ready-test test-tools ## gigabyte-sized inputs
	$(python) -m pytest -m large $(ARGS)

.PHONY: test-faults
test-faults: .venv/.ready-test test-tools ## long proofs that faults lose nothing
	$(python) -m pytest -m faults $(ARGS)

.PHONY: test-peers
test-peers: .venv/.ready-test test-tools ## DICOM clients of the field against the running system: Orthanc, DCMTK, dicomweb-client, …
	@infra/machine/peer-tools.sh
	TMPDIR=$$(infra/machine/test-folder.sh) $(python) -m pytest -m peers $(ARGS)

.PHONY: test-monitoring
test-monitoring: .venv/.ready-test test-tools ## a real Prometheus with our rules and dashboards on a running system
	$(python) -m pytest -m monitoring $(ARGS)

.PHONY: mutation
mutation: .venv/.ready-test test-tools ## see that the tests notice each mistake of a list (ARGS="outbox" for some; slow)
	$(python) -m tests.mutation $(ARGS)

.PHONY: test-deploy
test-deploy: .venv/.ready-test test-tools ## build the images, run compose.yml and the manifests in podman (as root)
	@infra/machine/deploy-tools.sh
	$(python) -m pytest -m deploy $(ARGS)

.PHONY: lint
lint: .venv/.ready-test ## ruff, mypy --strict, import-linter, and tsc over the portal's modules
	@infra/machine/portal-tools.sh
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	.tools/portal-tools/node_modules/.bin/tsc --project services/portal

.PHONY: format
format: .venv/.ready-test ## format and sort imports
	ruff check --fix .
	ruff format .

.PHONY: docs
docs: .venv/.ready-test ## write the generated documents (settings, AsyncAPI, dashboards)
	$(python) -m docs.generate

.PHONY: vendor
vendor: .venv/.ready-test ## copy the portal's foreign modules out of the npm packages that vendor.json pins
	@infra/machine/portal-tools.sh
	$(python) -m infra.vendor

.PHONY: bench
bench: .venv/.ready-test test-tools ## measure files per second, latency, CPU and memory
	$(python) -m bench $(ARGS)

.PHONY: bench-guard
bench-guard: .venv/.ready-test test-tools ## say what a file costs in CPU beside the committed baseline (ARGS="--save" makes it anew)
	$(python) -m bench.guard $(ARGS)

.PHONY: bench-rows
bench-rows: .venv/.ready-test test-tools ## measure uploads, lists and searches among a million files beside a thousand (ARGS="--many 200000")
	$(python) -m bench.rows $(ARGS)

.PHONY: bench-doors
bench-doors: .venv/.ready-test test-tools ## measure every way in and out of one system: HTTP, STOW-RS, C-STORE, QIDO-RS, WADO-RS
	$(python) -m bench.doors $(ARGS)

.PHONY: bench-sign-in
bench-sign-in: .venv/.ready-test test-tools ## measure sign-ins under load, how soon access ends, and lists among 500,000 files
	$(python) -m bench.sign_in $(ARGS)

.PHONY: bench-audit
bench-audit: .venv/.ready-test ## measure sealing, proving and searching an audit log of a million entries (ARGS="--entries 100000")
	$(python) -m bench.audit $(ARGS)

.PHONY: autoscale
autoscale: .venv/.ready-test ## simulate the autoscaler on traces of uploads; draws into bench/out (needs `make bench` first)
	$(python) -m bench.autoscale $(ARGS)

.PHONY: bench-fairness
bench-fairness: .venv/.ready-test ## simulate how files are shared out among workers, ours and others' ways; draws into bench/out
	$(python) -m bench.fairness $(ARGS)

.PHONY: test-tools
test-tools:
	@infra/machine/test-tools.sh

## Housekeeping

.PHONY: clean
clean: ## remove virtual environments and caches; data under var/ stay
	rm -rf .venv .uv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis bench/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew when what is locked changes; `test` includes all that `run` needs.
.venv/.ready-%: pyproject.toml uv.lock infra/machine/environment.sh
	@infra/machine/environment.sh $*
