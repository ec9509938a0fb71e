use std::time::Duration;

use kefu_domain::Millis;
use kefu_store::{AccountLease, AcquiredAccount, Released};

use super::{Account, Model, Row};
use crate::harness::{account as account_id, corp};
use crate::simulation::mutation::Mutation;
use crate::simulation::transitions::LEASE;

impl Model {
    pub(in crate::simulation) fn acquire_account(
        &mut self,
        job_id: &str,
        redelivered: bool,
        received_at: i64,
    ) -> AcquiredAccount {
        let (now, mutation) = (self.now, self.mutation);
        let account = self.account.get_or_insert_with(|| Account {
            row: Row::new(),
            cursor: None,
            first_pull: true,
            first_woken_at: received_at,
            catching_up: false,
            pulled_at: None,
        });
        if !account.row.is_free_for(now, job_id, redelivered, mutation) {
            account.row.wanted += 1;
            return AcquiredAccount::Held;
        }
        account.row.take(now, LEASE, job_id);
        AcquiredAccount::Won(account.lease(job_id))
    }

    /// The account, while this lease is the newest.
    pub(super) fn hold_account(&mut self, lease: &AccountLease) -> Option<&mut Account> {
        self.account
            .as_mut()
            .filter(|account| account.row.is_held_by(lease.fence, &lease.job_id))
    }

    pub(in crate::simulation) fn extend_account(&mut self, lease: &AccountLease) -> bool {
        let now = self.now;
        self.hold_account(lease)
            .map(|account| account.row.extend(now, LEASE))
            .is_some()
    }

    pub(in crate::simulation) fn release_account(
        &mut self,
        lease: &AccountLease,
        noted: i64,
    ) -> Released<AccountLease> {
        let careless = self.mutation == Mutation::ReleaseIgnoresWanted;
        let Some(account) = self.hold_account(lease) else {
            return Released::Lost;
        };
        if account.row.wanted != noted && !careless {
            return Released::Again(account.lease(&lease.job_id));
        }
        account.row.give_up(None);
        account.row.failures = 0;
        account.first_pull = false;
        account.catching_up = false;
        Released::Free
    }

    pub(in crate::simulation) fn yield_account(&mut self, lease: &AccountLease) -> bool {
        self.park_account(lease, Duration::from_secs(30))
    }

    pub(in crate::simulation) fn fail_account(&mut self, lease: &AccountLease, wake_in: Duration) -> u32 {
        let wake_at = (Millis(self.now) + wake_in).0;
        self.hold_account(lease).map_or(0, |account| {
            account.row.give_up(Some(wake_at));
            account.row.failures += 1;
            account.row.failures
        })
    }

    pub(in crate::simulation) fn park_account(&mut self, lease: &AccountLease, wake_in: Duration) -> bool {
        let wake_at = (self.mutation != Mutation::ParkWithoutWake).then_some((Millis(self.now) + wake_in).0);
        self.hold_account(lease)
            .map(|account| account.row.give_up(wake_at))
            .is_some()
    }
}

impl Account {
    fn lease(&self, job_id: &str) -> AccountLease {
        AccountLease {
            corp: corp(),
            account: account_id(),
            app: "default".to_owned(),
            job_id: job_id.to_owned(),
            fence: self.row.fence,
            cursor: self.cursor.clone(),
            wanted: self.row.wanted,
            token: None,
            token_at: None,
            first_pull: self.first_pull,
            first_woken_at: Millis(self.first_woken_at),
            catching_up: self.catching_up,
            failures: self.row.failures,
        }
    }
}
