"""Pure rules: no I/O, no clock, no framework. Equal input gives equal output."""
