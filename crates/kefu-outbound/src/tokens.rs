//! Access tokens shared between processes: WeCom throttles whoever fetches them too often.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kefu_state::State;
use kefu_wecom::{SharedToken, SharedTokens};
use secrecy::{ExposeSecret, SecretString};

/// The token cache of the state, as the WeCom client wants it.
pub struct StateTokens(pub State);

impl SharedTokens for StateTokens {
    fn get<'a>(&'a self, app: &'a str) -> BoxFuture<'a, Option<SharedToken>> {
        async move {
            let (value, lifetime) = self.0.token(app).await?;
            Some(SharedToken { value, lifetime })
        }
        .boxed()
    }

    fn put<'a>(&'a self, app: &'a str, token: &'a SecretString, lifetime: Duration) -> BoxFuture<'a, ()> {
        self.0.put_token(app, token, lifetime).boxed()
    }

    fn drop_if<'a>(&'a self, app: &'a str, refused: &'a SecretString) -> BoxFuture<'a, ()> {
        self.0.drop_token_if(app, refused.expose_secret()).boxed()
    }
}
