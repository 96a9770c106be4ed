//! Sources, their order, and everything that can be wrong with them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use corelane_runtime::{DriverChoice, Runtime, mesh, shutdown};
use serde::Deserialize;

use super::*;
use crate::server::{Limits, TrustedProxies};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Folder {
        let path = std::env::temp_dir().join(format!("corelane-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(Deserialize, Debug, Default, PartialEq)]
#[serde(default)]
struct Settings {
    name: String,
    port: u16,
    ratio: f64,
    on: bool,
    tags: Vec<String>,
    sizes: Vec<u8>,
    mode: Mode,
    pool: Pool,
    extra: BTreeMap<String, i64>,
    size: Option<u64>,
}

#[derive(Deserialize, Debug, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Fast,
    Slow,
    Custom {
        delay: u32,
    },
}

#[derive(Deserialize, Debug, PartialEq)]
struct Pool {
    url: String,
    #[serde(default)]
    size: u32,
}

impl Default for Pool {
    fn default() -> Self {
        Pool { url: "none".into(), size: 1 }
    }
}

fn loader(text: &str) -> Loader<Settings> {
    Loader::new().text(text).environment([("", ""); 0])
}

fn problems<A: serde::de::DeserializeOwned>(loader: Loader<A>) -> Vec<String> {
    match loader.load() {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn defaults_hold_where_nothing_is_given() {
    let config = loader("").load().unwrap();
    assert_eq!(config.server, ServerConfig::default());
    assert_eq!(config.app, Settings::default());
    assert_eq!(config.server.limits, Limits::default());
}

#[test]
fn later_sources_win_key_by_key() {
    let folder = Folder::new(
        "layers",
        &[
            (
                "corelane.toml",
                "[app]\nname = 'file'\nport = 1\nratio = 1.5\n[app.pool]\nurl = 'file'\nsize = 1",
            ),
            ("corelane.test.toml", "[app]\nport = 2\nratio = 2.5\n[app.pool]\nsize = 2"),
        ],
    );
    let environment = [
        ("CORELANE_PROFILE", "test"),
        ("CORELANE_APP__RATIO", "3.5"),
        ("CORELANE_APP__POOL__SIZE", "3"),
        ("CORELANE_TEST_DRIVER", "of no interest"),
        ("OTHER__KEY", "of no interest"),
    ];
    let (overrides, _) = Overrides::from_args(["--set", "app.pool.size=4", "--set=app.pool.size=5"]).unwrap();
    let loader = Loader::<Settings>::new().file(folder.file("corelane.toml"));
    let app = loader.environment(environment).overrides(overrides).load().unwrap().app;
    assert_eq!((&*app.name, app.port, app.ratio), ("file", 2, 3.5));
    assert_eq!(app.pool, Pool { url: "file".into(), size: 5 });
}

#[test]
fn text_becomes_what_is_wanted() {
    let environment = [
        ("CORELANE_APP__NAME", "17"),
        ("CORELANE_APP__PORT", " 80 "),
        ("CORELANE_APP__ON", "true"),
        ("CORELANE_APP__TAGS", "a, b,"),
        ("CORELANE_APP__SIZES", "[1, 2]"),
        ("CORELANE_APP__MODE", "slow"),
        ("CORELANE_APP__EXTRA__LEFT", "1"),
        ("CORELANE_APP__SIZE", "7"),
        ("CORELANE_SERVER__LIMITS__HEAD_TIMEOUT", "250 ms"),
        ("CORELANE_SERVER__LIMITS__REQUESTS_PER_CONNECTION", "9"),
        ("CORELANE_SERVER__LIMITS__REFUSE_WHEN_FULL", "true"),
        ("CORELANE_SERVER__CORES", "all"),
    ];
    let config = Loader::<Settings>::new().text("").environment(environment).load().unwrap();
    let want = Settings {
        name: "17".into(),
        port: 80,
        on: true,
        tags: vec!["a".into(), "b".into()],
        sizes: vec![1, 2],
        mode: Mode::Slow,
        extra: [("left".to_owned(), 1)].into(),
        size: Some(7),
        ..Settings::default()
    };
    assert_eq!(config.app, want);
    assert_eq!(config.server.limits.head_timeout, Duration::from_millis(250));
    assert_eq!(config.server.limits.requests_per_connection, NonZeroU32::new(9));
    assert!(config.server.limits.refuse_when_full && config.server.cores.is_none());
}

#[test]
fn the_server_section_is_read_with_its_units() {
    let text = "[server]\nlisten = '[::1]:9'\ncores = 3\ndriver = 'epoll'\n\
        trusted_proxies = ['10.0.0.0/8', 'unix']\ntrusted_header = 'forwarded'\n[server.limits]\n\
        head_bytes_max = '32 KiB'\nbody_bytes_max = 5\nidle_timeout = '2 min'\nrequests_per_connection = 'unlimited'";
    let server = loader(text).load().unwrap().server;
    assert_eq!(server.listen, "[::1]:9".parse().unwrap());
    assert_eq!((server.cores, server.driver), (Some(3), DriverChoice::Epoll));
    assert_eq!(server.trusted_proxies, TrustedProxies::new(["10.0.0.0/8"]).unwrap().unix().forwarded());
    let found = problems(loader("[server]\ntrusted_proxies = ['::1', '10.0.0.1/8']"));
    assert!(
        found[0].starts_with("corelane.toml:2: server.trusted_proxies[1]: the trusted proxy `10.0.0.1/8`"),
        "{found:?}"
    );
    let limits = Limits {
        head_bytes_max: 32 * 1024,
        body_bytes_max: 5,
        idle_timeout: Duration::from_secs(120),
        ..Limits::default()
    };
    assert_eq!(server.limits, limits);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "\
[server]
listen = 'nowhere'
cores = 0
driver = 'turbo'

[server.limits]
head_bytes_max = '1 MiB'
head_timeout = 10
idle_timout = '1 s'
pipeline_max = -1

[app]
port = 70000
on = 'yes'
tags = ['a', 1, 'b', true]
mode = 'slwo'
colour = 'red'

[app.pool]
size = 'big'

[sever]
x = 1
";
    let environment = [("CORELANE_APP__RATIO", "much"), ("CORELANE_SERVER__LIMITS__FIELDS_MAX", "-3")];
    let mut found = problems(Loader::<Settings>::new().text(text).environment(environment));
    found.sort();
    let mut want = [
        "corelane.toml:22: sever: there is no section `sever`; did you mean `server`?",
        "corelane.toml:2: server.listen: has to be an address with its port, such as \"127.0.0.1:8080\" or \"[::]:8080\", but is string \"nowhere\"",
        "corelane.toml:3: server.cores: has to be at least 1, or \"all\"",
        "corelane.toml:4: server.driver: has to be auto, ring, uring or epoll, but is string \"turbo\"",
        "corelane.toml:7: server.limits.head_bytes_max: has to be between 512 B and 65535 B, but is 1 MiB",
        "corelane.toml:8: server.limits.head_timeout: has to be a time with its unit, such as \"10 s\", \"250 ms\", \
         \"2 min\", \"1 h\" or \"30 d\", but is integer `10`",
        "corelane.toml:9: server.limits.idle_timout: there is no key `idle_timout`; did you mean `idle_timeout`?",
        "corelane.toml:10: server.limits.pipeline_max: has to be a whole number from 0 to 18446744073709551615, but is integer `-1`",
        "corelane.toml:13: app.port: has to be a whole number from 0 to 65535, but is integer `70000`",
        "corelane.toml:14: app.on: has to be true or false, but is string \"yes\"",
        "corelane.toml:15: app.tags[1]: has to be a string, but is integer `1`",
        "corelane.toml:15: app.tags[3]: has to be a string, but is boolean `true`",
        "corelane.toml:16: app.mode: there is no value `slwo`; did you mean `slow`?",
        "corelane.toml:17: app.colour: there is no key `colour`; there are name, port, ratio, on, tags, sizes, mode, \
         pool, extra, size",
        "corelane.toml:20: app.pool.size: has to be a whole number from 0 to 4294967295, but is string \"big\"",
        "corelane.toml:19: app.pool.url: is missing: give it in a file, by CORELANE_APP__POOL__URL, or by \
         --set app.pool.url=…",
        "environment CORELANE_APP__RATIO: app.ratio: has to be a number, but is string \"much\"",
        "environment CORELANE_SERVER__LIMITS__FIELDS_MAX: server.limits.fields_max: has to be a whole number of at \
         least 0, but is string \"-3\"",
    ];
    want.sort_unstable();
    assert_eq!(found, want);
}

#[test]
fn files_that_cannot_be_used_are_told_about() {
    let folder = Folder::new("files", &[("bad.toml", "[app]\nname = \nport = 1 2\n"), ("ok.toml", "")]);
    let at = |name: &str| folder.file(name).display().to_string();
    let load = |environment: &[(&str, &str)]| {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        problems(Loader::<Settings>::new().file(folder.file("ok.toml")).environment(environment))
    };
    assert_eq!(load(&[]), [""; 0]);
    let found = load(&[("CORELANE_CONFIG", &at("none.toml"))]);
    assert_eq!(found, [format!("environment CORELANE_CONFIG: there is no file {}", at("none.toml"))]);
    let found = load(&[("CORELANE_PROFILE", "prod")]);
    assert_eq!(found, [format!("environment CORELANE_PROFILE: there is no file {}", at("ok.prod.toml"))]);
    let found = load(&[("CORELANE_PROFILE", "../x")]);
    assert!(found.len() == 1 && found[0].contains("letters, digits"), "{found:?}");
    let found = load(&[("CORELANE_CONFIG", &at("bad.toml"))]);
    assert!(found.len() >= 2, "every mistake of syntax: {found:?}");
    assert!(found[0].starts_with(&format!("{}:2: is not TOML: ", at("bad.toml"))), "{found:?}");
    assert!(found.iter().any(|problem| problem.contains("bad.toml:3: ")), "{found:?}");
    let found = problems(Loader::<Settings>::new().file(&folder.0).environment([("", ""); 0]));
    assert!(found.len() == 1 && found[0].contains("cannot be read"), "{found:?}");
}

#[test]
fn variants_with_content_and_lists_as_text_are_read_and_told_about() {
    assert_eq!(loader("[app.mode.custom]\ndelay = 3").load().unwrap().app.mode, Mode::Custom { delay: 3 });
    let found = problems(loader("[app.mode.custom]\ndelya = 3"));
    assert!(
        found[0].contains("app.mode.custom.delya: there is no key `delya`; did you mean `delay`?"),
        "{found:?}"
    );
    let environment = [("CORELANE_APP__SIZES", "1,x"), ("CORELANE_APP__TAGS", "[broken")];
    let found = problems(Loader::<Settings>::new().text("").environment(environment));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("environment CORELANE_APP__SIZES: app.sizes[1]: has to be a whole number"));
    assert!(found[1].starts_with("environment CORELANE_APP__TAGS: app.tags: has to be a list"), "{found:?}");
}

#[test]
fn a_secret_is_neither_shown_nor_quoted() {
    #[derive(Deserialize, Debug)]
    struct Keys {
        pin: Secret<u32>,
    }
    let environment = [("CORELANE_APP__PIN", "hunter2")];
    let error = Loader::<Keys>::new().text("").environment(environment).load().unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    let config = Loader::<Keys>::new().text("[app]\npin = 1234").environment([("", ""); 0]).load().unwrap();
    assert!(!format!("{config:?}").contains("1234") && *config.app.pin.expose() == 1234);
    assert!(Secret::new("ab") != Secret::new("ac") && Secret::new("a") != Secret::new("ab"));
    let given: Override = "app.pin=hunter2".parse().unwrap();
    assert!(!format!("{given:?}").contains("hunter2"));
}

#[test]
fn flags_are_taken_out_of_the_command_line() {
    let (overrides, rest) =
        Overrides::from_args(["run", "--config=a.toml", "--profile", "p", "-x", "--", "--set"]).unwrap();
    assert_eq!(overrides.config, Some("a.toml".into()));
    assert_eq!(overrides.profile.as_deref(), Some("p"));
    assert_eq!(rest, ["run", "-x", "--", "--set"]);
    for wrong in [&["--set"][..], &["--set", "x"], &["--set", "=1"], &["--set", "a..b=1"]] {
        assert!(Overrides::from_args(wrong.iter().copied()).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_reference_tells_every_default() {
    let mut text = String::new();
    for entry in reference() {
        text += &format!("{} = {}\n", entry.key, entry.default);
    }
    assert_eq!(loader(&text).load().unwrap().server, ServerConfig::default());
    let guide = include_str!("../../../docs/configuration.md");
    for Entry { key, takes, default, meaning } in reference() {
        let row = format!("| `{key}` | {takes} | `{default}` | {meaning} |");
        assert!(guide.contains(&row), "docs/configuration.md lacks the row\n{row}");
    }
    let rows = guide.lines().filter(|line| line.starts_with("| `server.")).count();
    assert_eq!(rows, reference().len(), "docs/configuration.md has a row for a key that is not there");
}

#[test]
fn a_live_value_changes_on_every_core_and_a_bad_file_changes_none() {
    let folder = Folder::new("live", &[("corelane.toml", "[app]\nname = 'one'")]);
    let make = || Loader::<Settings>::new().file(folder.file("corelane.toml")).environment([("", ""); 0]);
    let config = make().load().unwrap();
    let live = Live::new(config.app);
    let mut reload = live.reloader(make(), config.server);
    let path = folder.file("corelane.toml");
    let seen = live.clone();
    let runtime = Runtime::builder().cores(Some(2)).pin(false).start(move |core| {
        let live = seen.clone();
        let path = path.clone();
        let mut reload = (core.index() == 0).then(|| {
            live.reloader(
                Loader::<Settings>::new().file(&path).environment([("", ""); 0]),
                ServerConfig::default(),
            )
        });
        async move {
            let Some(reload) = &mut reload else { return shutdown::draining().await };
            let names = async || {
                let live = live.clone();
                let names = mesh::broadcast(move || live.get().name.clone()).await;
                names.into_iter().map(Result::unwrap).collect::<Vec<_>>()
            };
            assert_eq!(names().await, ["one", "one"]);
            let kept = live.get();
            std::fs::write(&path, "[app]\nname = 'two'").unwrap();
            reload();
            while names().await != ["two", "two"] {
                corelane_runtime::yield_now().await;
            }
            assert_eq!(kept.name, "one", "what a handler took stays as it was");
            std::fs::write(&path, "[app]\nname = 'three'\nport = 'x'").unwrap();
            reload();
            corelane_runtime::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(names().await, ["two", "two"], "refused whole");
            mesh::broadcast(shutdown::drain).await;
        }
    });
    runtime.unwrap().join().unwrap();
    assert_eq!(live.latest().name, "two");
    reload();
    assert_eq!(live.latest().name, "two", "the file is still not valid");
}
