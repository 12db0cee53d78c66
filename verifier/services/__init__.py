"""Use cases: plain functions that take Ports first; they know the rules by name, the world by Protocols."""
