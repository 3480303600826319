"""Turns sources into images: uploads, archives, the build queue, build records, and the removal of unused images.

A backend adds a `Builder` (makes one image) and an `ImageStore` (lists and removes its images). A `Fetcher` fetches
sources from git repositories.
"""
