//! A headless Chromium, driven by its DevTools protocol over two pipes: no driver to install, no port to find.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::process::PATIENCE;

/// A browser with one page and a profile of its own, both gone when dropped.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    profile: PathBuf,
    session: Option<String>,
    last_id: u64,
}

impl Browser {
    /// `languages` is what the browser asks for, such as `de`.
    pub(crate) fn start(name: &str, languages: &str) -> Browser {
        let profile = std::env::temp_dir().join(format!("corelane-browser-{name}-{}", std::process::id()));
        // Chromium reads commands from descriptor 3 and writes to 4; the shell makes them of its own input and output.
        let flags = [
            "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking",
            "--disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-pipe",
        ]
        .join(" ");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!(
                "exec chromium {flags} --user-data-dir=\"$1\" --accept-lang=\"$2\" about:blank 3<&0 4>&1"
            ))
            .args(["sh", profile.to_str().unwrap(), languages])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let messages = BufReader::new(child.stdout.take().unwrap());
        let mut browser = Browser { child, commands, messages, profile, session: None, last_id: 0 };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        browser
    }

    /// A command that has to succeed.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.attempt(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sends a command and waits for its result, or what the browser says against it; events in between are passed over.
    fn attempt(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let sent = self.commands.write_all(format!("{command}\0").as_bytes());
        sent.unwrap_or_else(|error| panic!("chromium: {error}; sudo apt-get install chromium"));
        loop {
            let mut message = Vec::new();
            self.messages.read_until(0, &mut message).unwrap();
            let text = message.strip_suffix(b"\0").expect("chromium ended; sudo apt-get install chromium");
            let message: Value = serde_json::from_slice(text).unwrap();
            if message["id"] == self.last_id {
                let error = &message["error"];
                return if error.is_null() { Ok(message["result"].clone()) } else { Err(error.clone()) };
            }
        }
    }

    /// What a script on the page gives.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        let result = self.call("Runtime.evaluate", json!({"expression": script, "returnByValue": true}));
        assert!(result["exceptionDetails"].is_null(), "{script}: {result}");
        result["result"]["value"].clone()
    }

    /// Text of the first element that the selector finds.
    pub(crate) fn text(&mut self, selector: &str) -> Option<String> {
        let script = format!("document.querySelector({selector:?})?.innerText");
        self.run(&script).as_str().map(str::to_owned)
    }

    /// Value of the first input that the selector finds.
    pub(crate) fn value(&mut self, selector: &str) -> String {
        self.run(&format!("document.querySelector({selector:?}).value")).as_str().unwrap().to_owned()
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.leave();
        self.call("Page.navigate", json!({"url": url}));
        self.arrive();
    }

    pub(crate) fn type_in(&mut self, selector: &str, text: &str) {
        self.run(&format!("document.querySelector({selector:?}).value = {}", json!(text)));
    }

    pub(crate) fn choose_file(&mut self, selector: &str, file: &Path) {
        let document = self.call("DOM.getDocument", json!({}));
        let find = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let input = self.call("DOM.querySelector", find);
        self.call("DOM.setFileInputFiles", json!({"nodeId": input["nodeId"], "files": [file]}));
    }

    /// Clicks, and waits for the page that comes of it.
    pub(crate) fn click(&mut self, selector: &str) {
        self.leave();
        let found = self.run(&format!("document.querySelector({selector:?}) !== null"));
        assert_eq!(found, json!(true), "nothing to click at {selector}");
        // The page may be gone before it can answer.
        let click = format!("document.querySelector({selector:?}).click()");
        let _answer = self.attempt("Runtime.evaluate", json!({"expression": click}));
        self.arrive();
    }

    /// Marks the page, so that the next one is known by having no mark.
    fn leave(&mut self) {
        self.run("window.isOld = true");
    }

    fn arrive(&mut self) {
        let began = Instant::now();
        let question = "!window.isOld && document.readyState === 'complete'";
        loop {
            // An error is a page that went away while it was asked.
            let answer =
                self.attempt("Runtime.evaluate", json!({"expression": question, "returnByValue": true}));
            if answer.is_ok_and(|answer| answer["result"]["value"] == json!(true)) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no new page");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
