//! The one place that knows of threads.

use alloc::vec::Vec;

/// `f` of each item, in their order: with the feature `rayon` over the threads of its pool.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "rayon")]
    if rayon::current_num_threads() > 1 {
        use rayon::iter::{IntoParallelIterator, ParallelIterator};
        return items.into_par_iter().map(f).collect();
    }
    items.into_iter().map(f).collect()
}
