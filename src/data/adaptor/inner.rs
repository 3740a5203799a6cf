//! What many adaptors say of themselves is what the stream says that they read.

/// Methods of [`Streaming`](crate::data::Streaming) that ask `self.inner`, a stream too.
macro_rules! as_inner {
    ($($method:ident),+) => {
        $($crate::data::adaptor::inner::as_inner!(@$method);)+
    };
    (@fields) => {
        fn fields(&self) -> &Arc<Fields> {
            self.inner.fields()
        }
    };
    (@len) => {
        fn len(&self) -> Option<usize> {
            self.inner.len()
        }
    };
    (@is_endless) => {
        fn is_endless(&self) -> bool {
            self.inner.is_endless()
        }
    };
    (@start) => {
        fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
            self.inner.start(visit)
        }
    };
    (@finish) => {
        fn finish(&self, samples: Samples, first: usize, visit: &Visit) -> Result<Samples> {
            self.inner.finish(samples, first, visit)
        }
    };
    (@finishes_whole) => {
        fn finishes_whole(&self) -> bool {
            self.inner.finishes_whole()
        }
    };
    (@raw_fields) => {
        fn raw_fields(&self) -> &Arc<Fields> {
            self.inner.raw_fields()
        }
    };
    (@batch_size) => {
        fn batch_size(&self) -> Option<usize> {
            self.inner.batch_size()
        }
    };
    (@batches) => {
        fn batches(&self) -> Option<usize> {
            self.inner.batches()
        }
    };
}

pub(super) use as_inner;
