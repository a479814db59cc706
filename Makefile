# Two targets do all the set-up: `make demo` and `make test`. Both may be run again at any time.

PYTHON ?= python3
VENV   ?= .venv
DEMO   ?= demo
# Test files at a time; each file's tests stay together.
JOBS   ?= 2
FUZZ_SECONDS ?= 900
FUZZ_SEED    ?= 0
BIN    := $(VENV)/bin

.PHONY: demo test lint fuzz clean help

help:
	@echo "make demo   install, train, convert, run and benchmark the default recipe"
	@echo "make test   install and run the whole test suite"
	@echo "make lint   ruff and mypy"
	@echo "make fuzz   hostile inputs for FUZZ_SECONDS (900), from FUZZ_SEED (0)"

# A stamp per set of extras, made anew when setup.cfg changes.
$(VENV)/.with-%: setup.cfg setup.py pyproject.toml scripts/prepare.sh toolkit/cnnedge/preprocess/resample.c
	@sh scripts/prepare.sh "$(PYTHON)" "$(VENV)"
	@echo "installing cnnedge[$*] into $(VENV) (TensorFlow is large; a minute or two)"
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check -e ".[$*]"
	@sh scripts/prepare.sh --check-opencv "$(BIN)/python"
	@touch $@

demo: $(VENV)/.with-train
	@sh scripts/demo.sh "$(BIN)/cnnedge" "$(DEMO)"

test: $(VENV)/.with-train,dev
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)
	@echo "All tests passed. Next: make demo, or read CONTRIBUTING.md"

lint: $(VENV)/.with-train,dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Not a part of make test: a small slice of it is.
fuzz: $(VENV)/.with-train,dev
	@$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

clean:
	rm -rf $(VENV) .venvs $(DEMO) build dist *.egg-info toolkit/*.egg-info
