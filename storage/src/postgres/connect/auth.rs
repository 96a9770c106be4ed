//! Proving who we are ([Authentication](https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-START-UP)).

use bytes::BytesMut;
use corelane_runtime::blocking;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ScramSha256};
use postgres_protocol::message::frontend;

use super::certificate;
use super::startup::Startup;
use super::step::Step;
use super::transport::{is_encrypted, peer_certificate};
use crate::Secret;
use crate::postgres::config::ChannelBinding;
use crate::postgres::error::Cause;

fn refuse<T>(why: impl Into<std::borrow::Cow<'static, str>>) -> Result<T, Cause> {
    Err(Cause::Auth(why.into()))
}

impl Startup<'_> {
    /// Answers what the server asks for, from its first message until it says that all is well.
    ///
    /// # Errors
    /// [`Cause::Refused`] if the server does not believe us, [`Cause::Auth`] if we do not do what it asks for.
    pub(super) async fn prove(&mut self, first: Step) -> Result<(), Cause> {
        let (config, host) = (self.config, self.host);
        let binding_needed = config.channel_binding == ChannelBinding::Require;
        match first {
            Step::Sasl { plain, plus } => {
                self.allowed("scram-sha-256")?;
                return self.scram(plain, plus).await;
            }
            // Nothing else is bound to the TLS connection: somebody in between may ask for it.
            _ if binding_needed => {
                return refuse("the server does not ask for SCRAM, which channel_binding=require needs");
            }
            Step::Authenticated => return self.allowed("none"),
            Step::Cleartext => {
                self.allowed("password")?;
                // libpq sends it to whoever asks. Here it has to be named where somebody could listen.
                let is_private = host.socket().is_some() || is_encrypted(self.stream());
                if !is_private && !config.require_auth.names_password() {
                    return refuse(
                        "the server asks for the password in clear text, without TLS: use sslmode=verify-full, \
                         or allow it with require_auth=password",
                    );
                }
                let password = self.password()?;
                self.send_password(password.danger_reveal().as_bytes()).await?;
            }
            Step::Md5(salt) => {
                self.allowed("md5")?;
                let password = self.password()?;
                let hash = md5_hash(config.user.as_bytes(), password.danger_reveal().as_bytes(), salt);
                self.send_password(hash.as_bytes()).await?;
            }
            Step::OtherMethod(7..=9) => {
                return refuse(
                    "the server asks for GSSAPI or SSPI, which is not supported: use scram-sha-256",
                );
            }
            Step::OtherMethod(_) => return refuse("the server asks for a method that is not known here"),
            Step::Unexpected(what) => return Err(Cause::Unexpected(what)),
            _ => return Err(Cause::Unexpected("it begins with other than authentication")),
        }
        self.is_believed().await
    }

    async fn is_believed(&mut self) -> Result<(), Cause> {
        loop {
            match self.next().await? {
                Step::Authenticated => return Ok(()),
                Step::Error(error) => return Err(Cause::Refused(error)),
                Step::PassOver => {}
                _ => return Err(Cause::Unexpected("it asks for a second proof")),
            }
        }
    }

    fn allowed(&self, method: &'static str) -> Result<(), Cause> {
        if self.config.require_auth.allow(method) {
            return Ok(());
        }
        refuse(match method {
            "none" => "the server asks for no proof, and require_auth does not allow that",
            "password" => {
                "the server asks for the password in clear text, and require_auth does not allow that"
            }
            "md5" => "the server asks for md5, and require_auth does not allow that",
            _ => "the server asks for scram-sha-256, and require_auth does not allow that",
        })
    }

    fn password(&self) -> Result<Secret, Cause> {
        let password = self.config.password_for(self.host);
        match password.filter(|password| !password.danger_reveal().is_empty()) {
            Some(password) => Ok(password),
            None => match self.config.passfile_refusal() {
                Some(refusal) => {
                    refuse(format!("the server asks for a password, and none was given; {refusal}"))
                }
                None => refuse("the server asks for a password, and none was given"),
            },
        }
    }

    async fn send_password(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        let mut out = BytesMut::new();
        frontend::password_message(bytes, &mut out).map_err(Cause::io)?;
        self.send(out).await
    }

    /// SCRAM-SHA-256, bound to the TLS connection if both sides can (RFC 5802, RFC 7677).
    async fn scram(&mut self, plain: bool, plus: bool) -> Result<(), Cause> {
        let wanted = self.config.channel_binding;
        let end_point = match wanted {
            ChannelBinding::Disable => None,
            _ => peer_certificate(self.stream()).as_deref().and_then(certificate::end_point),
        };
        let (mechanism, binding) = match end_point {
            Some(hash) if plus => {
                (sasl::SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(hash))
            }
            _ if wanted == ChannelBinding::Require => {
                return refuse(
                    "channel_binding=require: the server does not offer it, or there is no TLS, or its certificate is of a kind \
                     for which it is not defined",
                );
            }
            _ if !plain => return refuse("the server offers no SASL mechanism that is known here"),
            // We could, and the server says that it cannot: it will notice if somebody in between has said so.
            Some(_) => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
        };
        let password = self.password()?;
        let scram = ScramSha256::new(password.danger_reveal().as_bytes(), binding);
        let mut out = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut out).map_err(Cause::io)?;
        self.send(out).await?;

        let challenge = match self.next().await? {
            Step::SaslContinue(data) => data,
            Step::Error(error) => return Err(Cause::Refused(error)),
            _ => return Err(Cause::Unexpected("it breaks SCRAM off")),
        };
        // Thousands of hashes, as many as the server says, up to a bound of the library: not on the core.
        let scram = blocking::run(move || {
            let mut scram = scram;
            scram.update(&challenge).map(|()| scram)
        });
        let mut scram = match scram.await {
            Ok(Ok(scram)) => scram,
            Ok(Err(error)) => return refuse(format!("the server's part of SCRAM is wrong: {error}")),
            Err(error) => return Err(Cause::io(std::io::Error::other(error))),
        };
        let mut out = BytesMut::new();
        frontend::sasl_response(scram.message(), &mut out).map_err(Cause::io)?;
        self.send(out).await?;

        match self.next().await? {
            // It proves that the server knows the password too, so it must not be passed over.
            Step::SaslFinal(data) => {
                if scram.finish(&data).is_err() {
                    return refuse("the server does not know the password: it may be another server");
                }
            }
            Step::Error(error) => return Err(Cause::Refused(error)),
            _ => return Err(Cause::Unexpected("it breaks SCRAM off")),
        }
        self.is_believed().await
    }
}
