"""The backends: `process` needs only Linux, `docker` a Docker Engine. The other folders are shared by both."""
