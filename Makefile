# `make demo` and `make test` do all the set-up. You can run both again at any time.

PYTHON ?= python3
VENV   ?= .venv
DEMO   ?= demo
# How many test files run in parallel. The tests of one file stay together.
JOBS   ?= 2
# A test that crashes would crash each worker that is begun in place of another, and pytest-xdist
# may then wait for ever.
SPREAD := -n $(JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart=0
FUZZ_SECONDS ?= 900
FUZZ_SEED    ?= 0
BIN    := $(VENV)/bin
WEB    := toolkit/cnnedge/web/third_party/NOTICE

.PHONY: demo test quick coverage lint web fuzz clean help

help:
	@echo "make demo   install, train, convert, run and benchmark the default recipe"
	@echo "make test   install and run the whole test suite"
	@echo "make quick  the tests that start, serve and train nothing, for the edit loop"
	@echo "make coverage  the whole suite, and how much of each room it runs"
	@echo "make lint   ruff and mypy; the types of the page"
	@echo "make web    fetch what the page of cnnedge demo needs"
	@echo "make fuzz   hostile inputs for FUZZ_SECONDS (900), from FUZZ_SEED (0)"

# Looked at anew whenever something is to be installed: its Python may be gone.
$(VENV)/.python: setup.cfg setup.py pyproject.toml scripts/prepare.sh scripts/web/package-lock.json
	@sh scripts/prepare.sh "$(PYTHON)" "$(VENV)"
	@touch $@

# One stamp per set of extras, renewed when setup.cfg changes.
$(VENV)/.with-%: setup.cfg setup.py pyproject.toml scripts/prepare.sh toolkit/cnnedge/preprocess/resample.c | $(VENV)/.python
	@echo "installing cnnedge[$*] into $(VENV) (TensorFlow is large; a minute)"
	@sh scripts/prepare.sh --install "$(VENV)" ".[$*]"
	@sh scripts/prepare.sh --check-opencv "$(BIN)/python"
	@touch $@

# Third-party code that the page needs; fetched again when its versions change.
$(WEB): scripts/web/package-lock.json scripts/web/build.mjs scripts/web.sh | $(VENV)/.python
	@sh scripts/web.sh "$(VENV)"
	@touch $@

web: $(WEB)

demo: $(VENV)/.with-train,web $(WEB)
	@sh scripts/demo.sh "$(BIN)/cnnedge" "$(DEMO)"

test: $(VENV)/.with-train,dev $(WEB)
	@$(BIN)/python -m pytest $(SPREAD) $(PYTEST_ARGS)
	@echo "All tests passed. Next: make demo, or read CONTRIBUTING.md"

# Says at its end what it left out.
quick: $(VENV)/.with-train,dev
	@$(BIN)/python -m pytest --quick -q $(SPREAD) $(PYTEST_ARGS)

# Programs that tests start count too, but those on boards and in environments of their own.
coverage: $(VENV)/.with-train,dev $(WEB)
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run -m pytest $(SPREAD) $(PYTEST_ARGS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python scripts/covered.py

lint: $(VENV)/.with-train,dev $(WEB)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@cd scripts/web && PATH="$$PATH:$(abspath $(BIN))" node node_modules/typescript/bin/tsc

# make test runs only a small part of this.
fuzz: $(VENV)/.with-train,dev
	@$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

clean:
	rm -rf $(VENV) .venvs .coverage .coverage.* $(DEMO) build dist *.egg-info toolkit/*.egg-info
	rm -rf scripts/web/node_modules toolkit/cnnedge/web/third_party*
