"""Commits of git repositories, fetched as sources for builds.

A fetch is a supervised process, whatever the backend: it is stopped with everything it started, and ends with krane.
git sees an environment and a configuration made from nothing. It runs no program that the repository, the user or the
machine names: no hook, no filter, no pager, no credential helper but git's own, which knows one server. What it fetched
becomes an archive that is checked and stored as an upload is.
"""
