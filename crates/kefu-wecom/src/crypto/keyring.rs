use super::{CallbackKey, OpenError, Opened, ReceiveIds, Signed};

/// The keys one app accepts: the current one first, and during a rotation the previous one.
#[derive(Debug)]
pub struct Keyring {
    current: CallbackKey,
    previous: Vec<CallbackKey>,
}

impl Keyring {
    pub fn new(current: CallbackKey) -> Keyring {
        Keyring {
            current,
            previous: Vec::new(),
        }
    }

    /// Also accepts a key that is being replaced.
    pub fn with_previous(mut self, previous: CallbackKey) -> Keyring {
        self.previous.push(previous);
        self
    }

    /// The key to seal with.
    pub fn current(&self) -> &CallbackKey {
        &self.current
    }

    /// Opens with the first key that can. The error is that of the key which came furthest:
    /// a wrong receive id under a good signature says more than a wrong signature.
    pub fn open(
        &self,
        signed: &Signed<'_>,
        encrypt: &str,
        receive_ids: ReceiveIds<'_>,
    ) -> Result<Opened, OpenError> {
        self.first(|key| key.open(signed, encrypt, receive_ids))
    }

    /// As [`CallbackKey::open_unsigned`], over all keys.
    pub fn open_unsigned(&self, encrypt: &str, receive_ids: ReceiveIds<'_>) -> Result<Opened, OpenError> {
        self.first(|key| key.open_unsigned(encrypt, receive_ids))
    }

    fn first(&self, open: impl Fn(&CallbackKey) -> Result<Opened, OpenError>) -> Result<Opened, OpenError> {
        let mut furthest = match open(&self.current) {
            Err(error) => error,
            opened => return opened,
        };
        for key in &self.previous {
            match open(key) {
                Err(error) if stage(&error) > stage(&furthest) => furthest = error,
                Err(_) => {}
                opened => return opened,
            }
        }
        Err(furthest)
    }
}

fn stage(error: &OpenError) -> u8 {
    match error {
        OpenError::Signature => 0,
        OpenError::Base64 => 1,
        OpenError::CiphertextLength { .. } => 2,
        OpenError::Padding => 3,
        OpenError::Frame => 4,
        OpenError::ReceiveId => 5,
    }
}
