//! Reads JSON strings, one a line, and prints for each a JSON pair: the string, and the SPIFFE ID that rust-spiffe reads in
//! it; null: it refuses it. The vectors beside this program are what it printed.
//!
//! Trust domains are not asked for alone: rust-spiffe takes one out of an ID whose path it does not look at.

use std::io::{self, BufRead, Write};
use std::str::FromStr;

use serde_json::json;
use spiffe::SpiffeId;

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let id = SpiffeId::from_str(&text).ok().map(|id| id.to_string());
        writeln!(out, "{}", json!([text, id]))?;
    }
    out.flush()
}
