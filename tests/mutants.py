"""Mutation testing: plant one small fault at a time in the package, and see whether a test fails.

``python -m tests.mutants`` draws places in the code of the rooms, so many a room, makes one change of
cosmic-ray's operators at each, and runs tests against a copy of the repository that holds it: first those of
the changed file (``tests/ROOM/.../test_FILE*.py`` and its own examples), each function once; what passes them
is tried in the end with all their parameters, and with the tests of its room. A run that was stopped, or
whose ``--minutes`` were over, goes on where it was; what was caught stays caught while its file stays as it
is, and what survived is tried again once a test of its room has changed. ``--sample 0`` takes every place.

The score is of a sample: with n places tried, a share p is known to about sqrt(p (1 - p) / n).
"""

from __future__ import annotations

import argparse
import ast
import gc
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import zip_longest
from math import ceil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROOMS = ("stats", "surrogate", "selection", "transport", "tokens")
COPIED = (
    "otanalysis",
    "tests",
    "data/mini-llava",
    "data/published",
    "pyproject.toml",
    "README.md",
    "figures",
)
"""What the tests of the rooms need of the repository."""

ONLY_FASTER = ("njit", "lru_cache", "cached_property")
"""Decorators that change no answer: without them it comes later."""

ON_A_GPU = ("otanalysis/surrogate/launch.py", "otanalysis/surrogate/one_launch.py")
"""Files that run on a GPU or in Triton's interpreter alone; their tests are skipped where both lack."""

LOADED_ONCE = (
    "pytest",
    "hypothesis.extra.numpy",
    "scipy.stats",
    "scipy.optimize",
    "scipy.spatial.distance",
    "scipy.sparse.linalg",
    "pandas",
    "pyarrow.parquet",
    "numba",
    "ot",
    "kmedoids",
    "safetensors.numpy",
    "joblib",
    "PIL.Image",
    "torch",
)
"""What the tests load of other packages: once, by the process of which every run is a fork."""

LARGEST = 24 << 30  # bytes of addresses: a fault may ask for any amount of memory
SLOWER = 4.0  # a fault is taken for an endless loop after so many times what the sound code takes
LEAST = 30.0  # seconds of a processor that every run has
ASLEEP = 4.0  # times as long, by the clock: it waits for what never comes, or the machine is busy


@dataclass(frozen=True)
class Mutant:
    """One change of one file: an operator of cosmic-ray at one of the places where it fits."""

    room: str
    file: str
    line: int
    operator: str
    occurrence: int
    before: str

    @property
    def key(self) -> str:
        """Its name among the results, the same while its file stays as it is."""
        source = hashlib.sha256((ROOT / self.file).read_bytes()).hexdigest()[:12]
        return f"{self.file}:{source}:{self.operator}:{self.occurrence}"

    def code(self) -> str | None:
        """Return the changed source."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        source = (ROOT / self.file).read_text(encoding="utf-8")
        changed: str | None = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        return changed


def offsets(source: str) -> tuple[set[int], set[int]]:
    """Return where changes make no sense: what is never run or only makes faster; and where operators stand.

    Annotations are never run. A star in a signature is no operator, though cosmic-ray takes it for one.
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def span(one: Any) -> tuple[int, int]:
        first, last = starts[one.lineno - 1], starts[one.end_lineno - 1]
        return first + one.col_offset, last + one.end_col_offset

    skipped: set[int] = set()
    operators: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        hints = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        faster = [
            one
            for one in getattr(node, "decorator_list", ())
            if any(word in ast.unparse(one) for word in ONLY_FASTER)
        ]
        for one in (*hints, *faster):
            if one is not None:
                skipped.update(range(span(one)[0] - 1, span(one)[1] + 1))
        if isinstance(node, ast.BinOp):
            operators.update(range(span(node.left)[1], span(node.right)[0]))
    return skipped, operators


def places(room: str) -> list[list[Mutant]]:
    """Return, place by place of a room's code, the changes that can be made there."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    found: dict[tuple[str, int, int], list[Mutant]] = {}
    for path in sorted((ROOT / "otanalysis" / room).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        lines, (skipped, operators) = source.splitlines(keepends=True), offsets(source)
        starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
        nodes, file = list(ast_nodes(get_ast(source))), path.relative_to(ROOT).as_posix()
        for name in operator_names():
            if get_operator(name).arguments():
                continue
            operator = get_operator(name)()
            spots = [spot for node in nodes for spot in operator.mutation_positions(node)]
            for occurrence, ((line, column), _) in enumerate(spots):
                offset = starts[line - 1] + column
                if offset not in skipped and ("BinaryOperator_" not in name or offset in operators):
                    mutant = Mutant(room, file, line, name, occurrence, lines[line - 1].strip())
                    found.setdefault((file, line, column), []).append(mutant)
    return [found[place] for place in sorted(found)]


def drawn(room: str, sample: int, seed: int) -> tuple[list[Mutant], int]:
    """Return one change each at the places drawn of a room, and how many places it has."""
    every = places(room)
    generator = random.Random(f"{room} {seed}")
    chosen = generator.sample(every, len(every))
    # A place's change is drawn with it, so that a larger sample holds the smaller one.
    made = [random.Random(f"{one[0].key} {seed}").choice(one) for one in chosen]
    made = [one for one in made if one.file not in ON_A_GPU]
    return made[: sample or None], len(every)


def suites_of(mutant: Mutant) -> Iterator[list[str]]:
    """Yield the tests of a change, those of its file before those of its room."""
    path = Path(mutant.file)
    folder = Path("tests", *path.parent.parts[1:])
    own = sorted(one.relative_to(ROOT).as_posix() for one in (ROOT / folder).glob(f"test_{path.stem}*.py"))
    room = [f"otanalysis/{mutant.room}", f"tests/{mutant.room}"]
    yield ["--once", mutant.file, *own] if own else ["--once", *room]
    if own:
        yield [mutant.file, *own]
        yield ["--once", *room]
    yield room


class Tree:
    """A copy of the repository in which one file at a time is changed.

    What numba compiles of the sound code stays for the next process. It sees that a file has changed, but not
    that a function has that another file calls.
    """

    def __init__(self, out: Path, part: int) -> None:
        self.folder = out / f"tree-{part}"
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy2(source, self.folder / name)
        compiled = [one for one in (ROOT / "otanalysis").rglob("*.py") if "njit" in one.read_text("utf-8")]
        self.calls = {one.stem: one.read_text("utf-8") for one in compiled}
        self.sound = out / f"compiled-{part}-{digest_of(compiled)}"
        self.sound.mkdir(exist_ok=True)
        self.compiled = self.sound

    def change(self, file: str, code: str) -> None:
        """Write a changed file."""
        (self.folder / file).write_text(code, encoding="utf-8")
        self._forget(file)
        if Path(file).stem in self.calls:
            stale = [f"{one}.*" for one in self._callers(Path(file).stem)]
            self.compiled = self.folder / "compiled"
            shutil.rmtree(self.compiled, ignore_errors=True)
            shutil.copytree(self.sound, self.compiled, ignore=shutil.ignore_patterns(*stale))

    def restore(self, file: str) -> None:
        """Take a file back."""
        shutil.copy2(ROOT / file, self.folder / file)
        self._forget(file)
        self.compiled = self.sound

    def _forget(self, file: str) -> None:
        path = self.folder / file
        for one in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            one.unlink()

    def _callers(self, stem: str) -> set[str]:
        """Return the compiled files that import one, or import one that does."""
        direct = {one for one, source in self.calls.items() if f".{stem} import" in source}
        return direct.union(*map(self._callers, direct))

    def run(self, tests: list[str], log: Path, limit: float) -> tuple[str, float]:
        """Return ``"passed"``, ``"failed"`` or ``"timeout"``, and the seconds of a processor that it took."""
        end = time.monotonic() + ASLEEP * limit
        child = os.fork()
        if child == 0:
            self._become_pytest(tests, log, limit)
        try:
            while time.monotonic() < end:
                done, status, used = os.wait4(child, os.WNOHANG)
                if done:
                    code, seconds = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
                    outcome = {0: "passed", -signal.SIGXCPU: "timeout"}.get(code, "failed")
                    return outcome, seconds
                time.sleep(0.05)
            return "timeout", limit
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what is left of it, also where this process is stopped

    def _become_pytest(self, tests: list[str], log: Path, limit: float) -> None:
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_AS, (LARGEST, LARGEST))
            resource.setrlimit(resource.RLIMIT_CPU, (ceil(limit), ceil(limit) + 5))
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(out, stream)
            os.chdir(self.folder)
            sys.path[:] = [str(self.folder), *(one for one in sys.path if one not in ("", str(ROOT)))]
            os.environ["PYTHONPATH"] = str(self.folder)
            os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # those installed take longer than most tests
            os.environ["NUMBA_CACHE_DIR"] = str(self.compiled)
            import_module("numba").config.reload_config()
            for name in [one for one in sys.modules if one.split(".")[0] in ("tests", "otanalysis")]:
                del sys.modules[name]
            # pytest would load a file whose examples it runs a second time, beside the package's own.
            for name in tests:
                if name.startswith("otanalysis/"):
                    import_module(name.removesuffix(".py").replace("/", "."))
            import pytest

            options = [
                "-x",
                "-W",
                "ignore::pytest.PytestAssertRewriteWarning",
                "-p",
                "no:cacheprovider",
                "--tb=line",
                f"--basetemp={self.folder / 'tmp'}",
            ]
            code = int(pytest.main([*options, *tests]))
            if not import_module("otanalysis").__file__.startswith(str(self.folder)):  # type: ignore[union-attr]
                code = 71
        except BaseException:  # the child ends here, whatever happens
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class Results:
    """What came of every change, a line of JSON each; the last line of a change counts.

    Also what the sound code takes for tests, under their name and checksum.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                one = json.loads(line)
                self.lines[one["key"]] = one

    def known(self, mutant: Mutant, tests: str) -> dict[str, Any] | None:
        """Return what is known of a change, unless it survived other tests than today's."""
        one = self.lines.get(mutant.key)
        return one if one and (one["outcome"] == "caught" or one["tests"] == tests) else None

    def add(self, key: str, **values: Any) -> None:
        """Keep what came of a change."""
        one = {"key": key, **values}
        self.lines[key] = one
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(one) + "\n")


def digest_of(files: Iterable[Path]) -> str:
    """Return a checksum of files."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()[:12]


@dataclass
class Trial:
    """One process that tries changes."""

    results: Results
    digests: dict[str, str]
    """A checksum of each room's tests."""
    tree: Tree
    log: Path
    end: float
    """When no other change is begun."""

    def all(self, order: list[Mutant]) -> None:
        """Try the changes that nothing is known of."""
        for name in LOADED_ONCE:
            with suppress(ImportError):
                import_module(name)
        gc.freeze()  # what a fork does not touch is not copied
        # All parameters and the tests of a room take long: what a short run catches is known before.
        for whole, survivor in ((False, "open"), (True, "survived")):
            for mutant in order:
                known = self.results.known(mutant, self.digests[mutant.room])
                if known is None or (whole and known["outcome"] == "open"):
                    if time.monotonic() > self.end:
                        return
                    self._one(mutant, whole, survivor)

    def _one(self, mutant: Mutant, whole: bool, survivor: str) -> None:
        begin = time.process_time(), os.times().children_user
        first, *others = suites_of(mutant)
        by = self._caught_by(mutant, others if whole else [first])
        outcome = "caught" if by else survivor
        used = time.process_time() - begin[0] + os.times().children_user - begin[1]
        values = {"outcome": outcome, "tests": self.digests[mutant.room], "by": by, "seconds": round(used, 1)}
        self.results.add(mutant.key, **mutant.__dict__, **values)
        print(f"{outcome}: {mutant.file}:{mutant.line} {mutant.before}", flush=True)

    def _caught_by(self, mutant: Mutant, steps: Iterable[list[str]]) -> str:
        """Return what tests caught a change, nothing if it passed all of these steps."""
        code = mutant.code()
        if code is None:
            raise ValueError(f"{mutant} changes nothing.")
        for tests in steps:
            limit = max(LEAST, SLOWER * self._sound(tests, mutant.room))
            self.tree.change(mutant.file, code)
            try:
                outcome, _ = self.tree.run(tests, self.log, limit)
            finally:
                self.tree.restore(mutant.file)
            if outcome != "passed":
                return " ".join(tests)
        return ""

    def _sound(self, tests: list[str], room: str) -> float:
        """Return the seconds that the sound code takes for tests, which it passes."""
        key = f"{' '.join(tests)}:{self.digests[room]}"
        if key not in self.results.lines:
            outcome, seconds = self.tree.run(tests, self.log, 1800.0)
            if outcome != "passed":
                raise SystemExit(f"The sound code fails its tests ({' '.join(tests)}); see {self.log}.")
            self.results.add(key, outcome="sound", seconds=round(seconds, 1))
        return float(self.results.lines[key]["seconds"])


def report(mutants: dict[str, list[Mutant]], sizes: dict[str, int], results: Results) -> str:
    """Return the score of every room, and the survivors, with those that only a short run has passed."""
    lines, survivors = ["room        places  tried  caught  score"], []
    for room, own in mutants.items():
        known = [results.lines[one.key] for one in own if one.key in results.lines]
        caught = sum(one["outcome"] == "caught" for one in known)
        share = f"{caught / len(known):6.1%}" if known else "   -"
        lines.append(f"{room:10} {sizes[room]:7} {len(known):6} {caught:7} {share}")
        survivors += [one for one in known if one["outcome"] != "caught"]
    for one in survivors:
        name = one["operator"].removeprefix("core/")
        lines.append(f"\n{one['outcome']}: {one['file']}:{one['line']} {name}\n    {one['before']}")
    return "\n".join(lines)


def main() -> None:
    """Try the changes drawn, and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", default=",".join(ROOMS), help="rooms, separated by commas")
    parser.add_argument("--sample", type=int, default=40, help="places a room, 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", default="1/1", help="the I-th of N processes, such as 2/4")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no change after these")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants")
    parser.add_argument("--report", action="store_true", help="try nothing; say what is known")
    options = parser.parse_args()
    if find_spec("cosmic_ray") is None:
        parser.error("cosmic-ray is wanted, which `make mutants` installs.")
    part, parts = map(int, options.part.split("/"))
    begin = time.monotonic()
    made = {room: drawn(room, options.sample, options.seed) for room in options.rooms.split(",")}
    mutants = {room: own for room, (own, _) in made.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    # Every process has a file of its own, and reads those of all.
    results = Results(options.out / f"results-{part}.jsonl")
    for other in sorted(options.out.glob("results-*.jsonl")):
        for key, one in Results(other).lines.items():
            if results.lines.get(key, {"outcome": "open"})["outcome"] == "open":
                results.lines[key] = one
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped; what was tried is kept."))
    if not options.report:
        # Round by round over the rooms, so that a run that is stopped has tried some of each.
        rounds = zip_longest(*mutants.values())
        order = [mutant for one in rounds for mutant in one if mutant is not None]
        digests = {room: digest_of((ROOT / "tests" / room).rglob("*.py")) for room in mutants}
        tree, log = Tree(options.out, part), options.out / f"log-{part}.txt"
        Trial(results, digests, tree, log, begin + 60.0 * options.minutes).all(order[part - 1 :: parts])
    print(report(mutants, {room: places for room, (_, places) in made.items()}, results))


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    main()
