//! What a driver has made of kernels, as bytes that outlast the program.
//!
//! The driver takes bytes that it once gave, and may do anything with others. So they stand in an
//! envelope: a mark, a CRC-32 of all that follows, the length of the rest, the adapter with its
//! driver and the version of this crate, the driver's bytes. Numbers are little-endian.

use wgpu::{Features, PipelineCacheDescriptor};

use super::adapter::adapter_key;
use super::device::Gpu;

/// How the bytes begin. The digit is the version of the envelope.
const MARK: [u8; 8] = *b"MBPIPES1";

/// Bytes of the mark, the checksum and the length.
const BEGINNING: usize = 8 + 4 + 8;

impl Gpu {
    /// The same device with a cache of what its driver makes of kernels: `bytes` are what
    /// [`pipeline_cache_data`](Self::pipeline_cache_data) gave in another run of the program. Empty
    /// ones begin an empty cache. Bytes that are damaged, or of another adapter, driver or version
    /// of this crate, are taken as empty. Without the feature
    /// [`PIPELINE_CACHE`](wgpu::Features::PIPELINE_CACHE) all stays as it is; [`Gpu::new`] asks for
    /// it where the adapter has it.
    ///
    /// It is for the kernels that are compiled from now on, and changes nothing but the time that
    /// this takes. Many drivers keep such a cache by themselves.
    ///
    /// # Safety
    /// If `bytes` pass for what [`pipeline_cache_data`](Self::pipeline_cache_data) gave, they must be
    /// that: the driver believes them. What happens to bytes by accident is noticed by a CRC-32;
    /// what somebody forges is not, so take them from a place where only the user can write.
    #[must_use]
    pub unsafe fn with_pipeline_cache(mut self, bytes: &[u8]) -> Self {
        if self.device.features().contains(Features::PIPELINE_CACHE) {
            let descriptor = PipelineCacheDescriptor {
                label: Some("minibatch"),
                data: opened(&adapter_key(self.info()), bytes),
                fallback: true,
            };
            // SAFETY: these are bytes that wgpu gave for this adapter and driver: the caller
            // answers for forgery, the checksum for damage, and the key for the adapter.
            let (cache, error) =
                self.catch(|| unsafe { self.device.create_pipeline_cache(&descriptor) });
            self.pipeline_cache = error.is_none().then_some(cache);
        }
        self
    }

    /// What the driver has made of the kernels that were compiled, and of those that were in the
    /// cache before, for [`with_pipeline_cache`](Self::with_pipeline_cache); `None` without a cache.
    /// Drivers may give other bytes for the same kernels.
    pub fn pipeline_cache_data(&self) -> Option<Vec<u8>> {
        let data = self.pipeline_cache.as_ref()?.get_data()?;
        Some(enclosed(&adapter_key(self.info()), &data))
    }

    /// A file name for [`pipeline_cache_data`](Self::pipeline_cache_data), different for each kind
    /// of adapter; `None` if the device was made without
    /// [`PIPELINE_CACHE`](wgpu::Features::PIPELINE_CACHE).
    pub fn pipeline_cache_key(&self) -> Option<String> {
        let key = wgpu::util::pipeline_cache_key(self.info())?;
        self.device.features().contains(Features::PIPELINE_CACHE).then_some(key)
    }
}

/// `data` in an envelope that says for which adapter they are.
fn enclosed(key: &str, data: &[u8]) -> Vec<u8> {
    let mut content = ((key.len() + data.len()) as u64).to_le_bytes().to_vec();
    content.extend_from_slice(key.as_bytes());
    content.extend_from_slice(data);
    let mut bytes = MARK.to_vec();
    bytes.extend_from_slice(&checksum(&content));
    bytes.append(&mut content);
    bytes
}

/// What was [`enclosed`] for the same key; `None` if anything is not as it was.
fn opened<'b>(key: &str, bytes: &'b [u8]) -> Option<&'b [u8]> {
    let (beginning, rest) = bytes.split_first_chunk::<BEGINNING>()?;
    let (mark, beginning) = beginning.split_first_chunk::<8>()?;
    let (sum, length) = beginning.split_first_chunk::<4>()?;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    let content = bytes.get(MARK.len() + sum.len()..)?;
    let whole = *mark == MARK && length == rest.len() as u64 && *sum == checksum(content);
    whole.then_some(rest)?.strip_prefix(key.as_bytes())
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use wgpu::AdapterInfo;

    use super::*;

    const KEY: &str = "vulkan\n1\n2\na GPU\n";

    #[test]
    fn an_envelope_gives_back_what_was_put_in() {
        for data in [&b""[..], b"a", b"what a driver gave"] {
            assert_eq!(opened(KEY, &enclosed(KEY, data)), Some(data));
        }
        // The check value of CRC-32 in the catalogue of its kinds.
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926_u32.to_le_bytes());
    }

    #[test]
    fn bytes_that_are_not_as_they_were_are_refused() {
        let whole = enclosed(KEY, b"what a driver gave");
        for place in 0..whole.len() {
            assert_eq!(opened(KEY, &whole[..place]), None, "cut to {place} bytes");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[place] ^= 1 << bit;
                assert_eq!(opened(KEY, &flipped), None, "bit {bit} of byte {place}");
            }
        }
        assert_eq!(opened(KEY, &[whole.as_slice(), b"\0"].concat()), None);
        assert_eq!(opened(KEY, b"what a driver gave"), None);
    }

    #[test]
    fn bytes_of_another_adapter_or_driver_are_refused() {
        let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
        let info = gpu.info().clone();
        let key = adapter_key(&info);
        let bytes = enclosed(&key, b"data");
        assert_eq!(opened(&key, &bytes), Some(&b"data"[..]));
        let others = [
            AdapterInfo { vendor: info.vendor ^ 1, ..info.clone() },
            AdapterInfo { device: info.device ^ 1, ..info.clone() },
            AdapterInfo { name: format!("{} 2", info.name), ..info.clone() },
            AdapterInfo { driver_info: format!("{}.1", info.driver_info), ..info.clone() },
        ];
        for other in others {
            assert_eq!(opened(&adapter_key(&other), &bytes), None, "{other:?}");
        }
    }
}
