//! What a sample consists of: its inputs, targets and weights, by name.

use std::sync::Arc;

use crate::error::{Error, Result};

/// How one value of a sample is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// A byte (a pixel).
    U8,
    /// An integer: a class index, a category.
    U32,
    /// A float of 16 bits; the model gets it as f32.
    F16,
    /// A float of 32 bits.
    F32,
}

impl Element {
    /// Bytes of one value.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Element::U8 => 1,
            Element::F16 => 2,
            Element::U32 | Element::F32 => 4,
        }
    }
}

/// One input, target or weight of every sample.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The name of the model's input or output that it is for. A weight has the name of the target
    /// whose loss it multiplies, or an empty one if it is for all targets.
    pub name: String,
    /// How its values are stored.
    pub element: Element,
    /// Shape of one sample. A class index has the shape `[1]`.
    pub shape: Vec<usize>,
    /// True if only the values that are not 0 are stored, each with its place.
    pub sparse: bool,
    /// Number of classes of a class index; `None` if it is not known, or for other values.
    pub classes: Option<usize>,
    /// Names of the classes, from class 0 on; empty if they have none.
    pub class_names: Vec<String>,
}

impl Field {
    /// Values of shape `shape`, all of them stored.
    #[must_use]
    pub fn new(name: impl Into<String>, element: Element, shape: &[usize]) -> Self {
        Field {
            name: name.into(),
            element,
            shape: shape.to_vec(),
            sparse: false,
            classes: None,
            class_names: Vec::new(),
        }
    }

    /// `width` floats, of which only those that are not 0 are stored.
    #[must_use]
    pub fn sparse(name: impl Into<String>, width: usize) -> Self {
        Field { sparse: true, ..Field::new(name, Element::F32, &[width]) }
    }

    /// One class index, of `classes` if that is known.
    #[must_use]
    pub fn class(name: impl Into<String>, classes: Option<usize>) -> Self {
        Field { classes, ..Field::new(name, Element::U32, &[1]) }
    }

    /// One weight for the target called `target`, or for all targets if that is empty.
    #[must_use]
    pub fn weight(target: impl Into<String>) -> Self {
        Field::new(target, Element::F32, &[1])
    }

    /// The same class index, with names for its classes, from class 0 on.
    #[must_use]
    pub fn with_class_names(self, names: Vec<String>) -> Self {
        Field { classes: Some(names.len()), class_names: names, ..self }
    }

    /// Values in one sample: the product of the shape.
    #[must_use]
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Which part of a sample a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// What a model computes from.
    Input,
    /// What its outputs should be.
    Target,
    /// How much the loss of a target counts.
    Weight,
}

/// All fields of a sample. Together they are its columns: the inputs first, then the targets, then
/// the weights.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    inputs: Vec<Field>,
    targets: Vec<Field>,
    weights: Vec<Field>,
}

impl Fields {
    /// These inputs and targets, without weights.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no input, two inputs or two targets have the same name, or a
    /// dimension is 0 or their product too large.
    pub fn new(
        inputs: impl IntoIterator<Item = Field>,
        targets: impl IntoIterator<Item = Field>,
    ) -> Result<Arc<Self>> {
        let (inputs, targets) = (inputs.into_iter().collect(), targets.into_iter().collect());
        Fields { inputs, targets, weights: Vec::new() }.checked()
    }

    /// The same with these weights in place of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] if two weights are for the same target, one is for a target that is not
    /// there, or one is not a single f32.
    pub fn with_weights(&self, weights: impl IntoIterator<Item = Field>) -> Result<Arc<Self>> {
        Fields { weights: weights.into_iter().collect(), ..self.clone() }.checked()
    }

    /// Fields that were checked before.
    pub(crate) fn of(inputs: Vec<Field>, targets: Vec<Field>, weights: Vec<Field>) -> Arc<Self> {
        Arc::new(Fields { inputs, targets, weights })
    }

    fn checked(self) -> Result<Arc<Self>> {
        if self.inputs.is_empty() {
            return Err(Error::argument("data", "has no input; give at least one"));
        }
        for (kind, fields) in
            [("input", &self.inputs), ("target", &self.targets), ("weight", &self.weights)]
        {
            let mut names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            names.sort_unstable();
            if let Some(&[name, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
                return Err(Error::argument("data", format!("has two {kind}s called {name:?}")));
            }
            for Field { name, shape, .. } in fields {
                let width = shape.iter().try_fold(1usize, |product, &d| product.checked_mul(d));
                if width.is_none_or(|width| width == 0 || width as u64 > 1 << 40) {
                    let problem = format!(
                        "has the {kind} {name:?} of shape {shape:?}; every dimension must be at \
                         least 1, and their product not too large"
                    );
                    return Err(Error::argument("data", problem));
                }
            }
        }
        for Field { name, element, shape, .. } in &self.weights {
            if *element != Element::F32 || shape.iter().product::<usize>() != 1 {
                let problem = format!("for {name:?} is not one f32 a sample");
                return Err(Error::argument("sample_weight", problem));
            }
            if !name.is_empty() && !self.targets.iter().any(|target| target.name == *name) {
                let names: Vec<&str> = self.targets.iter().map(|field| &*field.name).collect();
                let problem = format!("is for {name:?}; the targets are {}", names.join(", "));
                return Err(Error::argument("sample_weight", problem));
            }
        }
        Ok(Arc::new(self))
    }

    /// The inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Field] {
        &self.inputs
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> &[Field] {
        &self.targets
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &[Field] {
        &self.weights
    }

    /// All of them, in the order of the columns.
    pub fn columns(&self) -> impl Iterator<Item = (Part, &Field)> {
        let inputs = self.inputs.iter().map(|field| (Part::Input, field));
        let targets = self.targets.iter().map(|field| (Part::Target, field));
        inputs.chain(targets).chain(self.weights.iter().map(|field| (Part::Weight, field)))
    }

    /// The number of the column of a part with this name.
    #[must_use]
    pub fn column(&self, part: Part, name: &str) -> Option<usize> {
        self.columns().position(|(other, field)| other == part && field.name == name)
    }
}

impl std::fmt::Display for Fields {
    /// `input "x" [28, 28] U8, target "y" [1] U32`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, (part, field)) in self.columns().enumerate() {
            let part = match part {
                Part::Input => "input",
                Part::Target => "target",
                Part::Weight => "weight",
            };
            let separator = if number > 0 { ", " } else { "" };
            let sparse = if field.sparse { "sparse " } else { "" };
            let Field { name, shape, element, .. } = field;
            write!(f, "{separator}{part} {name:?} {shape:?} {sparse}{element:?}")?;
        }
        Ok(())
    }
}
