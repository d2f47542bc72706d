"""Trying a change: the tests that reach it, run in a fork of a process that has imported everything already."""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import pytest

from tests.mutants.changes import Change

ROOT = Path(__file__).parents[2]
MAX_MEMORY_BYTES = 12 << 30
NOTICED, SURVIVED, UNREACHED = "noticed", "survived", "no test reaches it"


@dataclass(frozen=True)
class Reach:
    """What the tests of a module do when it is unchanged."""

    cpu_s: dict[str, float]
    """Test → its time."""
    functions: dict[str, list[str]]
    """Test → `line:name` of the functions of the module that it calls."""
    at_import: list[str]
    """Functions that the tests' own modules call as soon as they are imported."""

    @property
    def total_s(self) -> float:
        return sum(self.cpu_s.values())

    def in_order(self, items: Sequence[pytest.Item], function: str | None) -> list[pytest.Item]:
        """The tests that call `function`, quick ones before slow ones, then the others of their files.

        Those run too because what a fixture or a cached builder made, the first test alone is seen to call.
        """
        everywhere = function is None or function in self.at_import
        callers = {test for test, called in self.functions.items() if everywhere or function in called}
        files = {test.split("::")[0] for test in callers}
        chosen = [item for item in items if item.nodeid in self.functions and item.nodeid.split("::")[0] in files]
        return sorted(chosen, key=lambda item: (item.nodeid not in callers, self.cpu_s.get(item.nodeid, 0.0)))


class Recorder:
    """A pytest plugin that notes which functions of one file each test calls, and its time."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.called: set[CodeType] = set()
        self.functions: dict[str, list[str]] = {}
        self.cpu_s: dict[str, float] = {}

    def profile(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename == self.path:
            self.called.add(frame.f_code)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.called.clear()
        began_s = time.process_time()
        threading.setprofile(self.profile)
        sys.setprofile(self.profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
            self.cpu_s[item.nodeid] = time.process_time() - began_s
            self.functions[item.nodeid] = self.names

    @property
    def names(self) -> list[str]:
        return sorted({f"{code.co_firstlineno}:{code.co_name}" for code in self.called})


class Instead:
    """A pytest plugin that does something else with the tests that were found than to run them."""

    def __init__(self, work: Callable[[pytest.Session], None]) -> None:
        self.work = work

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.work(session)
        return True


def with_tests(tests: Sequence[str], work: Callable[[pytest.Session], None]) -> None:
    """Finds `tests`, which imports all that they need, and does `work`."""
    options = ["-o", "addopts=", "-s", "--assert=plain", f"--rootdir={ROOT}"]
    for plugin in ("cacheprovider", "xdist", "faulthandler", "terminal"):
        options += ["-p", f"no:{plugin}"]
    code = pytest.main([*options, *tests], plugins=[Instead(work)])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
        raise SystemExit(f"these tests cannot be found: {' '.join(tests)}")


def run_tests(items: Sequence[pytest.Item]) -> int:
    """0 if all pass, else 1, at the first that does not."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return 1
    return 0


def module_name(path: Path) -> str:
    """The name that a file of the product is imported by."""
    return ".".join(("soundseam", *path.relative_to(ROOT).with_suffix("").parts))


class Functions:
    """Every function of a file that is alive."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.alive = [
            found
            for found in gc.get_objects()
            if isinstance(found, FunctionType) and found.__code__.co_filename == self.path
        ]

    def put_in(self, changed: str) -> None:
        """Gives each function the code that it has in `changed`."""
        codes: dict[tuple[str, int], CodeType] = {}
        left = [compile(changed, self.path, "exec", dont_inherit=True)]
        while left:
            code = left.pop()
            codes[code.co_qualname, code.co_firstlineno] = code
            left.extend(const for const in code.co_consts if isinstance(const, CodeType))
        for function in self.alive:
            new = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
            if new and new.co_freevars == function.__code__.co_freevars:
                function.__code__ = new


class ChangedLoader(importlib.machinery.SourceFileLoader):
    """Loads a module from a changed source."""

    def __init__(self, name: str, path: Path, changed: str) -> None:
        super().__init__(name, str(path))
        self.changed = changed

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.changed, self.path, "exec", dont_inherit=True)


class ChangedFinder(importlib.machinery.PathFinder):
    """Finds one module, with its changed source."""

    def __init__(self, path: Path, changed: str) -> None:
        self.name, self.path, self.changed = module_name(path), path, changed

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:  # type: ignore[override]
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(
            name, self.path, loader=ChangedLoader(name, self.path, self.changed)
        )


def in_fork(work: Callable[[Path], int], limit_s: float) -> tuple[int | None, dict[str, object]]:
    """The exit code of `work`, and the JSON it left at the path it is given; None if it takes over `limit_s` of CPU."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        child = os.fork()
        if not child:
            os.setsid()
            os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + 1, int(limit_s) + 3))
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            code = 70
            try:
                code = work(Path(folder) / "answer.json")
            finally:
                os._exit(code)
        ended = wait_for(child, time.monotonic() + 20 * limit_s)
        answer = Path(folder) / "answer.json"
        return ended, json.loads(answer.read_text()) if answer.is_file() else {}


def wait_for(child: int, until_s: float) -> int | None:
    """The exit code of a child, or None if a limit or a signal ended it; nothing of its group is left."""
    status = None
    while time.monotonic() < until_s:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None or not pid:
        os.waitpid(child, 0)
        return None
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else None


def reach_of(path: Path, tests: Sequence[str]) -> Reach:
    """Runs the tests of an unchanged module, which must pass; what they import, the forks then have already."""

    def work(answer: Path) -> int:
        recorder, before = Recorder(path), {*sys.modules}
        at_import: list[str] = []

        def run(session: pytest.Session) -> None:
            sys.setprofile(None)
            at_import.extend(recorder.names)
            session.config.pluginmanager.register(recorder)
            codes.append(run_tests(session.items))

        codes: list[int] = []
        forget("tests")
        sys.setprofile(recorder.profile)
        with_tests(tests, run)
        imported = [name for name in sys.modules if name not in before and not is_ours(name)]
        found = {"cpu_s": recorder.cpu_s, "functions": recorder.functions, "at_import": at_import, "imported": imported}
        answer.write_text(json.dumps(found))
        return codes[0]

    code, answer = in_fork(work, 900)
    if code or not answer:
        raise SystemExit(f"the tests of {path.relative_to(ROOT)} fail without any change")
    for name in answer.pop("imported"):  # type: ignore[attr-defined]
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    return Reach(**answer)  # type: ignore[arg-type]


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in {"soundseam", "tests"}


def forget(*packages: str, modules: Collection[str] = ()) -> None:
    """Has the modules of these packages, and these modules, imported again by whoever needs them next."""
    for name in [*sys.modules]:
        if name in modules or name.partition(".")[0] in packages:
            del sys.modules[name]


@cache
def importers_of(name: str) -> frozenset[str]:
    """`name` and every module of the product that imports it, itself or through others."""
    found, imports = {name}, imports_of_product()
    while more := {importer for importer, imported in imports.items() if imported & found} - found:
        found |= more
    return frozenset(found)


@cache
def imports_of_product() -> dict[str, set[str]]:
    """Module of the product → what it imports, at its top or in a function."""
    found = {}
    for path in ROOT.glob("*/**/*.py"):
        if path.relative_to(ROOT).parts[0] in {"annotators", "pipeline", "schemas"}:
            nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
            names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            for node in nodes:
                if isinstance(node, ast.ImportFrom) and node.module:
                    names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            found[module_name(path).removesuffix(".__init__")] = names
    return found


def outcome_of(path: Path, change: Change, items: Sequence[pytest.Item], reach: Reach, functions: Functions) -> str:
    function = change.function
    chosen = reach.in_order(items, function)
    if not chosen:
        return UNREACHED

    importers = importers_of(module_name(path))

    def work(_answer: Path) -> int:
        if function:
            functions.put_in(change.source)
            if function not in reach.at_import:
                return run_tests(chosen)
            forget("tests")
        else:
            forget("tests", "benchmarks", modules=importers)
            sys.meta_path.insert(0, ChangedFinder(path, change.source))
        failed: list[int] = []
        files = sorted({item.nodeid.split("::")[0] for item in chosen})
        with_tests(files, lambda session: failed.append(run_tests(reach.in_order(session.items, function))))
        return failed[0]

    code, _ = in_fork(work, 20 + 3 * reach.total_s)
    return SURVIVED if code == 0 else NOTICED
