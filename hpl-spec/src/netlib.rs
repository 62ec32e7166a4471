//! Error messages in the shape and wording of netlib HPL 2.3, which scripts
//! look for. The line numbers are those that release prints.

/// The shape of every message: which process, which line of which function,
/// then the text, then an empty line.
#[must_use]
pub fn netlib_error(process: usize, line: u32, function: &str, text: &str) -> String {
    format!("HPL ERROR from process # {process}, on line {line} of function {function}:\n>>> {text} <<<\n\n")
}

/// HPL.dat is not there or cannot be read.
#[must_use]
pub fn cannot_open_dat() -> String {
    netlib_error(0, 299, "HPL_pdinfo", "cannot open file HPL.dat")
}

/// The output file cannot be written.
#[must_use]
pub fn cannot_open_output(name: &str) -> String {
    netlib_error(0, 318, "HPL_pdinfo", &format!("cannot open file {name}."))
}

/// The second message of every error in HPL.dat, the last before exit status 1.
#[must_use]
pub fn illegal_input() -> String {
    netlib_error(0, 621, "HPL_pdinfo", "Illegal input in file HPL.dat. Exiting ...")
}

/// No memory for [A|b] on some rank: the test is skipped. `row` and `column`
/// are those of the grid that netlib names, each a maximum of its own.
#[must_use]
pub fn allocation_failed(row: usize, column: usize) -> String {
    let text = format!("[{row},{column}] Memory allocation failed for A, x and b. Skip.");
    netlib_error(0, 173, "HPL_pdtest", &text)
}

/// No memory for what a run needs besides [A|b]: the job is aborted. `text` says which.
#[must_use]
pub fn aborted(process: usize, text: &str) -> String {
    format!(
        "HPL ERROR from process # {process}, on line 173 of function HPL_pdpanel_init:\n>>> {text} <<< Abort ...\n\n"
    )
}

/// The matrix is singular: the test is skipped. `column` is the 1-based global
/// column of the first zero pivot.
#[must_use]
pub fn solve_failed(column: usize) -> String {
    netlib_error(0, 331, "HPL_pdtest", &format!("Error code returned by solve is {column}, skip"))
}
