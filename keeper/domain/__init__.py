"""Pure values and rules: no event loop, no clock, no logging, no I/O."""
