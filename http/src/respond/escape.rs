//! Text in HTML.

/// Text as it may stand in HTML: in elements, and in attributes in quotes of either kind.
///
/// ```
/// use corelane_http::response::escape_html;
///
/// assert_eq!(escape_html("<b title='a & \"b\"'>"), "&lt;b title=&#39;a &amp; &quot;b&quot;&#39;&gt;");
/// ```
pub fn escape_html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
