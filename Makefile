# Everything a newcomer needs, from a bare Python to a result. `make` lists the targets.

VENV ?= .venv
RANKS ?= 2
WORKERS ?= 2
CASE ?= cases/quickstart.yaml
PYTHON ?=
TORCH ?=

PY := $(VENV)/bin/python
RESULTS = results/$(basename $(notdir $(CASE)))

# One thread a rank: the ranks are the parallelism, and threads on top of them only contend.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

# Stamps: what is installed, in which environment. `installed` also remembers the wish for a torch, so that another one reinstalls.
INSTALLED := $(VENV)/.enngf-installed
TESTABLE := $(VENV)/.enngf-testable
ifneq ($(TORCH),)
ifneq ($(TORCH),$(shell cat $(INSTALLED) 2>/dev/null))
RETORCH := FORCE
endif
endif

PIP = $(PY) -m pip install --quiet --disable-pip-version-check

# make's own default for CC is not a wish of the user's.
ifeq ($(origin CC),default)
undefine CC
endif

# Sets $$python, or stops: the environment's Python where there is one, else the first that is new enough.
define find_python
new_enough='import sys; sys.exit(sys.version_info < (3, 12))'; python=; \
for candidate in $(if $(wildcard $(PY)),$(PY),$(or $(PYTHON),python3 python3.12 python3.13 python3.14)); do \
	if $$candidate -c "$$new_enough" 2>/dev/null; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
	echo "Python 3.12 or newer is needed and $(if $(wildcard $(PY)),$(PY) is older or broken,$(if $(PYTHON),$(PYTHON) is not that,none was found)): install one, or name it with make PYTHON=/path/to/python3.12." >&2; exit 1; \
fi
endef

# Forms are compiled at run time, by $$CC or the compiler that Python was built with; where that one is absent, by any other.
define find_compiler
compiler=$${CC:-$$($$python -c "import sysconfig; print(sysconfig.get_config_var('CC') or 'cc')")}; \
if [ -z "$${CC:-}" ] && ! command -v $${compiler%% *} >/dev/null; then \
	for compiler in cc gcc clang; do if command -v $$compiler >/dev/null; then export CC=$$compiler; break; fi; done; \
fi; \
if ! command -v $${compiler%% *} >/dev/null; then \
	echo "A C compiler is needed at run time and $${CC:-none of cc, gcc and clang} was found$${CC:+ nowhere}: install one, or name it with make CC=/path/to/compiler." >&2; exit 1; \
fi
endef

.PHONY: help demo test lint mesh schema venv clean check FORCE

help:  ## list the targets (the default)
	@echo "make TARGET [VARIABLE=value ...]"; echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.13    the Python to create the environment with (3.12 or newer)"
	@echo "  VENV=path            the environment, created if absent (.venv); an active one is VENV=\"\$$VIRTUAL_ENV\" or VENV=\"\$$CONDA_PREFIX\""
	@echo "  TORCH=requirement    which torch, the default being the large CUDA build: a wheel's path, or e.g. TORCH=torch==2.13.0+cpu"
	@echo "                       with PIP_EXTRA_INDEX_URL set to the index of torch's CPU builds (pip reads that variable itself)"
	@echo "  CC=clang             the C compiler"
	@echo "  WORKERS=n            in how many processes the tests run ($(WORKERS))"
	@echo "  CASE=file RANKS=n    what demo runs, and on how many processes ($(CASE), $(RANKS))"

demo: check $(INSTALLED)  ## install into .venv, recover the coefficient of cases/quickstart.yaml on two ranks, say where it is
	@python=$(PY); $(find_compiler); \
	$(VENV)/bin/mpirun -n $(RANKS) $(PY) -m app $(CASE) --overwrite
	@echo
	@echo "results: $(RESULTS)"
	@echo "picture: $(RESULTS)/coefficient.png"

test: lint  ## install what the tests need into .venv; ruff, mypy and pytest, in $(WORKERS) processes
	@python=$(PY); $(find_compiler); $(PY) -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder --max-worker-restart 0

lint: check $(TESTABLE)  ## ruff (rules and format) and mypy
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

mesh: check $(INSTALLED)  ## regenerate the meshes of meshes/ from their .geo files
	for mesh in aquifer lshape square; do \
	  $(PY) $(VENV)/bin/gmsh -nt 1 -v 2 -2 meshes/$$mesh.geo -o meshes/$$mesh.msh || exit 1; \
	done

schema: check $(INSTALLED)  ## write app/case/schema.json and docs/keys.md anew
	$(PY) -m app schema > app/case/schema.json
	$(PY) -m app schema --format markdown > docs/keys.md

venv: check $(INSTALLED)  ## create .venv and install the program, no more

clean:  ## remove .venv, results and caches
	rm -rf .venv results build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What has to be there before anything is downloaded.
check:
	@$(find_python); $(find_compiler)

# An environment that has DOLFINx, but not from the wheel, is conda's: there pip must not bring a second one.
FOREIGN_DOLFINX = $(PY) -c "from importlib.util import find_spec as f; raise SystemExit(not f('dolfinx') or bool(f('dolfinx_solver')))" 2>/dev/null

$(INSTALLED): pyproject.toml $(RETORCH) | check
	@set -e; $(find_python); \
	if $(FOREIGN_DOLFINX); then $(PIP) --no-deps --no-build-isolation -e .; else \
		if [ "$$(uname -s) $$(uname -m)" != "Linux x86_64" ]; then \
			echo "DOLFINx comes as a wheel for Linux x86-64 only and this is $$(uname -s) $$(uname -m): create the conda environment of environment.yml and add VENV=\"\$$CONDA_PREFIX\" to the command." >&2; exit 1; \
		fi; \
		if ! $(PY) -m pip --version >/dev/null 2>&1 && ! $$python -m venv $(VENV) >/dev/null; then \
			echo "$$python cannot create $(VENV): install its venv module (on Debian and Ubuntu the package python3-venv)." >&2; exit 1; \
		fi; \
		echo "installing into $(VENV); the first time takes a few minutes and about 6 GB"; \
		$(PIP) $(if $(TORCH),'$(TORCH)') -e .; \
	fi; \
	if ! $(PY) -c "import gmsh" 2>/dev/null; then \
		echo "note: gmsh does not load; meshes through electrodes, and their tests, need the system's OpenGL and X11 libraries (on Debian and Ubuntu the packages libglu1-mesa libxcursor1 libxft2 libxinerama1)"; \
	fi; \
	echo '$(TORCH)' > $@

$(TESTABLE): $(INSTALLED)
	@set -e; if ! $(FOREIGN_DOLFINX); then echo "installing the test tools into $(VENV)"; $(PIP) -e '.[test]'; fi; touch $@
