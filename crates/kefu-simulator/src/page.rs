//! The page on which a person is the customer: its files, as they are, under an address of their own.
//!
//! No build step and nothing from elsewhere: what is in `page/` is what the browser gets.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};

/// Only the page's own files, the simulator's answers, and the icon that stands in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Address, type and text of each file.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/simulator/page/style.css", CSS, include_str!("page/style.css")),
    ("/simulator/page/page.js", SCRIPT, include_str!("page/page.js")),
    ("/simulator/page/words.js", SCRIPT, include_str!("page/words.js")),
    ("/simulator/page/lines.js", SCRIPT, include_str!("page/lines.js")),
    ("/simulator/page/enter.js", SCRIPT, include_str!("page/enter.js")),
];

pub(crate) fn routes(config: &mut ServiceConfig) {
    for (address, content_type, text) in FILES {
        config.route(
            address,
            web::get().to(move || async move { answer(content_type, text) }),
        );
    }
}

/// Never from a cache: the files of two versions do not fit together.
fn answer(content_type: &str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(("cache-control", "no-store"))
        .insert_header(("content-security-policy", POLICY))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(text)
}
