//! What is made of sources: other sources, which read what they need when they need it.

mod balance;
mod batch;
mod cache;
mod concat;
mod every;
mod filter;
mod inner;
mod interleave;
mod map;
mod repeat;
mod select;
mod shard;
mod shift;
mod shuffle;
mod shuffle_buffer;
mod split;
mod take;
mod weights;
mod zip;
