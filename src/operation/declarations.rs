//! Declarations of WGSL texts under other names, as far as they are needed: so that texts of kernels can
//! be parts of a shader that is not this engine's.

use std::collections::{HashMap, HashSet};

/// One declaration of a text's outermost scope: a function, a constant, or a struct.
#[derive(Debug, Clone)]
struct Declaration {
    name: String,
    text: String,
}

/// Declarations that a text needs, each once, under names of its own.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    /// Their texts, in the order in which they were needed.
    texts: Vec<String>,
    names: HashSet<String>,
}

impl Declarations {
    /// Adds what the function `wanted` of `pieces` needs: each declaration is called what `name` makes of
    /// the number of its piece and of its name there. An `override` becomes a constant of the value
    /// `constant`. Returns what the function is called.
    pub(super) fn need(
        &mut self,
        pieces: &[impl AsRef<str>],
        wanted: &str,
        constant: &str,
        name: impl Fn(usize, &str) -> String,
    ) -> String {
        let mut found: Vec<(usize, Declaration)> = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            found.extend(declared(piece.as_ref()).into_iter().map(|one| (number, one)));
        }
        let names: HashMap<&str, String> =
            found.iter().map(|(piece, one)| (one.name.as_str(), name(*piece, &one.name))).collect();
        let mut waiting = vec![wanted];
        let mut reached = HashSet::new();
        while let Some(next) = waiting.pop() {
            if !reached.insert(next) {
                continue;
            }
            let texts = found.iter().filter(|(_, one)| one.name == next);
            let used = texts.flat_map(|(_, one)| words(&one.text));
            waiting
                .extend(used.filter_map(|word| names.get_key_value(word)).map(|(word, _)| *word));
        }
        for (_, one) in found.iter().filter(|(_, one)| reached.contains(one.name.as_str())) {
            let Some(new) = names.get(one.name.as_str()) else { continue };
            if self.names.insert(new.clone()) {
                self.texts.push(renamed(&as_constant(&one.text, constant), &names));
            }
        }
        names.get(wanted).cloned().unwrap_or_else(|| wanted.to_owned())
    }

    /// All of them.
    pub(super) fn text(&self) -> String {
        self.texts.join("\n\n")
    }
}

/// An override with its value in the place of its type's default.
fn as_constant(text: &str, value: &str) -> String {
    match text.strip_prefix("override") {
        Some(rest) => format!("const{} = {value};", rest.trim_end_matches(';')),
        None => text.to_owned(),
    }
}

/// The declarations of `text`, without comments.
fn declared(text: &str) -> Vec<Declaration> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end());
    let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let mut declarations = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        let ends = match byte {
            b'{' => {
                depth += 1;
                false
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            b';' => depth == 0,
            _ => false,
        };
        if ends {
            let one = text.get(start..=at).unwrap_or_default().trim();
            start = at + 1;
            let mut words = words(one);
            let kind = words.next();
            if let (Some("fn" | "const" | "override" | "struct"), Some(name)) = (kind, words.next())
            {
                declarations.push(Declaration { name: name.to_owned(), text: one.to_owned() });
            }
        }
    }
    declarations
}

/// The names and keywords of a text, in their order; what follows a dot is none, and so is a number.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|(piece, is_word)| is_word.then_some(piece))
}

/// The text with names replaced.
fn renamed(text: &str, names: &HashMap<&str, String>) -> String {
    let pieces = pieces(text).map(|(piece, is_word)| match names.get(piece) {
        Some(new) if is_word => new.as_str(),
        Some(_) | None => piece,
    });
    pieces.collect()
}

/// The text cut where words and numbers begin and end, and which pieces are words.
fn pieces(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    let mut after_dot = false;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = if first.is_ascii_digit() {
            rest.find(|c| !is_part(c) && c != '.')
        } else if is_part(first) {
            rest.find(|c| !is_part(c))
        } else {
            Some(first.len_utf8())
        };
        let (piece, others) = rest.split_at(end.unwrap_or(rest.len()));
        let is_word = is_part(first) && !first.is_ascii_digit() && !after_dot;
        (rest, after_dot) = (others, first == '.');
        Some((piece, is_word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: &str =
        "// What others need.\nfn keep(x: f32) -> f32 {\n    return x; // so\n}\n\nfn other() {}\n";
    const OWN: &str = "override SLOPE: f32;\nconst HALF: f32 = 0.5;\n@group(0) @binding(1) var<uniform> shape: f32;\n\nfn bend(v: vec2<f32>) -> f32 {\n    let keep_x = v.keep + 1e5 * SLOPE;\n    return keep(v.x) * HALF;\n}\nfn unused() { bend(); }\n";

    #[test]
    fn what_a_function_needs_comes_with_it_once_and_under_new_names() {
        let mut all = Declarations::default();
        for _ in 0..2 {
            let called = all
                .need(&[SHARED, OWN], "bend", "0.25f", |piece, name| format!("net_{piece}_{name}"));
            assert_eq!(called, "net_1_bend");
        }
        let expected = "fn net_0_keep(x: f32) -> f32 {\n    return x;\n}\n\n\
             const net_1_SLOPE: f32 = 0.25f;\n\n\
             const net_1_HALF: f32 = 0.5;\n\n\
             fn net_1_bend(v: vec2<f32>) -> f32 {\n    let keep_x = v.keep + 1e5 * net_1_SLOPE;\n    \
             return net_0_keep(v.x) * net_1_HALF;\n}";
        assert_eq!(all.text(), expected);
    }
}
