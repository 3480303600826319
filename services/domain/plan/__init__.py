"""The plan of a source: its language, what is installed, built and run, and which file each of these comes from. Pure.

    model.py           the plan
    files.py           input of the planner: the names of all files, and the text of the few that matter
    interlock_toml.py  the keys of interlock.toml that the plan uses
    procfile.py        the process lines of a Procfile
    versions.py        version constraints of Python and Node
    python_packages.py how the requirements of a Python app are installed
    python_locks.py    lock files of Poetry and Pipenv, converted to requirements
    python_modules.py  finds the app object of a Python app
    python_start.py    detects the start command of a Python app
    node.py            an app with a package.json
    static_site.py     a folder of static files
    not_fetched.py     submodules and files of Git LFS that the source lacks
    planning.py        combines all of this into the plan
    text.py            the plan as lines of text

Both builders follow the same plan, and `interlock plan` shows it. A command comes from the request, else the project,
interlock.toml, the Procfile, or detection. In commands "$HOST" and "$PORT" stand for the address to listen on.
"""

from services.domain.plan.files import MAX_TEXT_BYTES, SourceFiles, is_read
from services.domain.plan.model import Command, Language, Plan, PlanLine, ProcessLine, Step, Version
from services.domain.plan.planning import GivenSettings, make_plan
from services.domain.plan.text import plan_lines, plan_rows

__all__ = [
    "MAX_TEXT_BYTES",
    "Command",
    "GivenSettings",
    "Language",
    "Plan",
    "PlanLine",
    "ProcessLine",
    "SourceFiles",
    "Step",
    "Version",
    "is_read",
    "make_plan",
    "plan_lines",
    "plan_rows",
]
