//! What `kefu version` tells beside the version: the compiler and the target, which only the build knows.

use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let told = Command::new(rustc).arg("--version").output();
    let text = told.ok().and_then(|told| String::from_utf8(told.stdout).ok());
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = text.as_deref().and_then(|text| text.split_whitespace().nth(1));
    let target = std::env::var("TARGET");
    tell(
        "rustc-env",
        format_args!("KEFU_RUSTC={}", version.unwrap_or("unknown")),
    );
    tell(
        "rustc-env",
        format_args!("KEFU_TARGET={}", target.as_deref().unwrap_or("unknown")),
    );
    tell("rerun-if-changed", format_args!("build.rs"));
}

fn tell(instruction: &str, value: std::fmt::Arguments<'_>) {
    println!("cargo::{instruction}={value}");
}
