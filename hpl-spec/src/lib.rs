//! hpl-spec
