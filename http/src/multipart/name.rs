//! Names that clients give to files.

/// Longest name given, in bytes: what the file systems of Linux take (`NAME_MAX`).
const NAME_BYTES_MAX: usize = 255;

/// A name made of one that a client chose, to be shown or to be the last component of a path; `None` if nothing is left.
///
/// What stands before the last `/` or `\` goes; so do control characters, what Windows forbids (`<>:"|?*`), marks that turn
/// the direction of writing (which make `exe.jpg` of `gpj.exe`), and dots and spaces at the beginning and end: no
/// `..`, no hidden file. At most 255 bytes, of which the ending is kept.
///
/// Two clients may choose the same name, and one another's: store files under names of your own where that matters.
///
/// ```
/// use corelane_http::multipart::safe_file_name;
///
/// assert_eq!(safe_file_name("../../etc/passwd").as_deref(), Some("passwd"));
/// assert_eq!(safe_file_name(r"C:\fakepath\sea.jpg").as_deref(), Some("sea.jpg"));
/// assert_eq!(safe_file_name(".."), None);
/// ```
pub fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|char| is_allowed(*char)).collect();
    let kept = kept.trim_matches(['.', ' ']);
    if kept.is_empty() {
        return None;
    }
    if kept.len() <= NAME_BYTES_MAX {
        return Some(kept.to_owned());
    }
    // An ending longer than this is none.
    let ending = kept.rfind('.').map_or("", |dot| &kept[dot..]);
    let ending = if ending.len() <= 16 { ending } else { "" };
    let room = kept.floor_char_boundary(NAME_BYTES_MAX - ending.len());
    Some(kept[..room].to_owned() + ending)
}

fn is_allowed(char: char) -> bool {
    let turns = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !char.is_control() && !turns && !"<>:\"|?*".contains(char)
}

#[cfg(test)]
mod tests {
    use super::safe_file_name;

    #[test]
    fn nothing_that_leads_elsewhere_is_left() {
        for (why, name, want) in [
            ("a name", "sea.jpg", Some("sea.jpg")),
            ("not ASCII", "été 2026.jpg", Some("été 2026.jpg")),
            ("out of the directory", "../../etc/passwd", Some("passwd")),
            ("an absolute path", "/etc/passwd", Some("passwd")),
            ("a path of Windows", r"C:\Users\x.txt", Some("x.txt")),
            ("both kinds", r"..\../x", Some("x")),
            ("ends in a slash", "a/", None),
            ("the parent", "..", None),
            ("dots and spaces", " . . ", None),
            ("hidden", ".htaccess", Some("htaccess")),
            ("what Windows drops", "x.php. .", Some("x.php")),
            ("a stream of NTFS", "x.php::$DATA", Some("x.php$DATA")),
            ("NUL and line ends", "x\0\r\n.png", Some("x.png")),
            ("turned around", "x\u{202e}gpj.exe", Some("xgpj.exe")),
            ("empty", "", None),
        ] {
            assert_eq!(safe_file_name(name).as_deref(), want, "{why}");
        }
        let long = safe_file_name(&("é".repeat(200) + ".jpeg")).unwrap();
        assert!(long.len() <= 255 && long.ends_with("é.jpeg"), "{long}");
        assert_eq!(safe_file_name(&"a.b".repeat(100)).unwrap().len(), 255);
    }
}
