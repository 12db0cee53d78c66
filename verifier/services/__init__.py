"""Use cases: plain functions that take Ports first. They know the rules by name and the world by Protocols."""
