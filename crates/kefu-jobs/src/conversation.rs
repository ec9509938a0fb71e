use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId, RowRef};
use kefu_queue::Lane;
use serde::{Deserialize, Serialize};

use crate::{JobKind, id};

/// Answer what is owed in a conversation, and send what is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainConversation {
    #[serde(with = "id::corp")]
    corp: CorpId,
    #[serde(with = "id::account")]
    account: AccountId,
    #[serde(with = "id::customer")]
    customer: CustomerId,
}

impl JobKind for DrainConversation {
    const KIND: &'static str = "kf.turn";
    const LANE: Lane = Lane::Medium;
}

impl DrainConversation {
    pub fn of(key: ConversationKey) -> DrainConversation {
        DrainConversation {
            corp: key.corp,
            account: key.account,
            customer: key.customer,
        }
    }

    pub fn key(self) -> ConversationKey {
        ConversationKey {
            corp: self.corp,
            account: self.account,
            customer: self.customer,
        }
    }

    pub fn row(self) -> RowRef {
        RowRef::Conversation(self.key())
    }
}
