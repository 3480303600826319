"""Sources become images: uploads, archives, the queue of builds and their records, and what is removed at last.

A backend adds a `Builder` (how one image is made) and `ImageStore` (which images it keeps). Sources of git repositories
come from a `Fetcher`.
"""
