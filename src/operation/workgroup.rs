//! What a workgroup of a kernel takes, read from the kernel's text.

use super::kernel::Kernel;

impl Kernel {
    /// Invocations of a workgroup; `None` if the text says it in a way that is not read here, which
    /// none of ours does.
    pub fn threads(&self) -> Option<u32> {
        let text = self.text.iter().rev().find(|text| text.contains("@workgroup_size("))?;
        let (_, after) = text.split_once("@workgroup_size(")?;
        let (sizes, _) = after.split_once(')')?;
        sizes.split(',').map(|size| self.number(size)).product()
    }

    /// Bytes of workgroup memory; `None` as in [`threads`](Self::threads).
    pub fn workgroup_bytes(&self) -> Option<u32> {
        let lines = self.text.iter().flat_map(|text| text.lines());
        let declared = lines.filter_map(|line| line.strip_prefix("var<workgroup>"));
        declared
            .map(|variable| {
                let (_, kind) = variable.trim_end().trim_end_matches(';').split_once(':')?;
                self.bytes_of(kind.trim())
            })
            .sum()
    }

    /// Bytes of a type.
    fn bytes_of(&self, kind: &str) -> Option<u32> {
        if let Some(array) = kind.strip_prefix("array<") {
            let (element, length) = array.strip_suffix('>')?.rsplit_once(',')?;
            return self.bytes_of(element.trim())?.checked_mul(self.number(length)?);
        }
        Some(match kind {
            "f32" | "u32" | "i32" | "atomic<u32>" | "atomic<i32>" => 4,
            "vec2<f32>" | "vec2<u32>" => 8,
            "vec4<f32>" | "vec4<u32>" => 16,
            "mat2x4<f32>" => 32,
            "mat4x4<f32>" => 64,
            alias => return self.bytes_of(self.told(&format!("alias {alias} = "))?),
        })
    }

    /// The value of a product or quotient of numbers and constants of the text.
    fn number(&self, text: &str) -> Option<u32> {
        let text = text.trim();
        let operator = text.rfind(['*', '/']);
        if let Some((left, right)) = operator.and_then(|place| text.split_at_checked(place)) {
            let (left, by) = (self.number(left)?, self.number(right.get(1..)?)?);
            return if right.starts_with('*') {
                left.checked_mul(by)
            } else {
                left.checked_div(by)
            };
        }
        match text.trim_end_matches('u').parse() {
            Ok(number) => Some(number),
            Err(_) => self.number(self.told(&format!("const {text}: u32 = "))?),
        }
    }

    /// What stands after `beginning` on a line of the text, up to the semicolon.
    fn told(&self, beginning: &str) -> Option<&str> {
        let mut lines = self.text.iter().flat_map(|text| text.lines());
        let told = lines.find_map(|line| line.strip_prefix(beginning))?;
        Some(told.split_once(';')?.0)
    }
}
