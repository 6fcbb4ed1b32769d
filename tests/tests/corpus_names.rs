//! Names that `tollfree classify --json` tells, against captures by others with independently made expectations.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;
use tollfree::classify::{Options, Progress, Subscribers, Tunnels, classify};
use tollfree_tests::corpus;

/// What a flow asks for: a name, or none, and where it said so.
type Name = (Option<String>, String);

/// A flow of an expected file, or of what was found, as far as it concerns names.
#[derive(Debug, Deserialize)]
struct Flow {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: u32,
    #[serde(default)]
    proto: u8,
    src: Option<IpAddr>,
    sport: Option<u16>,
    dst: Option<IpAddr>,
    dport: Option<u16>,
    /// Only in expected files.
    #[serde(default)]
    sni: Option<Vec<Asked>>,
    /// Only in expected files.
    #[serde(default)]
    http: Option<Vec<Request>>,
    /// Only in what was found.
    #[serde(default)]
    names: Vec<Asked>,
}

#[derive(Clone, Debug, Deserialize)]
struct Asked {
    name: Option<String>,
    via: String,
}

#[derive(Debug, Deserialize)]
struct Request {
    host: Option<String>,
}

type Key = (u8, BTreeSet<(IpAddr, Option<u16>)>);

impl Flow {
    fn key(&self) -> Option<Key> {
        Some((self.proto, [(self.src?, self.sport), (self.dst?, self.dport)].into()))
    }

    /// The expected names. Of several requests, the first decides a flow.
    fn expected(&self) -> BTreeSet<Name> {
        let hellos = self.sni.iter().flatten().map(|asked| (asked.name.clone(), asked.via.clone()));
        let first = self.http.iter().flatten().next().and_then(|request| request.host.as_deref());
        hellos.chain(first.map(|host| (Some(without_port(host)), "http".to_owned()))).collect()
    }

    fn found(&self) -> BTreeSet<Name> {
        self.names.iter().map(|asked| (asked.name.clone(), asked.via.clone())).collect()
    }
}

/// A Host field's name in lower case.
fn without_port(host: &str) -> String {
    host.rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(host, |(name, _)| name)
        .to_lowercase()
}

fn flows(text: &str) -> Vec<Flow> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Flow>(line).ok());
    lines.filter(|flow| flow.kind == "flow").collect()
}

/// An argued difference: what is found instead of what is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    file: String,
    /// Expected flows, by their ids.
    flows: BTreeSet<u32>,
    /// Why what is found is right.
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    exception: Vec<Exception>,
}

fn exceptions() -> BTreeMap<String, BTreeSet<u32>> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus_names_exceptions.toml");
    let Exceptions { exception: list } = toml::from_str(&fs::read_to_string(list).unwrap()).unwrap();
    let mut by_file = BTreeMap::new();
    for Exception { file, flows, reason } in list {
        assert!(reason.len() > 40 && !flows.is_empty(), "{file}: a reason and flows are needed");
        assert!(by_file.insert(file.clone(), flows).is_none(), "{file} is listed twice");
    }
    by_file
}

fn classified(path: &Path) -> Vec<Flow> {
    let options = Options {
        tunnels: &Tunnels::All,
        subscribers: Subscribers::Initiator,
        policies: None,
        gateway_id: "",
        region: None,
    };
    let (report, result) = classify(path, &options, &mut Progress::new(&mut |_| {}));
    result.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut json = Vec::new();
    report.write_json(&mut json).unwrap();
    flows(std::str::from_utf8(&json).unwrap())
}

#[test]
fn every_name_is_as_expected_or_excepted_with_a_reason() {
    let Some(corpus) = corpus::find() else { return };
    let mut exceptions = exceptions();
    let (mut faults, mut names, mut excepted) = (Vec::new(), 0, 0);
    let captures = fs::read_dir(corpus.join("captures")).unwrap().map(|entry| entry.unwrap().path());
    for path in captures {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = corpus.join("captures/expected").join(format!("{file}.jsonl"));
        let Ok(expected) = fs::read_to_string(expected) else { continue };
        let found: BTreeMap<_, _> =
            classified(&path).iter().filter_map(|flow| Some((flow.key()?, flow.found()))).collect();
        let mut different = BTreeSet::new();
        for flow in flows(&expected) {
            let (wanted, found) = (flow.expected(), flow.key().and_then(|key| found.get(&key)));
            names += wanted.len();
            if found.cloned().unwrap_or_default() != wanted {
                different.insert(flow.id);
                excepted += 1;
                faults.push(format!("{file}: flow {} asks for {wanted:?}, found {found:?}", flow.id));
            }
        }
        let allowed = exceptions.remove(&file).unwrap_or_default();
        if allowed == different {
            faults.truncate(faults.len() - different.len());
        } else if !allowed.is_empty() {
            faults.push(format!("{file}: excepted are {allowed:?}, different are {different:?}"));
        }
    }
    faults.extend(exceptions.keys().map(|file| format!("{file}: excepted, but not there")));
    eprintln!("{names} names expected; {excepted} flows excepted");
    assert!(names > 300, "only {names} names were compared");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
