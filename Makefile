# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python

.PHONY: run test test-simulations test-faults test-browser mlflow-matrix check fix bench demo clean

run: $(VENV)/.run .env  ## install, migrate, load the demo, serve web + workers on SQLite
	$(RUN) manage.py portal --demo

test: $(VENV)/.dev  ## the whole suite; DATABASE_URL and REDIS_URL choose the services
	$(RUN) -m pytest -n auto -m "not fault and not browser and not simulation" $(PYTEST_ARGS)

test-simulations: $(VENV)/.dev  ## what statistics promise about noise and coverage, by seeded draws
	$(RUN) -m pytest -n 2 -m simulation tests/monitoring/stats $(PYTEST_ARGS)

test-faults: $(VENV)/.dev  ## real processes, killed on purpose
	$(RUN) -m pytest -n 2 -m fault $(PYTEST_ARGS)

test-browser: $(VENV)/.dev  ## real Chromium
	$(RUN) -m pytest -n 2 --dist loadfile -m browser tests/browser $(PYTEST_ARGS)

# Clients of MLflow that the registry API is held against, each with an environment of its own: they pin what we use newer.
MLFLOW_CLIENTS ?= mlflow==3.17.2 mlflow-skinny==3.17.2 mlflow-skinny==2.22.4

mlflow-matrix:  ## the real clients of MLflow, full and skinny, against the registry API
	@set -e; for client in $(MLFLOW_CLIENTS); do \
		folder=.mlflow-matrix/$$client; \
		[ -x $$folder/bin/python ] || $(PYTHON) -m venv $$folder; \
		$$folder/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt pytest pytest-django pytest-xdist hypothesis; \
		$$folder/bin/python -m pip install --quiet --disable-pip-version-check "$$client"; \
		echo "== $$client"; $$folder/bin/python -m pytest -q -n 0 tests/registry/mlflow/test_client.py; \
	done

check: $(VENV)/.dev  ## everything that is not a test; `make -k check` shows all failures
	@$(MAKE) -k --no-print-directory check-format check-lint check-types check-templates check-migrations check-docs check-security

.PHONY: check-format check-lint check-types check-templates check-migrations check-docs check-security
check-format:
	$(BIN)/ruff format --check .
check-lint:
	$(BIN)/ruff check .
check-types:
	PORTAL_MODE=development SECRET_KEY=$(CHECK_KEY) $(BIN)/mypy mlops_portal registry monitoring review
check-templates:
	$(BIN)/djlint --lint --quiet templates
check-migrations:
	PORTAL_MODE=development SECRET_KEY=$(CHECK_KEY) $(RUN) manage.py makemigrations --check --dry-run
	PORTAL_MODE=production PUBLIC_URL=https://portal.test SECRET_KEY=$(CHECK_KEY) $(RUN) manage.py check --deploy --fail-level WARNING
check-docs:
	PORTAL_MODE=development SECRET_KEY=$(CHECK_KEY) $(RUN) manage.py draw_docs --check
check-security:
	$(BIN)/bandit -q -r mlops_portal registry monitoring review -c pyproject.toml -lll

CHECK_KEY = $(shell $(PYTHON) -c "import secrets; print(secrets.token_urlsafe(50))")

fix: $(VENV)/.dev  ## repair what a tool can, redraw generated docs
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	PORTAL_MODE=development SECRET_KEY=$(CHECK_KEY) $(RUN) manage.py draw_docs

bench: $(VENV)/.dev  ## ratios against peers, in one run
	$(RUN) -m benchmarks

.env:
	@umask 077; $(PYTHON) -c "import secrets; print('PORTAL_MODE=development'); print('SECRET_KEY=' + secrets.token_urlsafe(50))" > .env

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.run

clean:  ## forget the local database, files and caches (not the environment)
	rm -rf data staticfiles .pytest_cache .mypy_cache .ruff_cache .hypothesis
