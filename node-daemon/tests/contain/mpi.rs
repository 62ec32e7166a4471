//! The real launcher and the real benchmark, inside.

use super::*;

const DAT: &str = "HPLinpack benchmark input file
contain
HPL.out      output file name (if any)
6            device out (6=stdout,7=stderr,file)
1            # of problems sizes (N)
500          Ns
1            # of NBs
64           NBs
0            PMAP process mapping (0=Row-,1=Column-major)
1            # of process grids (P x Q)
1            Ps
2            Qs
16.0         threshold
1            # of panel fact
2            PFACTs (0=left, 1=Crout, 2=Right)
1            # of recursive stopping criterium
4            NBMINs (>= 1)
1            # of panels in recursion
2            NDIVs
1            # of recursive panel fact.
1            RFACTs (0=left, 1=Crout, 2=Right)
1            # of broadcast
1            BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)
1            # of lookahead depth
1            DEPTHs (>=0)
2            SWAP (0=bin-exch,1=long,2=mix)
64           swapping threshold
0            L1 in (0=transposed,1=no-transposed) form
0            U  in (0=transposed,1=no-transposed) form
1            Equilibration (0=no,1=yes)
8            memory alignment in double (> 0)
";

fn xhpl() -> Option<PathBuf> {
    let named = std::env::var_os("HPLAAS_XHPL").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_BIN_EXE_hpl-node")).with_file_name("xhpl");
    named.or(Some(beside)).filter(|path| path.is_file())
}

fn mpirun() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("mpirun")).find(|path| path.is_file())
}

#[test]
fn mpirun_and_xhpl_pass_inside() {
    let (Some(xhpl), Some(mpirun)) = (xhpl(), mpirun()) else {
        pass_over("no xhpl (HPLAAS_XHPL, or beside hpl-node) or no mpirun");
        return;
    };
    let mut attempt = Attempt::script("");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    fs::write(attempt.folder.work().join("HPL.dat"), DAT).unwrap();
    let words = ["--oversubscribe", "--bind-to", "none", "-np", "2"];
    attempt.launch.argv = [text(&mpirun)].into_iter().chain(words.map(str::to_owned)).chain([text(&xhpl)]).collect();
    attempt.launch.read = vec![xhpl.parent().unwrap().to_owned()];
    if is_root() {
        for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] {
            attempt.launch.env.insert(name.into(), "1".into());
        }
    }
    attempt.launch.env.insert("HOME".into(), text(&attempt.folder.work()));
    let exit = attempt.run();
    assert_eq!(exit.end, End::Exited(0), "{exit:?}\n{}", attempt.words());
    assert!(attempt.out().contains("PASSED"), "{}", attempt.words());
    assert!(exit.cpu_s.unwrap() > 0.0);
}
