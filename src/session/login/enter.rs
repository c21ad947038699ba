//! What follows a login: the session begins under the identity that the login found.

use std::rc::Rc;

use super::entry::LoginPhase;
use super::pass_through::{NotPassed, PassThrough, PassedIn, PassingClient};
use super::phase::{Authenticated, LetIn, LoginClaim};
use crate::backend::Login;
use crate::net::{Buf, Runtime};
use crate::session::Session;
use crate::session::command::level_of;
use crate::session::observe::audit_login;
use crate::terms::Close;
use crate::worker::{Levels, Signals};

impl<R: Runtime> Session<R> {
    /// Returns the part of the session that logs its client in.
    pub(in crate::session) fn login_phase(&mut self) -> LoginPhase<'_, R> {
        LoginPhase { context: &self.context, client: &mut self.client }
    }

    fn pass_through(&mut self) -> PassThrough<'_, R> {
        let written = &self.state.written;
        PassThrough { context: &self.context, client: &mut self.client, reads: &mut self.reads, written }
    }

    /// Authenticates the client, and records that.
    pub(super) async fn log_in_as(
        &mut self,
        claim: LoginClaim,
        changes_user: bool,
        buf: &mut Buf,
        seq: u8,
    ) -> Result<(), Close> {
        let user = (!self.context.audited.get().is_empty()).then(|| claim.user.clone());
        self.client.greeted.refused.set(None);
        self.client.greeted.told = None;
        let done = self.log_in(claim, buf, seq).await;
        if let Some(user) = user {
            audit_login(&self.context, &self.client, &user, changes_user, done.as_ref().err().copied());
        }
        done
    }

    async fn log_in(&mut self, claim: LoginClaim, buf: &mut Buf, seq: u8) -> Result<(), Close> {
        match self.login_phase().authenticate(claim, buf, seq).await? {
            Authenticated::OnlyClient { claim, perhaps_socket, seq } => {
                Box::pin(self.pass_login(claim, perhaps_socket, buf, seq)).await
            }
            Authenticated::LetIn(LetIn { claim, login, proof, seq }) => {
                self.enter(&claim, login, seq).await?;
                if let Some(schema) = claim.schema
                    && let Err(failure) = Box::pin(self.check_schema(schema)).await
                {
                    return Err(self.client.refuse(seq, &failure, Close::LoginFailed).await);
                }
                self.begin_as_servers_do().await;
                self.send_login_ok(seq, &proof).await
            }
        }
    }

    /// Lets the client log in to a server itself, and keeps the connection for it.
    async fn pass_login(
        &mut self,
        claim: LoginClaim,
        perhaps_socket: bool,
        buf: &mut Buf,
        mut seq: u8,
    ) -> Result<(), Close> {
        let applicant = PassingClient {
            user: &claim.user,
            schema: claim.schema.as_deref(),
            collation: claim.collation,
            attributes: &claim.attributes,
            perhaps_socket,
        };
        let passed = match self.pass_through().log_in(applicant, buf, &mut seq).await {
            Ok(passed) => passed,
            Err(NotPassed::Close(close)) => return Err(close),
            Err(NotPassed::Refused(refused, failure)) => {
                self.login_phase().note_failed_login(refused, &claim.user);
                return Err(self.client.refuse(seq, &failure, Close::LoginFailed).await);
            }
        };
        let PassedIn { login, on_server } = passed;
        self.enter(&claim, login, seq).await?;
        self.adopt(on_server);
        self.begin_as_servers_do().await;
        self.send_login_ok(seq, b"").await
    }

    /// Begins the session of a client that is let in, unless a limit of its account forbids that.
    async fn enter(&mut self, claim: &LoginClaim, login: Login, seq: u8) -> Result<(), Close> {
        let level = match claim.level.as_deref().map(level_of).transpose() {
            Ok(level) => level,
            Err(failure) => return Err(self.client.refuse(seq, &failure, Close::LoginFailed).await),
        };
        if let Err(failure) = self.login_phase().pass_as(&login.user) {
            return Err(self.client.refuse(seq, &failure, Close::LoginFailed).await);
        }
        let attributes = Some(&*claim.attributes).filter(|all| !all.is_empty());
        self.client.handle.attributes.replace(attributes.map(Into::into));
        let levels = Levels { set: None, attribute: level };
        self.logged_in(Rc::new(login), claim.schema.as_deref(), claim.collation, levels);
        Ok(())
    }

    pub(super) fn logged_in(
        &mut self,
        login: Rc<Login>,
        schema: Option<&[u8]>,
        collation: u16,
        levels: Levels,
    ) {
        self.client.handle.login.replace(Some(login.clone()));
        self.client.handle.active.set(self.context.seconds.get());
        self.client.handle.signal.lower(Signals::LOGIN | Signals::LEAVE);
        self.client.login = Some(login);
        self.client.collation = collation;
        self.context.choose_levels(&self.client.handle, levels);
        self.reads.level = self.client.handle.level.get();
        self.state.begin_anew(schema, collation, Some(self.context.metrics.clone()));
        self.context.states.share(&mut self.state.carried);
    }
}
