# Needs python3 (3.11 or newer) with pip and venv, and make; everything else comes from requirements/.

PYTHON ?= python3
PORT ?= 8000
RUNS ?= 10
BUSY ?= 4
BIN := .venv/bin
STAMP := .venv/.dev.txt
RUN_STAMP := .venv/.run.txt
INTEROP := tests/journeys/interop
KIT := kits/python
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run example kit-python test test-slow test-busy bench bench-peers bench-settings bench-flame bench-flood bench-listeners bench-equal bench-scale check format vectors conformance contract reference blocklist lock

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Build .venv with all that tests and checks need; the other targets do it when it is missing or stale.

# `make run` installs requirements/run.txt alone. All else needs dev.txt, which holds the same versions and more, and
# is installed on top. A stamp is a copy of the file that was installed. Contents are compared, so a file with only a
# new date installs nothing. Stamps are removed first and written last, so an interrupted build starts anew.
$(STAMP): requirements/dev.txt requirements/run.txt
	@$(call same,$<,$@) && $(call same,requirements/run.txt,$(RUN_STAMP)) || { \
		test ! -e $@ && $(call same,requirements/run.txt,$(RUN_STAMP)) && clear= || clear=--clear; $(install); }
	@cp requirements/run.txt $(RUN_STAMP)
	@cp $< $@

$(RUN_STAMP): requirements/run.txt
	@$(call same,$<,$@) || { clear=--clear; $(install); }
	@cp $< $@

# Whether two files are the same. `cmp` is missing where nothing but the shell and `make` is installed.
same = test "$$(cat $(1))" = "$$(cat $(2) 2>/dev/null)"

# Install $< into .venv, which is made anew with $$clear.
define install
set -e; start=$$(date +%s); \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, and $(PYTHON) is %d.%d; name another: make run PYTHON=python3.13" % sys.version_info[:2])'; \
test ! -L .venv || { echo ".venv is a link to another environment, which has to install $< itself." >&2; exit 1; }; \
echo "Installing $< into .venv; this takes about a minute."; \
test -z "$$clear" || $(PYTHON) -m venv --clear .venv; \
rm -f $(STAMP) $(RUN_STAMP); \
$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --require-hashes --requirement $<; \
echo "Installed $$(ls -d .venv/lib/python*/site-packages/*.dist-info | wc -l | tr -d ' ') packages," \
	"$$(du -sm .venv | cut -f1) MB, in $$(($$(date +%s) - start)) s."
endef

run: $(RUN_STAMP) ## Start the service with its own Postgres and Valkey on port PORT (8000); Ctrl-C stops all of it.
	@exec $(BIN)/python -m app dev --port $(PORT)

ISSUER ?= http://localhost:$(PORT)
AUDIENCE ?= $(ISSUER)
EXAMPLE_PORT ?= 8100
example: $(RUN_STAMP) ## Start a small service that checks the tokens of ISSUER, which is `make run` by default, on EXAMPLE_PORT (8100).
	@WATCHWORD_ISSUER=$(ISSUER) WATCHWORD_AUDIENCE=$(AUDIENCE) PYTHONPATH=$(KIT)/src \
		exec $(BIN)/python -m uvicorn --app-dir examples/orders --port $(EXAMPLE_PORT) orders:app

# The other languages' verifiers are tested only where npm is on the machine.
ifneq ($(wildcard $(INTEROP)/package.json),)
ifneq ($(shell command -v npm),)
INTEROP_STAMP := $(INTEROP)/node_modules/.stamp
$(INTEROP_STAMP): $(INTEROP)/package.json $(INTEROP)/package-lock.json
	@npm ci --prefix $(INTEROP) --ignore-scripts --no-audit --no-fund
	@touch $@
endif
endif

# Many tests wait for a server or a process, so four workers keep two cores busy. Their servers have room for sixteen.
# Bytecode is kept in any case, because the tests start hundreds of processes.
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest --quiet --numprocesses=$$($(BIN)/python -c "import os; print(min(16, 2 * (os.cpu_count() or 2)))") \
	--dist=loadscope --no-loadscope-reorder

test: $(STAMP) $(INTEROP_STAMP) ## Run the tests on private servers, and require full branch coverage of domain, services and crypto, also in features.
	@$(PYTEST) --cov --cov-report=
	@report=$$($(BIN)/coverage report --fail-under=100) || { echo "$$report"; exit 1; }
	@echo "The tests cover every branch of domain, services and crypto, also in features."

test-slow: $(STAMP) $(INTEROP_STAMP) ## Run the tests that take minutes: soaks, long freezes, a thousand examples of each property.
	@$(PYTEST) -m "slow or hypothesis" --hypothesis-profile=deep

test-busy: $(STAMP) ## Run make test RUNS times (10) beside BUSY processes (4) that keep the processors busy.
	@$(BIN)/python tools/busy.py "$(RUNS)" "$(BUSY)"

bench: $(STAMP) ## Measure what each request costs in CPU time, beside the least that it could; ONLY="me jwks" for some.
	@PYTHONPATH=. $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

bench-peers: $(STAMP) ## Measure the same beside better-auth, simplejwt and fastapi-users, which it installs into .cache.
	@PYTHONPATH=. $(BIN)/python -m bench.peers $(if $(ONLY),--only $(ONLY))

bench-settings: $(STAMP) ## Measure what settings save or cost: algorithms of signatures, and the level of the log.
	@PYTHONPATH=. $(BIN)/python -m bench.settings

bench-flame: $(STAMP) ## Draw where a worker spends its time at refreshes into docs/refresh.svg, with py-spy in .cache.
	@PYTHONPATH=. $(BIN)/python -m bench.flame

bench-flood: $(STAMP) ## Measure refreshes and the key set while 200 logins are kept in flight.
	@PYTHONPATH=. $(BIN)/python bench/flood.py

bench-listeners: $(STAMP) ## Measure refreshes while 200 services listen to the revocation feed.
	@PYTHONPATH=. $(BIN)/python -m bench.listeners

bench-equal: $(STAMP) ## Measure whether refused logins differ in time.
	@PYTHONPATH=. $(BIN)/python bench/equal.py

bench-scale: $(STAMP) ## Measure refreshes with ten thousand and with ten million sessions; some ten minutes and 15 GB of disk.
	@PYTHONPATH=. $(BIN)/python -m bench.scale

check: $(STAMP) ## Check format, lint, types and the layers; changes nothing.
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@cd $(KIT) && $(CURDIR)/$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

kit-python: $(STAMP) ## Test the verifier for Python services by itself, and build its packages into kits/python/dist.
	@cd $(KIT) && $(CURDIR)/$(BIN)/pytest --quiet
	@cd $(KIT) && rm -rf dist && $(CURDIR)/$(BIN)/python -m hatchling build

format: $(STAMP) ## Format the code and mend what ruff can mend.
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

conformance: $(STAMP) $(INTEROP_STAMP) ## Run the conformance suite for verifiers against the kit, PyJWT, joserfc and jose, and print a table.
	@cd $(KIT) && JOSE=$(CURDIR)/$(INTEROP) PYTHONPATH=src:. $(CURDIR)/$(BIN)/python -m conformance

vectors: $(STAMP) ## Write contract/tokens anew: good and bad access tokens for verifiers in any language.
	@PYTHONPATH=.:$(KIT) $(BIN)/python tools/vectors.py

contract: $(STAMP) ## Write contract/openapi.json anew from the routes.
	@PYTHONPATH=. $(BIN)/python tools/contract.py

reference: $(STAMP) ## Write docs/reference anew from the settings, routes, refusals and events.
	@PYTHONPATH=. $(BIN)/python tools/reference.py docs/reference

BLOCKLIST := app/crypto/common_passwords.bin
blocklist: $(STAMP) ## Make the list of common passwords anew from LIST=file, the most frequent first.
	@test -f "$(LIST)" || { echo "LIST=file is needed, the most frequent password first" >&2; exit 1; }
	@PYTHONPATH=. $(BIN)/python tools/blocklist.py "$(LIST)" >$(BLOCKLIST).new || { rm $(BLOCKLIST).new; exit 1; }
	@mv $(BLOCKLIST).new $(BLOCKLIST)

COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

lock: $(STAMP) ## Write requirements/*.txt anew from pyproject.toml; UPGRADE=--upgrade takes the newest versions.
	@$(COMPILE) --extra dev --output-file requirements/dev.txt
	@$(COMPILE) --constraint requirements/dev.txt --extra embedded --output-file requirements/run.txt
	@$(COMPILE) --constraint requirements/dev.txt --output-file requirements/service.txt
