"""Generate services/gen from proto/. With --check, fail when the committed code differs."""

import filecmp
import re
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
GENERATED = ROOT / "services" / "gen"
# protoc writes imports as if proto/ were the Python root, because the protos hold no Python paths.
LOCAL_IMPORT = re.compile(r"^(from |import )((?:hydra|krane|gateway|ctrl)\.v1\b)", re.MULTILINE)


def generate(target: Path) -> None:
    """Write the generated package into `target`."""
    sources = sorted(str(path) for path in PROTO.rglob("*.proto"))
    arguments = [f"--python_out={target}", f"--pyi_out={target}", f"--grpc_python_out={target}"]
    # protoc finds its plugins on PATH, where an environment that was not activated is not.
    plugin = Path(sys.executable).with_name("protoc-gen-mypy_grpc")
    arguments += [f"--plugin={plugin}", f"--mypy_grpc_out=quiet:{target}"]
    if protoc.main(["protoc", f"-I{PROTO}", *arguments, *sources]) != 0:
        sys.exit("protoc failed")
    for path in [*target.rglob("*.py"), *target.rglob("*.pyi")]:
        path.write_text(LOCAL_IMPORT.sub(r"\1services.gen.\2", path.read_text()))
    for folder in {
        target,
        *(p.parent for p in target.rglob("*_pb2.py")),
        *(p.parent.parent for p in target.rglob("*_pb2.py")),
    }:
        (folder / "__init__.py").write_text('"""Generated from proto/ by `make proto`; never edited."""\n')


def differences(left: Path, right: Path) -> list[str]:
    """Relative paths of files that differ or exist on one side only."""
    names = {p.relative_to(base) for base in (left, right) for p in base.rglob("*.py*") if "__pycache__" not in p.parts}
    return sorted(
        str(name)
        for name in names
        if not (left / name).exists()
        or not (right / name).exists()
        or not filecmp.cmp(left / name, right / name, shallow=False)
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        changed = differences(fresh, GENERATED)
        if "--check" in sys.argv:
            if changed:
                sys.exit("generated code is stale; run `make proto`: " + ", ".join(changed))
        else:
            for name in changed:
                target = GENERATED / name
                if (fresh / name).exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes((fresh / name).read_bytes())
                else:
                    target.unlink()
