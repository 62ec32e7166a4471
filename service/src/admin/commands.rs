//! The console's commands as the command line has them.

use clap::{Args, Subcommand};

/// What can be done on the data folder, whether the service runs or not.
#[derive(Debug, Clone, Subcommand)]
pub enum Admin {
    /// Make an administrator; the password is asked for, or read from standard input
    CreateAdmin {
        /// The username
        name: String,
    },
    /// Make an account; the password is asked for, or read from standard input
    CreateUser {
        /// The username
        name: String,
        /// A course or team
        #[arg(long, default_value = "", hide_default_value = true)]
        cohort: String,
    },
    /// Disable an account: its sessions end, its tokens open nothing, its jobs are cancelled
    DisableUser {
        /// The username
        name: String,
    },
    /// Enable an account again
    EnableUser {
        /// The username
        name: String,
    },
    /// Make an invitation to sign up
    Invite {
        /// How many accounts it is good for
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// After how many days it ends
        #[arg(long, default_value_t = 7)]
        days: u32,
        /// The cohort of those accounts
        #[arg(long, default_value = "", hide_default_value = true)]
        cohort: String,
    },
    /// List the invitations that can be used
    ListInvites,
    /// Revoke an invitation; accounts that were made by it stay
    RevokeInvite {
        /// Its number in the list
        id: i64,
    },
    /// Make a token by which nodes join; prints the join string
    JoinToken(JoinToken),
    /// Revoke a join token; nodes that have joined stay
    RevokeJoinToken {
        /// Its number in the list
        id: i64,
    },
    /// List the join tokens that can be used
    ListJoinTokens,
    /// List the nodes
    Nodes,
    /// Revoke a node: its token opens nothing any more
    RevokeNode {
        /// Its id, or its name
        node: String,
    },
    /// Give a node no new jobs; what it runs goes on
    DrainNode {
        /// Its id, or its name
        node: String,
        /// Give it jobs again
        #[arg(long)]
        undo: bool,
    },
    /// Set what a user or a cohort may do, in place of what was set before
    SetQuota(SetQuota),
    /// Look whether everything in the database is as it must be
    Check,
    /// Show the audit log, the latest first
    Audit {
        /// How many rows, at most 500
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Rows of this action only, e.g. session.begin
        #[arg(long)]
        action: Option<String>,
    },
}

/// A token by which nodes join.
#[derive(Debug, Clone, Args)]
pub struct JoinToken {
    /// A label of the nodes, such as gpu or room-3; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Results of these nodes can be Verified
    #[arg(long)]
    pub trusted: bool,
    /// How many nodes may join by it
    #[arg(long, default_value_t = 1)]
    pub nodes: u32,
    /// After how many minutes it ends
    #[arg(long, default_value_t = 15)]
    pub minutes: u32,
}

/// What a user or a cohort may do. What is left out is as the cohort or the service has it.
#[derive(Debug, Clone, Args)]
pub struct SetQuota {
    /// For this user
    #[arg(long, value_name = "NAME", required_unless_present = "cohort", conflicts_with = "cohort")]
    pub user: Option<String>,
    /// For this cohort
    #[arg(long, value_name = "NAME")]
    pub cohort: Option<String>,
    /// Runs at the same time
    #[arg(long, value_name = "RUNS")]
    pub running: Option<u32>,
    /// Waiting jobs and sweeps
    #[arg(long, value_name = "JOBS")]
    pub queued: Option<u32>,
    /// Longest walltime of a job
    #[arg(long, value_name = "SECONDS")]
    pub walltime: Option<u32>,
}
