//! hpl-mpi
