"""How an app with a package.json is installed, built and started."""

import json

import pytest

from services.domain.errors import Invalid
from tests.domain.plan.support import builds, installs, plan, start_of

EXPRESS = {"dependencies": {"express": "^4"}, "scripts": {"start": "node index.js"}}
VITE = {
    "devDependencies": {"vite": "^5"},
    "scripts": {"dev": "vite", "build": "tsc && vite build", "preview": "vite preview"},
}
NEXT = {"dependencies": {"next": "14"}, "scripts": {"dev": "next dev", "build": "next build", "start": "next start"}}

ANGULAR = {"projects": {"shop": {"architect": {"build": {"builder": "@angular/build:application", "options": {}}}}}}


def package(content: object, **more: str) -> dict[str, str]:
    return {"package.json": json.dumps(content), **more}


def app(content: object, *names: str) -> dict[str, str]:
    return package(content) | dict.fromkeys(names, "")


@pytest.mark.parametrize(
    ("files", "install"),
    [
        (app(EXPRESS), "npm install --omit=dev --no-audit --no-fund"),
        (app(EXPRESS, "package-lock.json"), "npm ci --omit=dev --no-audit --no-fund"),
        (app(EXPRESS, "npm-shrinkwrap.json"), "npm ci --omit=dev --no-audit --no-fund"),
        (app(VITE, "package-lock.json"), "npm ci --include=dev --no-audit --no-fund"),
        (app(EXPRESS, "pnpm-lock.yaml"), "pnpm install --frozen-lockfile --prod"),
        (app(VITE, "pnpm-lock.yaml"), "pnpm install --frozen-lockfile"),
        (app(EXPRESS, "yarn.lock"), "yarn install --frozen-lockfile --non-interactive --production=true"),
        (app(EXPRESS, "yarn.lock", ".yarnrc.yml"), "yarn install --immutable"),
        (app({**EXPRESS, "packageManager": "yarn@4.1.0"}, "yarn.lock"), "yarn install --immutable"),
        (
            app({**EXPRESS, "packageManager": "yarn@1.22.0"}, "yarn.lock"),
            "yarn install --frozen-lockfile --non-interactive --production=true",
        ),
        (app(EXPRESS, "bun.lock"), "bun install --frozen-lockfile --production"),
        (app(EXPRESS, "bun.lockb"), "bun install --frozen-lockfile --production"),
        (app({**EXPRESS, "packageManager": "pnpm@9.1.0"}), "pnpm install --no-frozen-lockfile --prod"),
    ],
)
def test_the_lock_names_the_package_manager(files: dict[str, str], install: str) -> None:
    assert installs(files) == [install]


@pytest.mark.parametrize(
    "name", [".npmrc", ".yarnrc.yml", ".yarnrc", "bunfig.toml", ".yarn/releases/yarn-4.cjs", "patches/a"]
)
def test_what_says_where_packages_come_from_is_there_before_they_are_installed(name: str) -> None:
    needs = plan(app(EXPRESS, "package-lock.json", name)).install[0].needs

    assert needs is not None
    assert {name, "package.json", "package-lock.json"} <= {*needs}


@pytest.mark.parametrize(
    "content",
    [
        {"dependencies": {"a": "file:./a"}},
        {"devDependencies": {"a": "./a.tgz"}},
        {"dependencies": {"a": "workspace:*"}},
        {"dependencies": {"a": "1"}, "workspaces": ["packages/*"]},
        {"dependencies": {"a": "1"}, "scripts": {"postinstall": "prisma generate"}},
    ],
)
def test_what_reads_the_source_when_it_is_installed_gets_all_of_it(content: object) -> None:
    assert plan(app(content, "index.js")).install[0].needs is None


@pytest.mark.parametrize(
    ("files", "build", "start"),
    [
        (app(EXPRESS, "index.js"), [], "npm start"),
        (app(EXPRESS, "index.js", "yarn.lock"), [], "npm start"),
        (app(EXPRESS, "index.js", "bun.lock"), [], "bun run start"),
        (app({"main": "lib/main.js"}, "lib/main.js"), [], "node lib/main.js"),
        (app({"main": "./app.js"}, "app.js"), [], "node app.js"),
        (app({"main": "app"}, "app.js"), [], "node app.js"),
        (app({"main": "index.js"}, "src/index.js"), [], "node src/index.js"),
        (app({}, "server.js", "index.js"), [], "node server.js"),
        (app(NEXT), ["npm run build"], "npm start"),
        (
            app({"dependencies": {"next": "14"}}),
            ["npx --no-install next build"],
            "npx --no-install next start --hostname '$HOST' --port '$PORT'",
        ),
        (
            app({"dependencies": {"next": "14"}, "scripts": {"build": "next build"}}, "pnpm-lock.yaml"),
            ["pnpm run build"],
            "pnpm exec next start --hostname '$HOST' --port '$PORT'",
        ),
        (app({"scripts": {"build": "tsc", "start": "node dist/x.js"}}), ["npm run build"], "npm start"),
        ({"server.js": ""}, [], "node server.js"),
        (app({}, "tool.py"), [], ""),
    ],
)
def test_an_app_is_built_and_started(files: dict[str, str], build: list[str], start: str) -> None:
    assert (builds(files), start_of(files)) == (build, start)


@pytest.mark.parametrize(
    ("files", "folder", "is_single_page"),
    [
        (app(VITE, "index.html"), "dist", True),
        (package(VITE, **{"vite.config.ts": "build: { outDir: './public_html/' }"}), "public_html", True),
        (app({**VITE, "scripts": {"start": "vite", "build": "vite build"}}), "dist", True),
        (app({**VITE, "scripts": {"start": "vite --host", "build": "vite build"}}), "dist", True),
        (
            app(
                {
                    "dependencies": {"react-scripts": "5"},
                    "scripts": {"start": "react-scripts start", "build": "react-scripts build"},
                }
            ),
            "build",
            True,
        ),
        (
            app({"dependencies": {"astro": "4"}, "scripts": {"start": "astro dev", "build": "astro build"}}),
            "dist",
            False,
        ),
        (
            package(
                {"dependencies": {"next": "14"}, "scripts": {"build": "next build"}},
                **{"next.config.js": "output: 'export'"},
            ),
            "out",
            False,
        ),
        (
            package(
                {"dependencies": {"next": "14"}, "scripts": {"build": "next build"}},
                **{"next.config.mjs": 'output: "export", distDir: "_static"'},
            ),
            "_static",
            False,
        ),
        (
            package({"scripts": {"build": "ng build", "start": "ng serve"}}, **{"angular.json": json.dumps(ANGULAR)}),
            "dist/shop/browser",
            True,
        ),
    ],
)
def test_a_build_that_makes_files_is_served_as_files(files: dict[str, str], folder: str, is_single_page: bool) -> None:
    made = plan(files)

    assert made.static is not None
    assert (made.static.folder, made.static.is_single_page) == (folder, is_single_page)
    assert made.start is None
    assert made.missing_start == ""


def test_an_app_with_a_server_of_its_own_is_not_served_as_files() -> None:
    made = plan(app({**VITE, "scripts": {"start": "node server.js", "build": "vite build"}}))

    assert made.static is None
    assert made.start is not None


@pytest.mark.parametrize(
    ("files", "request_", "source"),
    [
        (app({**EXPRESS, "engines": {"node": ">=20"}}), ">=20", "package.json"),
        (package(EXPRESS, **{".nvmrc": "v20\n"}), "v20", ".nvmrc"),
        (package(EXPRESS, **{".node-version": "22.1.0"}), "22.1.0", ".node-version"),
        (app({**EXPRESS, "volta": {"node": "20.1.0"}}), "20.1.0", "package.json"),
        (package(EXPRESS, **{".tool-versions": "nodejs 20.1.0\n"}), "20.1.0", ".tool-versions"),
    ],
)
def test_the_version_of_node_is_read(files: dict[str, str], request_: str, source: str) -> None:
    version = plan(files).version

    assert version is not None
    assert (version.request, version.source) == (request_, source)


def test_a_port_that_is_written_into_the_app_is_named() -> None:
    made = plan(package({"main": "index.js"}, **{"src/index.js": "app.listen(3000, () => 1)"}))

    assert made.port is not None
    assert (made.port.value, made.port.source) == ("3000", "src/index.js")
    assert "read process.env.PORT there" in made.warnings[0]


def test_other_locks_and_no_lock_are_named() -> None:
    assert plan(app(EXPRESS, "package-lock.json", "yarn.lock")).warnings == (
        "package-lock.json is not used: yarn.lock selects yarn",
    )
    assert "there is no lock file of npm" in plan(app(EXPRESS)).warnings[0]


@pytest.mark.parametrize(
    ("files", "language"),
    [
        (app(EXPRESS, "requirements.txt"), "node"),
        ({**app(EXPRESS, "requirements.txt"), "Procfile": "web: gunicorn app:app"}, "python"),
        ({**app(EXPRESS, "main.py"), "Procfile": "web: npm start"}, "node"),
        ({**app({"scripts": {"build": "x"}}), "app.py": "from flask import Flask\napp = Flask(__name__)\n"}, "python"),
        (app({"devDependencies": {"prettier": "1"}}, "main.py", "requirements.txt"), "python"),
    ],
)
def test_of_two_languages_the_one_that_starts_the_app_counts(files: dict[str, str], language: str) -> None:
    assert plan(files).language.value == language


def test_a_package_json_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Invalid, match=r"package\.json cannot be read"):
        plan({"package.json": "{"})
