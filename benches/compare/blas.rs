//! Matrix libraries of others, opened while we run, never linked: dgemm and dgetrf by their Fortran names.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::path::Path;

use hpl_core::matrix::Matrix;
use libloading::Library;

type Dgemm = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const c_int,
    *const c_int,
    *const c_int,
    *const f64,
    *const f64,
    *const c_int,
    *const f64,
    *const c_int,
    *const f64,
    *mut f64,
    *const c_int,
);
type Dgetrf = unsafe extern "C" fn(*const c_int, *const c_int, *mut f64, *const c_int, *mut c_int, *mut c_int);

/// A library with 32-bit integers.
pub struct Blas {
    library: Library,
    prefix: &'static str,
}

fn int(n: usize) -> c_int {
    c_int::try_from(n).expect("sizes of a comparison fit a C int")
}

impl Blas {
    /// Opens the library of that file. Its symbols may carry the prefix `scipy_`.
    ///
    /// # Errors
    /// What the system says, or that it has no dgemm.
    pub fn open(file: &Path) -> Result<Blas, String> {
        // SAFETY: the file is a matrix library that the caller found or the user named; its initialisers are those that
        // run in every program linked with it.
        let library = unsafe { Library::new(file) }.map_err(|e| format!("{}: {e}", file.display()))?;
        for prefix in ["", "scipy_"] {
            // SAFETY: the symbol is only looked up.
            if unsafe { library.get::<Dgemm>(format!("{prefix}dgemm_").as_bytes()) }.is_ok() {
                return Ok(Blas { library, prefix });
            }
        }
        Err(format!("{}: there is no dgemm_ in it", file.display()))
    }

    /// Whether the library of that file can be opened and also factors.
    pub fn has_factor(file: &Path) -> bool {
        Blas::open(file).is_ok_and(|blas| {
            // SAFETY: the symbol is only looked up.
            unsafe { blas.library.get::<Dgetrf>(&blas.symbol("dgetrf_")) }.is_ok()
        })
    }

    fn symbol(&self, name: &str) -> Vec<u8> {
        format!("{}{name}", self.prefix).into_bytes()
    }

    /// C ← C − A·B.
    ///
    /// # Errors
    /// If the library has no dgemm.
    ///
    /// # Panics
    /// If the shapes do not match.
    pub fn multiply(&self, a: &Matrix, b: &Matrix, c: &mut Matrix) -> Result<(), String> {
        assert!(a.rows() == c.rows() && b.cols() == c.cols() && a.cols() == b.rows(), "shapes of a product");
        // SAFETY: every BLAS's dgemm_ has this signature.
        let dgemm = unsafe { self.library.get::<Dgemm>(&self.symbol("dgemm_")) }.map_err(|e| e.to_string())?;
        let [m, n, k] = [c.rows(), c.cols(), a.cols()].map(int);
        let [lda, ldb, ldc] = [a.ld(), b.ld(), c.ld()].map(int);
        let no = b'N'.cast_signed() as c_char;
        // SAFETY: shapes were checked, leading dimensions are those of the matrices, which are alive and of which only
        // C is written.
        unsafe {
            let (a, b, c) = (a.data().as_ptr(), b.data().as_ptr(), c.data_mut().as_mut_ptr());
            dgemm(&no, &no, &m, &n, &k, &-1.0, a, &lda, b, &ldb, &1.0, c, &ldc);
        }
        Ok(())
    }

    /// P·A = L·U in place.
    ///
    /// # Errors
    /// If the library has no dgetrf, or it reports a failure.
    pub fn factor(&self, a: &mut Matrix) -> Result<(), String> {
        // SAFETY: every LAPACK's dgetrf_ has this signature.
        let dgetrf = unsafe { self.library.get::<Dgetrf>(&self.symbol("dgetrf_")) }.map_err(|e| e.to_string())?;
        let [m, n, ld] = [a.rows(), a.cols(), a.ld()].map(int);
        let (mut pivots, mut info) = (vec![0; a.rows().min(a.cols())], 0);
        // SAFETY: the shape and leading dimension are those of the matrix, and there are as many pivots as steps.
        unsafe { dgetrf(&m, &n, a.data_mut().as_mut_ptr(), &ld, pivots.as_mut_ptr(), &mut info) };
        if info == 0 { Ok(()) } else { Err(format!("dgetrf ended with info {info}")) }
    }
}
