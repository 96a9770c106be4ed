//! What the pages say, in each language.

use corelane::cookie::Cookies;
use corelane::extract::FromRequest;
use corelane::problem::Problem;
use corelane::request::Request;
use serde::Deserialize;

/// A language of the site.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lang {
    En,
    De,
}

/// The texts of a language.
pub(crate) struct Text {
    pub(crate) notes: &'static str,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) save: &'static str,
    pub(crate) saved: &'static str,
    pub(crate) title_missing: &'static str,
    pub(crate) title_long: &'static str,
    pub(crate) text_long: &'static str,
    pub(crate) too_many: &'static str,
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    pub(crate) log_in: &'static str,
    pub(crate) log_out: &'static str,
    pub(crate) log_in_first: &'static str,
    pub(crate) wrong: &'static str,
    pub(crate) welcome: &'static str,
    pub(crate) photo: &'static str,
    pub(crate) send: &'static str,
    pub(crate) received: &'static str,
    pub(crate) no_file: &'static str,
}

static EN: Text = Text {
    notes: "Notes",
    title: "Title",
    text: "Text",
    save: "Save",
    saved: "Your note is saved.",
    title_missing: "A note needs a title.",
    title_long: "A title has 60 characters at most.",
    text_long: "A note has 500 characters at most.",
    too_many: "There are 20 notes already.",
    name: "Name",
    password: "Password",
    log_in: "Log in",
    log_out: "Log out",
    log_in_first: "Please log in first.",
    wrong: "Name and password do not fit.",
    welcome: "Welcome!",
    photo: "Photo",
    send: "Send",
    received: "Received",
    no_file: "No file was chosen.",
};

static DE: Text = Text {
    notes: "Notizen",
    title: "Titel",
    text: "Text",
    save: "Speichern",
    saved: "Die Notiz ist gespeichert.",
    title_missing: "Eine Notiz braucht einen Titel.",
    title_long: "Ein Titel hat höchstens 60 Zeichen.",
    text_long: "Eine Notiz hat höchstens 500 Zeichen.",
    too_many: "Es gibt schon 20 Notizen.",
    name: "Name",
    password: "Passwort",
    log_in: "Anmelden",
    log_out: "Abmelden",
    log_in_first: "Bitte zuerst anmelden.",
    wrong: "Name und Passwort passen nicht zusammen.",
    welcome: "Willkommen!",
    photo: "Foto",
    send: "Senden",
    received: "Erhalten",
    no_file: "Es wurde keine Datei gewählt.",
};

impl Lang {
    pub(crate) const ALL: [Lang; 2] = [Lang::En, Lang::De];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::De => "de",
        }
    }

    pub(crate) fn text(self) -> &'static Text {
        match self {
            Lang::En => &EN,
            Lang::De => &DE,
        }
    }

    fn named(code: &str) -> Option<Lang> {
        Lang::ALL
            .into_iter()
            .find(|lang| code.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(lang.code())))
    }
}

/// The language that was chosen, else the first one that the browser asks for and the site has.
impl FromRequest for Lang {
    type Rejection = Problem;

    async fn from_request(request: &mut Request) -> Result<Self, Problem> {
        let chosen = Cookies::from_request(request).await?.get("lang");
        let asked = request.header("accept-language").unwrap_or_default();
        let found = chosen.as_deref().and_then(Lang::named);
        Ok(found.or_else(|| asked.split(',').find_map(|range| Lang::named(range.trim()))).unwrap_or(Lang::En))
    }
}
