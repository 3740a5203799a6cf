//! The features that a device can do without, and a switch that takes them away.

use wgpu::Features;

use crate::error::{Error, Result};

/// What a device of ours has if its adapter does, with the names that they are masked by: each has a
/// path without it, but for f16, without which half precision is refused. Subgroups are for software
/// adapters.
const OPTIONAL: [(&str, Features); 4] = [
    ("subgroup", Features::SUBGROUP),
    ("shader-f16", Features::SHADER_F16),
    ("pipeline-cache", Features::PIPELINE_CACHE),
    ("timestamp-query", Features::TIMESTAMP_QUERY),
];

/// Names of features that devices of ours are made without, with commas between, or `all`: to try on an
/// adapter what runs on those that lack them.
const VARIABLE: &str = "MINIBATCH_MASK_FEATURES";

/// Those of `features` that are not masked by the environment.
///
/// # Errors
/// [`Error::Argument`] if it names something else.
pub(super) fn unmasked(features: Features) -> Result<Features> {
    let names = std::env::var(VARIABLE).unwrap_or_default();
    Ok(features - masked_by(&names)?)
}

fn masked_by(names: &str) -> Result<Features> {
    let mut masked = Features::empty();
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let own = OPTIONAL.iter().filter(|(own, _)| name == "all" || *own == name);
        let own = own.fold(Features::empty(), |own, (_, feature)| own | *feature);
        if own.is_empty() {
            let known: Vec<_> = OPTIONAL.iter().map(|(name, _)| *name).collect();
            let problem = format!("knows no {name:?}; give all, or some of {}", known.join(", "));
            return Err(Error::argument(VARIABLE, problem));
        }
        masked |= own;
    }
    Ok(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mask_their_features() -> Result<()> {
        assert_eq!(masked_by("")?, Features::empty());
        assert_eq!(
            masked_by("subgroup, shader-f16,subgroup")?,
            Features::SUBGROUP | Features::SHADER_F16
        );
        let all = OPTIONAL.iter().fold(Features::empty(), |all, (_, feature)| all | *feature);
        assert_eq!(masked_by("all")?, all);
        let error = masked_by("subgroups").unwrap_err().to_string();
        assert!(error.contains("subgroups") && error.contains("timestamp-query"), "{error}");
        Ok(())
    }
}
