"""What the packages import: light where it must be, and each its own."""

import ast
import subprocess
import sys
from pathlib import Path

import embeddings
import tracker


def modules_after(statement: str, names: tuple[str, ...]) -> str:
    """Which of the modules `names` a fresh Python has imported after the statement, as it prints the list."""
    program = f"import sys\n{statement}\nprint([name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_help_waits_for_nothing():
    slow = ("numpy", "scipy", "pydantic", "tracker.config", "tracker.prepare")
    assert modules_after("from tracker.cli import main; main(['--help'])", slow) == "[]"


def test_the_pipeline_leaves_heavy_packages_alone():
    heavy = ("torch", "torchvision", "traccuracy", "matplotlib", "motile", "zarr", "geff", "networkx", "scipy.stats")
    assert modules_after("import tracker.cli.run", heavy) == "[]"


def imported(package: object) -> dict[str, set[str]]:
    """Top-level packages that each file of a package imports, anywhere in it."""
    found = {}
    for path in sorted(Path(package.__file__).parent.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
        found[str(path)] = {name.split(".")[0] for name in names}
    return found


def test_tracker_knows_no_torch_and_embeddings_no_solver():
    files = imported(tracker)
    assert len(files) > 30
    assert not {path for path, names in files.items() if names & {"torch", "torchvision", "lightning", "timm"}}
    files = imported(embeddings)
    assert files
    assert not {path for path, names in files.items() if names & {"ilpy", "motile", "highspy", "pyscipopt", "gurobipy"}}


def test_the_contract_needs_numpy_alone():
    files = imported(embeddings)
    (table,) = [names for path, names in files.items() if Path(path).name == "table.py"]
    assert table - sys.stdlib_module_names == {"numpy"}
    assert modules_after("import embeddings.table", ("torch", "tracker", "yaml")) == "[]"


def test_networks_need_no_package_of_others():
    files = {path: names for path, names in imported(embeddings).items() if Path(path).parent.name == "nets"}
    allowed = {"torch", "numpy", "safetensors", "yaml", "embeddings", "tracker"} | sys.stdlib_module_names
    assert len(files) > 10
    others = {Path(path).name: names - allowed for path, names in files.items() if names - allowed}
    assert others == {"sam.py": {"transformers"}}  # inside of a function: see test_sam.py
