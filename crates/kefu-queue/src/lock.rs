use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a plain value that a panic elsewhere leaves whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
