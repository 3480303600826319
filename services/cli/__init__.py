"""The `interlock` command. It speaks only through the ctrl client; results on stdout, everything else on stderr."""
