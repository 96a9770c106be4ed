//! A page that lists a folder.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, SystemTime};

use corelane_http_proto::date::imf_fixdate;
use corelane_runtime::blocking;
use corelane_runtime::fs::File;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::{AtFlags, Dir, FileType, StatxFlags};

use crate::respond::escape_html;
use crate::respond::{CacheControl, Html, IntoResponse};
use crate::response::Response;

/// Most entries that a listing shows; the page says if there are more.
const ENTRIES_MAX: usize = 10_000;

/// One line of the page.
#[derive(Debug)]
struct Entry {
    name: String,
    is_folder: bool,
    len: u64,
    modified: SystemTime,
}

/// Reads the folder on the blocking pool and makes the page.
pub(super) async fn list(folder: File, title: &str, is_root: bool, hidden: bool) -> io::Result<Response> {
    let read = blocking::run(move || read(&folder, hidden)).await;
    let (entries, is_cut) = read.map_err(|error| match error.is_full() {
        true => io::Error::from(io::ErrorKind::ResourceBusy),
        false => io::Error::other(error),
    })??;
    let page = page(title, is_root, &entries, is_cut);
    Ok((CacheControl::no_cache(), Html(page)).into_response())
}

/// Regular files and folders, folders first, by name. Links are left out, as they may lead out of the root; what is
/// neither is never served; names that are not UTF-8 cannot be asked for.
fn read(folder: &File, hidden: bool) -> io::Result<(Vec<Entry>, bool)> {
    let mut entries = Vec::new();
    let mut is_cut = false;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let unwanted = name == "." || name == ".." || (!hidden && name.starts_with('.'));
        if unwanted || name.chars().any(|c| c.is_control() || c == '\\') {
            continue;
        }
        if entries.len() == ENTRIES_MAX {
            is_cut = true;
            break;
        }
        // Gone meanwhile: not listed.
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let Ok(stat) = rustix::fs::statx(folder, entry.file_name(), flags, StatxFlags::BASIC_STATS) else {
            continue;
        };
        let kind = FileType::from_raw_mode(u32::from(stat.stx_mode));
        if kind != FileType::RegularFile && kind != FileType::Directory {
            continue;
        }
        let seconds = u64::try_from(stat.stx_mtime.tv_sec).unwrap_or(0);
        entries.push(Entry {
            name: name.to_owned(),
            is_folder: kind == FileType::Directory,
            len: stat.stx_size,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        });
    }
    entries.sort_by(|a, b| b.is_folder.cmp(&a.is_folder).then_with(|| a.name.cmp(&b.name)));
    Ok((entries, is_cut))
}

fn page(title: &str, is_root: bool, entries: &[Entry], is_cut: bool) -> String {
    let title = escape_html(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>body{{font-family:system-ui,sans-serif;margin:2rem}}\
         td,th{{padding:.15rem 1rem .15rem 0;text-align:left}}td.n{{text-align:right}}</style></head>\n\
         <body><h1>{title}</h1>\n<table><tr><th>Name<th>Bytes<th>Changed\n"
    );
    if !is_root {
        page.push_str("<tr><td><a href=\"../\">../</a><td><td>\n");
    }
    for entry in entries {
        let slash = if entry.is_folder { "/" } else { "" };
        // "./" in front, as a name with a colon would be taken for a scheme.
        let href = utf8_percent_encode(&entry.name, NON_ALPHANUMERIC);
        let name = escape_html(&entry.name);
        let len = if entry.is_folder { String::new() } else { entry.len.to_string() };
        let seconds = entry.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let date = imf_fixdate(seconds);
        let date = String::from_utf8_lossy(&date);
        let written = writeln!(
            page,
            "<tr><td><a href=\"./{href}{slash}\">{name}{slash}</a><td class=\"n\">{len}<td>{date}"
        );
        debug_assert!(written.is_ok(), "a string takes what it is given");
    }
    page.push_str("</table>\n");
    if is_cut {
        let written = writeln!(page, "<p>There are more; the first {ENTRIES_MAX} that were found are shown.");
        debug_assert!(written.is_ok(), "a string takes what it is given");
    }
    page.push_str("</body></html>\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_links_stay_relative() {
        let entry = |name: &str, is_folder| Entry {
            name: name.to_owned(),
            is_folder,
            len: 7,
            modified: SystemTime::UNIX_EPOCH,
        };
        let entries =
            [entry("<script>alert(1)</script>", false), entry("javascript:x", false), entry("a \"b\"", true)];
        let page = page("/<b>", false, &entries, true);
        for (why, wanted) in [
            ("no markup in names", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("no markup in links", "href=\"./%3Cscript%3Ealert%281%29%3C%2Fscript%3E\""),
            ("no scheme", "href=\"./javascript%3Ax\""),
            ("a folder", "href=\"./a%20%22b%22/\">a &quot;b&quot;/</a><td class=\"n\"><td>"),
            ("the title", "<h1>/&lt;b&gt;</h1>"),
            ("the way up", "href=\"../\""),
            ("that there are more", "the first 10000"),
        ] {
            assert!(page.contains(wanted), "{why}: {page}");
        }
        assert!(!page.contains("<script>"));
    }
}
