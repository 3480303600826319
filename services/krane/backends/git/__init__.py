"""Fetches commits of git repositories as sources for builds.

A fetch is a supervised process on every backend. Stopping it stops everything that it started, and it ends with krane.
git gets an environment and a configuration that krane writes, and nothing from the machine. It runs no program that the
repository, the user or the machine names: no hook, filter or pager, and no credential helper but git's own `store`, for
one server. The fetched commit becomes an archive that is checked and stored like an upload.
"""
