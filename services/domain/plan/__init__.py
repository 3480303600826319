"""The plan of a source: what it is written in, what is installed, built and run, and which file says so. Pure.

    model.py           the plan
    files.py           the source as the planner sees it: all names, and the text of the few files that matter
    interlock_toml.py  what of interlock.toml takes part
    procfile.py        the process lines of a Procfile
    versions.py        versions that people write, as ranges
    python_packages.py how the requirements of a Python app are installed
    python_locks.py    what Poetry and Pipenv lock, as requirements
    python_modules.py  where in the source a Python app is
    python_start.py    how a Python app is started
    node.py            an app with a package.json
    static_site.py     a folder of files
    planning.py        all of it together
    text.py            the plan as lines for people

Both builders follow the same plan, and `interlock plan` shows it. Who says a command is asked in this order: request,
project, interlock.toml, Procfile, detection. In commands "$HOST" and "$PORT" stand for where to listen.
"""

from services.domain.plan.files import MAX_TEXT_BYTES, SourceFiles, is_read
from services.domain.plan.model import Command, Language, Plan, PlanLine, ProcessLine, Step, Version
from services.domain.plan.planning import Speaker, make_plan
from services.domain.plan.text import plan_lines, plan_rows

__all__ = [
    "MAX_TEXT_BYTES",
    "Command",
    "Language",
    "Plan",
    "PlanLine",
    "ProcessLine",
    "SourceFiles",
    "Speaker",
    "Step",
    "Version",
    "is_read",
    "make_plan",
    "plan_lines",
    "plan_rows",
]
