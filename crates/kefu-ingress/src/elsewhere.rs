//! Requests that are no callback: answered with 404 or 405, and told once in a while.
//!
//! A wrong address in WeCom's console looks like this, and so does every scanner of the internet: a line names the
//! path, which a person needs, but never the query, which may hold what is secret elsewhere.

use std::time::Duration;

use actix_web::http::header::ALLOW;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kefu_process::{Seldom, clock};
use tracing::{info, warn};

use crate::Ingress;
use crate::apps::REFUSED_EVERY;

/// As much of a path as a line holds, in characters.
const PATH_CHARS_MAX: usize = 100;
/// Between two lines about what nobody needs to mend.
const STRANGERS_EVERY: Duration = Duration::from_secs(60);

/// Lines about requests that found nothing.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    /// Signed like a callback, but not at our address.
    callbacks: Seldom,
    /// Scanners, browsers.
    strangers: Seldom,
    methods: Seldom,
    /// Callbacks for apps that are not in the settings.
    apps: Seldom,
}

impl Default for Elsewhere {
    fn default() -> Elsewhere {
        Elsewhere {
            callbacks: Seldom::every(REFUSED_EVERY),
            strangers: Seldom::every(STRANGERS_EVERY),
            methods: Seldom::every(STRANGERS_EVERY),
            apps: Seldom::every(REFUSED_EVERY),
        }
    }
}

impl Elsewhere {
    pub(crate) fn unknown_app(&self, request: &HttpRequest) {
        if let Some(more) = self.apps.line(clock::now_ms()) {
            warn!(
                http.path = shown(request.path()),
                more, "callback for an app that is not in the settings"
            );
        }
    }
}

/// What no route takes.
pub(crate) async fn not_found(ingress: Data<Ingress>, request: HttpRequest) -> HttpResponse {
    let (now_ms, elsewhere) = (clock::now_ms(), &ingress.elsewhere);
    let path = ingress.path.as_str();
    if request.query_string().contains("msg_signature=") {
        if let Some(more) = elsewhere.callbacks.line(now_ms) {
            warn!(
                http.path = shown(request.path()),
                more,
                "callback at a path that is not ours: 404; ours are {path} and {path}/<app> (ingress.path)"
            );
        }
    } else if let Some(more) = elsewhere.strangers.line(now_ms) {
        info!(
            http.path = shown(request.path()),
            more, "request for a path that does not exist: 404"
        );
    }
    HttpResponse::NotFound().finish()
}

/// A callback's path with another method than WeCom's.
pub(crate) async fn wrong_method(ingress: Data<Ingress>, request: HttpRequest) -> HttpResponse {
    if let Some(more) = ingress.elsewhere.methods.line(clock::now_ms()) {
        info!(
            http.path = shown(request.path()),
            http.method = shown(request.method().as_str()),
            more,
            "request with a method that is none of a callback's: 405"
        );
    }
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, "GET, POST"))
        .finish()
}

/// Somebody else's words, bounded and without anything that a terminal obeys.
fn shown(words: &str) -> String {
    let mut shown: String = words
        .chars()
        .take(PATH_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if words.chars().nth(PATH_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_words_are_bounded_and_harmless() {
        assert_eq!(shown("/wecom/回调"), "/wecom/回调");
        assert_eq!(shown("/a\u{1b}[31m\r\nb"), "/a\\u{1b}[31m\\r\\nb");
        assert_eq!(shown(&"a".repeat(5_000)), format!("{}…", "a".repeat(100)));
    }
}
