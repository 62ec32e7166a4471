//! Certificates hold what was judged, and nobody can change it unseen.

use std::path::PathBuf;

use serde_json::{Value, json};
use service::certificate::{self, Contents, SigningKey};
use service::certify::verify_command;

use super::common::{Run, Service};

/// Name and content of the files of a run.
type Files = Vec<(String, Vec<u8>)>;
/// A change to a certificate before it is signed.
type Change = dyn Fn(&mut Value, &mut Files);

struct Bundle {
    service: Service,
    path: PathBuf,
    bytes: Vec<u8>,
    key: String,
}

async fn bundle() -> Bundle {
    let service = Service::start().await;
    service.user(1, "user1").await;
    service.node(1).await;
    let run = Run::honest(1, 1);
    service.judged(&run).await;
    let path = format!("/api/v1/jobs/{}/certificate", run.job());
    let (status, bytes) = service.ask(None, "GET", &path, Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(service.ask(None, "GET", &path, Value::Null).await.1, bytes, "the same result, the same bundle");
    let (_, key) = service.get(None, "/api/v1/key").await;
    assert_eq!(key["algorithm"], "ed25519");
    let path = service.folder.path().join("certificate.zip");
    std::fs::write(&path, &bytes).unwrap();
    Bundle { service, path, bytes: bytes.to_vec(), key: key["public_key"].as_str().unwrap().to_owned() }
}

impl Bundle {
    fn check(&self, bytes: &[u8], key: Option<&str>) -> Result<String, String> {
        std::fs::write(&self.path, bytes).unwrap();
        verify_command(&self.path, key)
    }
}

#[tokio::test]
async fn a_certificate_is_checked_offline() {
    let bundle = bundle().await;
    for key in [None, Some(bundle.key.as_str())] {
        let text = verify_command(&bundle.path, key).unwrap();
        assert!(text.contains("The figures hold") && text.contains("88.8989 Gflop/s in 60 s"), "{text}");
    }
    let file = bundle.service.folder.path().join("key.txt");
    std::fs::write(&file, format!("{}\n", bundle.key)).unwrap();
    verify_command(&bundle.path, file.to_str()).unwrap();
    for key in ["ab", &"00".repeat(32), "/no/such/file"] {
        verify_command(&bundle.path, Some(key)).unwrap_err();
    }
    let verified = certificate::verify(&bundle.bytes, None).unwrap();
    let names: Vec<&str> = verified.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["HPL.dat", "HPL.out", "README.txt", "certificate.json"]);
    assert_eq!(verified.certificate["evidence"]["launch"][0], "mpirun");
    assert_eq!(verified.certificate["node"]["peak"]["gflops"], 160.0);
    assert_eq!(verified.certificate["result"]["tier"], "verified");
}

#[tokio::test]
async fn no_byte_can_be_changed() {
    let bundle = bundle().await;
    for at in (0..bundle.bytes.len()).step_by(97) {
        let mut changed = bundle.bytes.clone();
        changed[at] ^= 1;
        // A flag of the zip that no reader heeds may differ; what the bundle says may not.
        if bundle.check(&changed, Some(&bundle.key)).is_ok() {
            let (one, two) =
                (certificate::verify(&changed, None).unwrap(), certificate::verify(&bundle.bytes, None).unwrap());
            assert_eq!(one, two, "byte {at}");
        }
    }
    bundle.check(&bundle.bytes[..bundle.bytes.len() - 1], None).unwrap_err();
    bundle.check(b"", None).unwrap_err();
}

#[tokio::test]
async fn figures_that_do_not_follow_are_seen_even_if_signed() {
    let bundle = bundle().await;
    let verified = certificate::verify(&bundle.bytes, None).unwrap();
    let signing = SigningKey::load_or_create(&bundle.service.folder.path().join("keys/sign")).unwrap();
    let sign = |change: &Change| {
        let mut certificate = verified.certificate.clone();
        let files = verified.files.iter().filter(|(name, _)| name.starts_with("HPL"));
        let mut files: Files = files.map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        change(&mut certificate, &mut files);
        certificate::build(&signing, Contents { certificate, files }).unwrap()
    };
    bundle.check(&sign(&|_, _| {}), Some(&bundle.key)).unwrap();
    let changes: [&Change; 6] = [
        &|certificate, _| certificate["result"]["score"] = json!(99.0),
        &|certificate, _| certificate["passed"] = json!(false),
        &|certificate, _| certificate["parameters"]["n"] = json!(30_000),
        &|certificate, _| certificate["report"]["reports"][0]["gflops"] = json!(500.0),
        &|_, files| files[0].1 = b"another HPL.dat".to_vec(),
        &|certificate, _| certificate["result"]["benchmark"] = json!("other"),
    ];
    for (i, change) in changes.iter().enumerate() {
        let error = bundle.check(&sign(change), Some(&bundle.key)).unwrap_err();
        assert!(error.contains("although it is as it was signed"), "{i}: {error}");
    }
}

#[tokio::test]
async fn only_accepted_results_have_one() {
    let service = Service::start().await;
    service.user(1, "user1").await;
    service.node(1).await;
    let run = Run { report: json!({}), ..Run::honest(1, 1) };
    service.judged(&run).await;
    let (status, problem) = service.get(None, &format!("/api/v1/jobs/{}/certificate", run.job())).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("conflict")));
}
