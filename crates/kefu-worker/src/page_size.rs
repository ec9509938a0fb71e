//! How many messages a page is asked for: half as many after one that was too large or too slow, twice as many after
//! each that was taken. In memory: a worker that does not know finds out in a few calls.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kefu_domain::{AccountId, CorpId};
use kefu_wecom::client::PAGE_MESSAGES_MAX;

/// Accounts that are known to have smaller pages; beyond, the worker forgets one.
const ACCOUNTS_MAX: usize = 10_000;

type Key = (CorpId, AccountId);

#[derive(Debug, Default)]
pub(crate) struct PageSizes(Mutex<HashMap<Key, u32>>);

impl PageSizes {
    /// `None`: as many as WeCom gives.
    pub(crate) fn of(&self, corp: &CorpId, account: &AccountId) -> Option<u32> {
        let sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sizes.get(&(corp.clone(), account.clone())).copied()
    }

    /// The size to ask for next; `None` when a page of one message was too much.
    pub(crate) fn halve(&self, corp: &CorpId, account: &AccountId) -> Option<u32> {
        let key = (corp.clone(), account.clone());
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = sizes.get(&key).copied().unwrap_or(PAGE_MESSAGES_MAX);
        if size <= 1 {
            return None;
        }
        if ACCOUNTS_MAX <= sizes.len()
            && !sizes.contains_key(&key)
            && let Some(other) = sizes.keys().next().cloned()
        {
            sizes.remove(&other);
        }
        sizes.insert(key, size / 2);
        Some(size / 2)
    }

    pub(crate) fn double(&self, corp: &CorpId, account: &AccountId) {
        let mut sizes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sizes.is_empty() {
            return;
        }
        let key = (corp.clone(), account.clone());
        if let Some(size) = sizes.get_mut(&key) {
            *size = size.saturating_mul(2);
            if PAGE_MESSAGES_MAX <= *size {
                sizes.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_down_to_one_and_doubles_up_to_all() {
        let sizes = PageSizes::default();
        let (corp, account) = (CorpId::parse("ww1").unwrap(), AccountId::parse("wk1").unwrap());
        let halved: Vec<u32> = std::iter::from_fn(|| sizes.halve(&corp, &account)).collect();
        assert_eq!(halved, [500, 250, 125, 62, 31, 15, 7, 3, 1]);
        for _ in 0..9 {
            sizes.double(&corp, &account);
            assert!(sizes.of(&corp, &account).is_some());
        }
        sizes.double(&corp, &account);
        assert_eq!(sizes.of(&corp, &account), None);
    }

    #[test]
    fn knows_a_bounded_number_of_accounts() {
        let sizes = PageSizes::default();
        let corp = CorpId::parse("ww1").unwrap();
        for number in 0..=ACCOUNTS_MAX {
            sizes.halve(&corp, &AccountId::parse(&format!("wk{number}")).unwrap());
        }
        assert_eq!(sizes.0.lock().unwrap().len(), ACCOUNTS_MAX);
    }
}
