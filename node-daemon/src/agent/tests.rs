//! The agent against a small service of its own kind: whatever is lost, and whenever.
