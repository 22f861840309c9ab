# Two commands set everything up on a fresh machine with Python >= 3.11:
#   make demo   install the core (no PyTorch) and read two real ECGs
#   make test   install everything and run the tests
PYTHON ?= python3
DEMO_VENV := .venv-demo
VENV := .venv
UV_RUN = UV_FIND_LINKS="$$($(PYTHON) -m pip config get global.find-links 2>/dev/null || true)" $(1)/bin/uv pip install --quiet --python $(1)/bin/python -c constraints.txt
OUTPUT := demo-output
# The tests start the program many times: the first start keeps the bytecode for the others.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo install test test-slow test-core test-oldest test-newest package docs fuzz mutants mutants-changed lint bench train-defaults clean

$(DEMO_VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/bin/python -m pip install --quiet uv
	$(call UV_RUN,$(DEMO_VENV)) -e .
	touch $@

demo: $(DEMO_VENV)/ready
	@mkdir -p $(OUTPUT)
	$(DEMO_VENV)/bin/ecgfoundry diagnose sample:12-lead sample:single-lead --report $(OUTPUT)/report.html
	@echo "The report is in $(OUTPUT)/report.html: open it in a browser."

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet uv
	$(call UV_RUN,$(VENV)) -e '.[all,dev]'
	touch $@

install: $(VENV)/ready

test: $(VENV)/ready
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/ready
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -m slow -n 2 --dist loadfile --durations=20

# The core without PyTorch: its tests run in the environment of the demo.
test-core: $(DEMO_VENV)/ready
	$(call UV_RUN,$(DEMO_VENV)) pytest hypothesis
	$(DEMO_VENV)/bin/python -m pytest -q -m 'slow or not slow' tests/acceptance/test_core_without_torch.py

# The oldest versions of what pyproject.toml names: a wheel as an index would get it, in an empty
# environment. PyTorch is left out (no index keeps old CPU builds for every Python).
OLDEST := .venv-oldest
test-oldest: $(VENV)/ready
	rm -rf build/oldest && mkdir -p build/oldest
	$(PYTHON) -m venv --clear $(OLDEST)
	$(VENV)/bin/uv pip compile --quiet --python $(OLDEST)/bin/python --resolution lowest-direct pyproject.toml \
	  --extra formats --extra data --extra serve --extra plot --output-file build/oldest/requirements.txt
	$(VENV)/bin/python -m build --wheel --outdir build/oldest . >/dev/null
	$(VENV)/bin/uv pip install --quiet --python $(OLDEST)/bin/python -r build/oldest/requirements.txt \
	  pytest hypothesis httpx2
	$(VENV)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --no-deps build/oldest/*.whl
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -q -p no:cacheprovider -m 'slow or not slow' tests/acceptance/test_core_without_torch.py
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest -q -p no:cacheprovider \
	  tests/signals tests/preprocessing --ignore tests/preprocessing/test_bundles.py tests/formats/test_table_numbers.py tests/formats/test_writers.py \
	  tests/cli/test_read.py tests/cli/test_convert.py tests/reports/test_pixels.py

# The newest versions under Python 3.12, 3.13 and 3.14 (some from Debian; takes root).
test-newest: $(VENV)/ready
	PYTHON=$(VENV)/bin/python .ci/newest

# The documentation site, strictly and without a network: build/site/index.html.
docs: $(VENV)/ready
	$(VENV)/bin/python docs/build_site.py

# What goes to an index; 'tests/acceptance/test_package.py' says what it must hold.
package: $(VENV)/ready
	rm -rf build/package
	$(VENV)/bin/python -m build --outdir build/package .
	$(VENV)/bin/twine check --strict build/package/*

# Damaged files of every format in processes with limits; resumes where it was.
fuzz: $(VENV)/ready
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.fuzz --files 24000 --out build/fuzz

# Small wrong changes to the source, and whether the tests notice them; resumes where it was.
#   make mutants AREAS="signals metrics" SAMPLE=60 WORKERS=2
AREAS ?=
SAMPLE ?= 120
WORKERS ?= 1
mutants: $(VENV)/ready
	$(VENV)/bin/python -m tests.mutation $(AREAS) --sample $(SAMPLE) --workers $(WORKERS) --docs docs/testing.md

# Only the lines changed since ECGFOUNDRY_BASE (or where the branch left, or the last commit).
mutants-changed: $(VENV)/ready
	$(VENV)/bin/python -m tests.mutation --changed --minutes 4.5 --workers $(WORKERS)

lint: $(VENV)/ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(VENV)/ready
	$(VENV)/bin/python -m benchmarks

# Hours on two cores; resumes where it was. The data sets: see 'ecgfoundry train-defaults --help'.
train-defaults: $(VENV)/ready
	$(VENV)/bin/ecgfoundry train-defaults

clean:
	rm -rf $(VENV) $(DEMO_VENV) $(OLDEST) $(OUTPUT) build
