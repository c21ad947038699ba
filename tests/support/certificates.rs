//! A certificate authority of a test: by the openssl command, which every distribution has.

use super::scratch::Scratch;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BOOKS: &str = "[ca]\ndefault_ca = books\n[books]\ndatabase = index.txt\nserial = serial\nnew_certs_dir = .\n\
    default_md = sha256\nunique_subject = no\npolicy = any\n[any]\ncommonName = supplied\n";

const EC_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// A CA with a folder of its own.
#[derive(Debug)]
pub struct Authority {
    folder: Scratch,
}

impl Authority {
    /// A new one, of nobody known.
    pub fn new(name: &str) -> Self {
        let folder = Scratch::new("ca");
        let dir = folder.path();
        let subject = format!("/CN={name}");
        openssl(
            dir,
            &[&["req", "-x509", "-days", "2"], EC_KEY.as_slice()].concat(),
            &["-keyout", "ca.key", "-out", "ca.crt", "-subj", &subject],
        );
        // What `openssl ca` wants; `openssl x509` cannot issue for a time that is over.
        std::fs::write(dir.join("ca.cnf"), BOOKS).expect("cannot write the CA's configuration");
        std::fs::write(dir.join("serial"), "01\n").expect("cannot write the CA's serial number");
        std::fs::write(dir.join("index.txt"), "").expect("cannot write the CA's index");
        Authority { folder }
    }

    /// Its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// A certificate with its key, for two days: `names` as openssl writes them (`DNS:db,IP:127.0.0.1`).
    pub fn issue(&self, file: &str, names: &str) -> (PathBuf, PathBuf) {
        self.issue_for(file, names, &["-days", "2"], &EC_KEY)
    }

    /// The same, expired long ago.
    pub fn issue_expired(&self, file: &str, names: &str) -> (PathBuf, PathBuf) {
        let time = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"];
        self.issue_for(file, names, &time, &EC_KEY)
    }

    /// As `issue`, with an RSA key.
    pub fn issue_rsa(&self, file: &str, names: &str) -> (PathBuf, PathBuf) {
        self.issue_for(file, names, &["-days", "2"], &["-newkey", "rsa:2048", "-nodes"])
    }

    fn issue_for(&self, file: &str, names: &str, time: &[&str], new_key: &[&str]) -> (PathBuf, PathBuf) {
        let dir = self.folder.path();
        let (request, certificate, key) =
            (format!("{file}.csr"), format!("{file}.crt"), format!("{file}.key"));
        let subject = format!("/CN={file}");
        let request_for = [new_key, &["-keyout", &key, "-out", &request, "-subj", &subject]].concat();
        openssl(dir, &["req"], &request_for);
        let mut extensions = String::from("basicConstraints=CA:FALSE\n");
        if !names.is_empty() {
            extensions += &format!("subjectAltName={names}\n");
        }
        std::fs::write(dir.join("extensions"), extensions).expect("cannot write the extensions");
        let mut verb =
            vec!["ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key"];
        verb.extend(time);
        openssl(dir, &verb, &["-extfile", "extensions", "-in", &request, "-out", &certificate]);
        (dir.join(certificate), dir.join(key))
    }
}

fn openssl(dir: &Path, verb: &[&str], rest: &[&str]) {
    let ran = Command::new("openssl").args(verb).args(rest).current_dir(dir).stdin(Stdio::null()).output();
    let ran = ran.expect("cannot run openssl: install it");
    assert!(ran.status.success(), "openssl {verb:?}: {}", String::from_utf8_lossy(&ran.stderr));
}
