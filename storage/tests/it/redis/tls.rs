//! `rediss://`, against a server with a certificate made for the test.

use corelane_storage::redis::{Config, Redis};

use crate::support::on_core;
use crate::support::redis_server::RedisServer;

#[cfg(feature = "tls")]
#[test]
fn a_connection_is_encrypted_and_the_server_is_checked() {
    let folder = std::env::temp_dir().join(format!("corelane-redis-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = crate::support::free_port().to_string();
    let server = RedisServer::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        certificate.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ]);
    on_core(async {
        let mut config = Config::from_url(&format!("rediss://localhost:{port}/")).unwrap();
        config.tls_roots = Some(made.cert.pem().into_bytes());
        let redis = Redis::connect_with(config).await.unwrap();
        let large = vec![b'x'; 500_000];
        redis.set("k", large.as_slice()).await.unwrap();
        assert_eq!(redis.get("k").await.unwrap().unwrap(), large);
        let calls: Vec<_> = (0..200)
            .map(|n| {
                let redis = redis.clone();
                corelane_runtime::spawn(async move {
                    redis.set(n, n).await?;
                    redis.get(n).to::<i32>().await
                })
            })
            .collect();
        for (n, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap().unwrap(), n);
        }
        let untrusted = Config::from_url(&format!("rediss://localhost:{port}/")).unwrap();
        let error = Redis::connect_with(untrusted).await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
        let plain = Redis::connect(&format!("redis://localhost:{port}/")).await.unwrap_err();
        assert!(plain.is_unavailable(), "{plain:?}");
    });
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_the_feature_it_is_an_error_that_names_it() {
    let server = RedisServer::start();
    on_core(async {
        let config = Config::from_url(&server.url().replace("redis:", "rediss:")).unwrap();
        let error = Redis::connect_with(config).await.unwrap_err();
        assert!(error.to_string().contains("feature `tls`"), "{error}");
    });
}
