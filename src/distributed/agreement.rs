//! What one process tells the others about itself, and where they differ.

/// How many characters of a long value are shown, and how many of them stand before the difference.
const SHOWN: usize = 80;
const BEFORE: usize = 24;

/// Names and values as bytes.
pub(crate) fn encode(description: &[(String, String)]) -> Vec<u8> {
    // A list of texts has a form in JSON; were there none, the other side would say so.
    serde_json::to_vec(description).unwrap_or_default()
}

/// How a process that is `own` differs from the first one, which sent `first`; `None` if it does not.
pub(crate) fn difference(first: &[u8], own: &[(String, String)]) -> Option<String> {
    let of = |list: &[(String, String)], name: &str| {
        list.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone())
    };
    let first: Vec<(String, String)> = match serde_json::from_slice(first) {
        Ok(first) => first,
        Err(error) => {
            return Some(format!(
                "cannot read what process 0 says of itself ({error}); start the same version of the \
                 program everywhere"
            ));
        }
    };
    let names = first.iter().chain(own).map(|(name, _)| name.as_str());
    let differs = |name: &&str| of(&first, name) != of(own, name);
    let name = { names }.find(differs)?;
    let what = match (of(own, name), of(&first, name)) {
        (Some(own), Some(first)) => {
            let [own, first] = around_difference([&own, &first]);
            format!("differs in {name}: {own}, and process 0 has {first}")
        }
        (Some(own), None) => format!("has the {name} {}, and process 0 has none", beginning(&own)),
        (None, first) => {
            format!("has no {name}, and process 0 has {}", beginning(&first.unwrap_or_default()))
        }
    };
    Some(format!("{what}; start all processes with the same program, arguments and data"))
}

/// Both texts; of long ones what stands around their first difference.
fn around_difference(texts: [&str; 2]) -> [String; 2] {
    let [a, b] = texts;
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let long = texts.iter().any(|text| text.chars().count() > SHOWN);
    let first = if long { same.saturating_sub(BEFORE) } else { 0 };
    texts.map(|text| from(text, first))
}

fn beginning(text: &str) -> String {
    from(text, 0)
}

/// What is shown of a text from its character `first` on.
fn from(text: &str, first: usize) -> String {
    let mut rest = text.chars().skip(first);
    let before = if first > 0 { "..." } else { "" };
    let shown: String = rest.by_ref().take(SHOWN).collect();
    let after = if rest.next().is_some() { "..." } else { "" };
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let first = list(&[("version", "1.0"), ("seed", "5"), ("batch size", "32")]);
        let says = |own: &[(&str, &str)]| difference(&encode(&first), &list(own));
        assert_eq!(difference(&encode(&first), &first), None);
        let text = says(&[("version", "1.0"), ("seed", "7"), ("batch size", "64")]).unwrap();
        assert_eq!(
            text,
            "differs in seed: 7, and process 0 has 5; start all processes with the same program, \
             arguments and data"
        );
        // The order of names does not matter.
        assert_eq!(says(&[("batch size", "32"), ("seed", "5"), ("version", "1.0")]), None);
        let text = says(&[("version", "1.0"), ("batch size", "32")]).unwrap();
        assert!(text.starts_with("has no seed, and process 0 has 5;"), "{text}");
        let more = [("version", "1.0"), ("seed", "5"), ("batch size", "32"), ("data", "abc")];
        let text = says(&more).unwrap();
        assert!(text.starts_with("has the data abc, and process 0 has none;"), "{text}");
        let text = difference(b"[", &first).unwrap();
        assert!(text.contains("cannot read what process 0 says"), "{text}");
    }

    #[test]
    fn long_values_are_shown_around_their_difference() {
        let with = |middle: &str| format!("{}{middle}{}", "ä".repeat(300), "z".repeat(300));
        let [a, b] = around_difference([&with("X"), &with("Y")]);
        let shown = |middle: &str| {
            format!("...{}{middle}{}...", "ä".repeat(BEFORE), "z".repeat(SHOWN - BEFORE - 1))
        };
        assert_eq!([a, b], [shown("X"), shown("Y")]);
        // One is the beginning of the other.
        let (short, long) = ("a".repeat(100), "a".repeat(101));
        let [a, b] = around_difference([&short, &long]);
        let common = "a".repeat(BEFORE);
        assert_eq!([a, b], [format!("...{common}"), format!("...{common}a")]);
        let short = ["dense(128)", "dense(64)"];
        assert_eq!(around_difference(short), short);
    }
}
