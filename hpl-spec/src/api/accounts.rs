//! What people and the service say to each other about accounts. Times are milliseconds since the epoch.

use serde::{Deserialize, Serialize};

/// A new account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignUpRequest {
    /// 3 to 32 of a-z, 0-9, _ and -, the first one a letter or a digit.
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 32, pattern = "^[a-z0-9][a-z0-9_-]*$"))]
    pub username: String,
    /// 10 to 128 characters, none of the commonest.
    #[cfg_attr(feature = "openapi", schema(min_length = 10, max_length = 128))]
    pub password: String,
    /// An invitation, where the service asks for one.
    #[serde(default)]
    pub invite: Option<String>,
}

/// The account is made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignUpReply {
    /// The account.
    pub user: User,
    /// The only way back in if the password is lost: each works once. They are shown this once.
    pub recovery_codes: Vec<String>,
}

/// A log-in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LogInRequest {
    /// The username.
    pub username: String,
    /// The password.
    pub password: String,
}

/// A new password by way of a recovery code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RecoverRequest {
    /// The username.
    pub username: String,
    /// One of the codes that were shown at sign-up.
    pub recovery_code: String,
    /// The password from now on.
    #[cfg_attr(feature = "openapi", schema(min_length = 10, max_length = 128))]
    pub new_password: String,
}

/// The password is changed, and every session is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoverReply {
    /// Recovery codes that are left.
    pub recovery_codes_left: u32,
}

/// A new password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The password until now.
    pub password: String,
    /// The password from now on.
    #[cfg_attr(feature = "openapi", schema(min_length = 10, max_length = 128))]
    pub new_password: String,
}

/// New recovery codes are wanted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RecoveryCodesRequest {
    /// The password.
    pub password: String,
}

/// New recovery codes, which are shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecoveryCodes {
    /// Each works once; the ones before work no longer.
    pub recovery_codes: Vec<String>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// The username.
    pub username: String,
    /// Whether this is an administrator.
    pub admin: bool,
    /// A course or team, or nothing.
    pub cohort: String,
    /// When it was made.
    pub created_at: i64,
    /// Since when it is disabled, if it is.
    pub disabled_at: Option<i64>,
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// The account.
    pub user: User,
    /// What the token may do; None for a session, which may do all that its user may.
    pub scopes: Option<Vec<TokenScope>>,
    /// What is allowed to this user.
    pub quota: QuotaLimits,
    /// Recovery codes that are left.
    pub recovery_codes_left: u32,
}

/// What is allowed to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuotaLimits {
    /// Runs at the same time.
    pub running_max: u32,
    /// Waiting jobs and sweeps.
    pub queued_max: u32,
    /// The longest walltime of a job, in seconds.
    pub walltime_max_s: u32,
}

/// The sessions of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// The one used last first.
    pub sessions: Vec<SessionInfo>,
}

/// A session: a browser that is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionInfo {
    /// Its name; it opens nothing.
    pub id: String,
    /// Whether this request came by it.
    pub current: bool,
    /// When it began.
    pub created_at: i64,
    /// When it was last used, to the minute.
    pub seen_at: i64,
    /// When it ends if it is not used.
    pub expires_at: i64,
    /// Where it began.
    pub address: String,
    /// What the browser called itself.
    pub agent: String,
}

/// How many sessions were ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionsEnded {
    /// How many.
    pub ended: u64,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// See what its user sees.
    Read,
    /// Submit, cancel, requeue and delete jobs.
    Submit,
    /// What administrators do; only for tokens of administrators.
    Admin,
    /// Read `/metrics`; only for tokens of administrators.
    Metrics,
}

/// A new API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for, in 1 to 64 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
    pub name: String,
    /// What it may do; at least one.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub scopes: Vec<TokenScope>,
    /// After how many days it ends, 1 to 366; left out: 90.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 366))]
    pub expires_in_days: Option<u32>,
}

/// The token is made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// The token itself. It is shown this once.
    pub token: String,
    /// What is known about it from now on.
    pub info: TokenInfo,
}

/// The tokens of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// The latest first; those that ended longer than 30 days ago are left out.
    pub tokens: Vec<TokenInfo>,
}

/// What is known about a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// Its number; it opens nothing.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<TokenScope>,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// When it was last used, to the minute.
    pub last_used_at: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
}

/// A new account, made by an administrator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateUserRequest {
    /// 3 to 32 of a-z, 0-9, _ and -, the first one a letter or a digit.
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 32, pattern = "^[a-z0-9][a-z0-9_-]*$"))]
    pub username: String,
    /// 10 to 128 characters, none of the commonest.
    #[cfg_attr(feature = "openapi", schema(min_length = 10, max_length = 128))]
    pub password: String,
    /// Whether this is to be an administrator.
    #[serde(default)]
    pub admin: bool,
    /// A course or team: at most 32 of a-z, 0-9, _ and -.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 32, pattern = "^[a-z0-9_-]*$"))]
    pub cohort: String,
}

/// A page of accounts, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserPage {
    /// The accounts.
    pub users: Vec<User>,
    /// Give this as `after` to read on; None at the end.
    pub next: Option<String>,
}

/// A new invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InviteRequest {
    /// How many accounts it is good for, 1 to 1000; left out: 1.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000))]
    pub uses: Option<u32>,
    /// After how many days it ends, 1 to 366; left out: 7.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 366))]
    pub days: Option<u32>,
    /// The cohort of those accounts: at most 32 of a-z, 0-9, _ and -.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 32, pattern = "^[a-z0-9_-]*$"))]
    pub cohort: String,
}

/// The invitation is made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewInvite {
    /// The invitation itself. It is shown this once.
    pub invite: String,
    /// How many accounts it is good for.
    pub uses: u32,
    /// When it ends.
    pub expires_at: i64,
    /// The cohort of those accounts, or nothing.
    pub cohort: String,
}

/// What is allowed to a user or a cohort, in place of what was set before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct QuotaRequest {
    /// Runs at the same time; left out: as the cohort or the service has it.
    #[serde(default)]
    pub running_max: Option<u32>,
    /// Waiting jobs and sweeps; left out: as the cohort or the service has it.
    #[serde(default)]
    pub queued_max: Option<u32>,
    /// The longest walltime of a job in seconds, above 0; left out: as the cohort or the service has it.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub walltime_max_s: Option<u32>,
}

/// A page of the audit log, the latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditPage {
    /// The rows.
    pub entries: Vec<AuditEntry>,
    /// Give this as `before` to read on; None at the end.
    pub next: Option<i64>,
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its place in the log.
    pub id: i64,
    /// When.
    pub at: i64,
    /// Who: a username, `node:NAME`, `console` or `service`.
    pub actor: String,
    /// What.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// From where.
    pub address: String,
    /// What was there before.
    pub before: Option<String>,
    /// What is there now.
    pub after: Option<String>,
}
