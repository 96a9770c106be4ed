//! Rules of the house that can be checked are checked here: which crate may use which, how long a file may
//! be, what may not stand in protocol code, and which words may not be left behind.
#![allow(clippy::unwrap_used, reason = "a tidy test that cannot read the tree should fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, in lines. STYLE.md: over 500 ask whether two things live there, over 800 never.
const FILE_LINES_MAX: usize = 600;

/// Folder of each crate and which of ours it may depend on, development dependencies apart.
const ARROWS: &[(&str, &str, &[&str])] = &[
    ("corelane-runtime", "runtime", &[]),
    ("corelane-http-proto", "http/proto", &[]),
    ("corelane-http", "http", &["corelane-runtime", "corelane-http-proto"]),
    ("corelane-storage-proto", "storage/proto", &[]),
    ("corelane-storage", "storage", &["corelane-runtime", "corelane-storage-proto"]),
    ("corelane-profiling", "profiling", &["corelane-runtime"]),
    (
        "corelane-middlewares",
        "middlewares",
        &["corelane-runtime", "corelane-http", "corelane-storage", "corelane-profiling"],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below the root that git would track, by the ending of its name.
fn files(ending: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let skipped = ["target", "corpus", "artifacts", "node_modules"].contains(&name.as_str());
                if !skipped && !name.starts_with(".git") {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), ending, &mut found);
    found.sort();
    assert!(!found.is_empty() || ending != ".rs", "no {ending} file below {}", root().display());
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn fail_if_any(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Names of our own crates in one table of a manifest.
fn own_dependencies(manifest: &str, table: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line == format!("[{table}]");
        } else if inside && line.contains("corelane") {
            let name = line.split(['.', '=', ' ']).next().unwrap();
            let package = line.split("package = \"").nth(1).and_then(|rest| rest.split('"').next());
            found.push(package.unwrap_or(name).to_string());
        }
    }
    found
}

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let mut broken = Vec::new();
    for (package, folder, allowed) in ARROWS {
        let Ok(manifest) = fs::read_to_string(root().join(folder).join("Cargo.toml")) else { continue };
        assert!(manifest.contains(&format!("name = \"{package}\"")), "{folder} is not {package}");
        for used in own_dependencies(&manifest, "dependencies") {
            if !allowed.contains(&used.as_str()) {
                broken.push(format!("{package} -> {used}"));
            }
        }
    }
    fail_if_any("arrows that docs/ARCHITECTURE.md does not have", &broken);
}

#[test]
fn every_crate_has_the_lint_table_and_a_place_in_the_workspace() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace.lines().find(|line| line.starts_with("members")).unwrap();
    let mut broken = Vec::new();
    for manifest in files("Cargo.toml") {
        let folder = shown(manifest.parent().unwrap());
        if folder.is_empty() || folder.contains("peers") || folder.ends_with("fuzz") {
            continue;
        }
        if !members.contains(&format!("\"{folder}\"")) {
            broken.push(format!("{folder} is no member"));
        }
        if !fs::read_to_string(&manifest).unwrap().contains("[lints]\nworkspace = true") {
            broken.push(format!("{folder} lacks [lints] workspace = true"));
        }
    }
    fail_if_any("crates outside the house rules", &broken);
}

#[test]
fn files_are_short_enough_to_read() {
    let broken: Vec<String> = files(".rs")
        .iter()
        .filter_map(|path| {
            let lines = fs::read_to_string(path).unwrap().lines().count();
            (lines > FILE_LINES_MAX).then(|| format!("{} has {lines} lines", shown(path)))
        })
        .collect();
    fail_if_any("files over the limit: split by meaning", &broken);
}

/// Lines of every source file that hold one of `words`, where `covered` says the file is under the rule.
fn lines_with(words: &[&str], covered: impl Fn(&str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for path in files(".rs") {
        let name = shown(&path);
        if name == "tests/tidy.rs" || !covered(&name) {
            continue;
        }
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{name}:{}: {word}", index + 1));
            }
        }
    }
    broken
}

#[test]
fn protocol_crates_have_no_clock_no_socket_and_no_runtime() {
    let words = [
        "Instant::now",
        "SystemTime",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "std::thread",
        "monoio",
        "io_uring",
        "async fn",
        ".await",
    ];
    let broken = lines_with(&words, |file| {
        (file.starts_with("http/proto/src") || file.starts_with("storage/proto/src"))
            && !file.contains("/fuzz/")
    });
    fail_if_any("a protocol crate takes bytes and gives events, nothing else", &broken);
}

#[test]
fn only_the_runtime_names_its_drivers() {
    let broken = lines_with(&["monoio::", "io_uring::"], |file| {
        !file.starts_with("runtime/") && !file.starts_with("benches/")
    });
    fail_if_any("monoio and io-uring are named in runtime only", &broken);
}

#[test]
fn unsafe_lives_where_the_style_says() {
    let broken = lines_with(&["unsafe {", "unsafe fn", "unsafe impl"], |file| {
        let homes = ["runtime/", "http/proto/src/scan", "profiling/", "benches/"];
        !homes.iter().any(|home| file.starts_with(home))
    });
    fail_if_any("unsafe outside runtime, http/proto/src/scan and profiling", &broken);
}

#[test]
fn nothing_is_left_behind() {
    let words =
        ["todo!", "unimplemented!", "FIXME", "XXX", "TODO", "dbg!(", "unreachable_unchecked", "#[ignore]"];
    fail_if_any("markers left behind", &lines_with(&words, |file| !file.starts_with("benches/peers")));
}

#[test]
fn readme_figures_have_their_record() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut linked = BTreeMap::new();
    for part in readme.split("benches/record/").skip(1) {
        let name: String = part.chars().take_while(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect();
        let name = name.trim_end_matches('.').to_string();
        if !name.is_empty() {
            linked.insert(name.clone(), root().join("benches/record").join(name).is_file());
        }
    }
    assert!(!linked.is_empty(), "README links no record of its figures");
    let broken: Vec<String> = linked.into_iter().filter(|(_, found)| !found).map(|(name, _)| name).collect();
    fail_if_any("README links records that are not there", &broken);
}
