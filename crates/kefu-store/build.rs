//! The migrations are part of the program: a new file in their folder builds it anew.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
