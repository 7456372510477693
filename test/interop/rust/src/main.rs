//! Drives a Workload API with the published `spiffe` crate; prints JSON lines.

use futures_util::StreamExt;
use spiffe::{BundleSource, JwtSvid, WorkloadApiClient, X509Source, X509SourceBuilder};
use std::error::Error;

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (address, operation) = (&args[0], args[1].as_str());
    match operation {
        "x509" => x509(address).await,
        "jwt" => jwt(address, &args[2]).await,
        "bundles" => bundles(address).await,
        "watch" => watch(address, args[2].parse()?).await,
        _ => Err(format!("no such operation: {operation}").into()),
    }
}

/// By the source that rotates, whose first update has to be there.
async fn x509(address: &str) -> Outcome {
    let source: X509Source = X509SourceBuilder::new().endpoint(address).build().await?;
    let svid = source.svid()?;
    let domain = svid.spiffe_id().trust_domain().clone();
    let bundle = source.bundle_for_trust_domain(&domain)?.ok_or("no bundle")?;
    println!(
        r#"{{"id":"{}","roots":{}}}"#,
        svid.spiffe_id(),
        bundle.authorities().len()
    );
    Ok(())
}

/// Has the token validated by the agent, and validates it against the bundles itself.
async fn jwt(address: &str, audience: &str) -> Outcome {
    let client = WorkloadApiClient::connect_to(address).await?;
    let fetched = client.fetch_jwt_svid([audience], None).await?;
    let told = client.validate_jwt_token(audience, fetched.token()).await?;
    let bundles = client.fetch_jwt_bundles().await?;
    let proven = JwtSvid::parse_and_validate(fetched.token(), &bundles, &[audience])?;
    if told.spiffe_id() != proven.spiffe_id() {
        return Err("the agent and the bundle disagree".into());
    }
    println!(r#"{{"id":"{}"}}"#, proven.spiffe_id());
    Ok(())
}

async fn bundles(address: &str) -> Outcome {
    let client = WorkloadApiClient::connect_to(address).await?;
    let x509 = client.fetch_x509_bundles().await?;
    let jwt = client.fetch_jwt_bundles().await?;
    println!(
        r#"{{"x509":{},"jwt":{}}}"#,
        list(x509.iter().map(|(domain, _)| domain.to_string())),
        list(jwt.iter().map(|(domain, _)| domain.to_string()))
    );
    Ok(())
}

async fn watch(address: &str, updates: usize) -> Outcome {
    let client = WorkloadApiClient::connect_to(address).await?;
    let mut stream = std::pin::pin!(client.stream_x509_contexts().await?.take(updates));
    while let Some(context) = stream.next().await {
        let context = context?;
        let svid = context.default_svid().ok_or("no SVID")?;
        println!(r#"{{"id":"{}"}}"#, svid.spiffe_id());
    }
    Ok(())
}

fn list(names: impl Iterator<Item = String>) -> String {
    let mut quoted: Vec<String> = names.map(|name| format!(r#""{name}""#)).collect();
    quoted.sort();
    format!("[{}]", quoted.join(","))
}
