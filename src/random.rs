//! Counter-based random numbers: a pure function of (seed, stream, index), the same bits on every
//! machine and in any order of evaluation.

/// What a random number is for. Each purpose draws from a stream of its own, so that using more
/// numbers for one never shifts another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Initial weights; the number of the parameter.
    Initializer(u32),
    /// The order of the samples; the epoch, from 0.
    Shuffle(u32),
    /// The order of the samples within a source; the epoch, from 0.
    SourceShuffle(u32),
    /// What changes samples as they are read; the epoch, from 0.
    Augmentation(u32),
    /// Which samples of each class come; the epoch, from 0.
    Balance(u32),
    /// The strokes of a synthetic digit; the number of the sample.
    Digit(u32),
    /// The classes of ten consecutive synthetic digits; the number of the first, divided by ten.
    DigitClasses(u32),
    /// The values that executors are compared on.
    Parity,
    /// The [`noise`] of each step.
    Noise,
    /// The samples that measurements of the gradient's noise take.
    GradientNoise,
    /// What is added to weights to see how the loss follows; the number of the draw.
    Perturbation(u32),
}

impl Stream {
    fn key(self) -> u64 {
        let (purpose, number) = match self {
            Stream::Initializer(number) => (1u64, number),
            Stream::Shuffle(number) => (2, number),
            Stream::Digit(number) => (3, number),
            Stream::Parity => (4, 0),
            Stream::DigitClasses(number) => (5, number),
            Stream::Noise => (6, 0),
            Stream::SourceShuffle(number) => (7, number),
            Stream::Augmentation(number) => (8, number),
            Stream::Balance(number) => (9, number),
            Stream::GradientNoise => (16, 0),
            Stream::Perturbation(number) => (17, number),
        };
        purpose << 32 | u64::from(number)
    }
}

/// A source of random numbers: reading index `i` of a (seed, stream) gives the same bits always.
#[derive(Debug, Clone)]
pub struct Random {
    key: u64,
    index: u64,
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Random bits as a pure function of a step's noise, a layer and the index of a value: the same on
/// the GPU (`shared/noise.wgsl`). Each round is a bijection of 32 bits (Wellons' lowbias32).
#[must_use]
pub fn noise(step: u64, layer: u32, index: u32) -> u32 {
    let mixed = |mut x: u32| {
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    };
    let (low, high) = (step as u32, (step >> 32) as u32);
    mixed(mixed(mixed(index ^ low).wrapping_add(layer)) ^ high)
}

impl Random {
    /// 2^64 divided by the golden ratio, made odd: what SplitMix64 counts in.
    pub(crate) const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

    /// The numbers of `stream` under `seed`, from index 0.
    #[must_use]
    pub fn new(seed: u64, stream: Stream) -> Self {
        let seed = mix(seed.wrapping_add(Self::GOLDEN_GAMMA));
        Random { key: mix(seed ^ mix(stream.key().wrapping_add(Self::GOLDEN_GAMMA))), index: 0 }
    }

    /// Numbers that belong to the `number`-th of many things, from index 0.
    #[must_use]
    pub fn of(&self, number: u64) -> Self {
        Random { key: mix(self.key ^ mix(number.wrapping_add(Self::GOLDEN_GAMMA))), index: 0 }
    }

    /// The random bits of `index`.
    #[must_use]
    pub fn at(&self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_mul(Self::GOLDEN_GAMMA)))
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.index += 1;
        self.at(self.index)
    }

    /// A number in `[0, 1)`, a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number in `[low, high)`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// An index in `0..bound`, without bias (Lemire's rejection). `bound` 0 gives 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }
}
