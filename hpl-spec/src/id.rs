//! Names of jobs, attempts, nodes and sweeps: 128 bits that sort by time, never counted up. A counter
//! would be dealt a second time after the service was restored from a backup, and a node that still holds
//! the old attempt would speak for the wrong one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no id; expected 36 characters like 0190f5fe-7c00-7a3b-8b1e-111111111111")]
pub struct IdError {
    /// What was found, cut to 60 characters.
    pub found: String,
}

/// Lower-case hexadecimal digits in groups of 8, 4, 4, 4 and 12, with hyphens between them.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

macro_rules! id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = "uuid"))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_uuid(text) {
                    Ok($name(text.to_owned()))
                } else {
                    Err(IdError { found: text.chars().take(60).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A job: one run that somebody asked for.
    JobId
}
id! {
    /// One try to run a job, on one set of nodes.
    AttemptId
}
id! {
    /// A compute node, from its join on.
    NodeId
}
id! {
    /// Jobs that were submitted together.
    SweepId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_ids() {
        let good = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
        assert_eq!(good.parse::<JobId>().unwrap().as_str(), good);
        for bad in
            ["", "1", "0190F5FE-7c00-7a3b-8b1e-0123456789ab", "0190f5fe-7c00-7a3b-8b1e-0123456789a/", "../../etc"]
        {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<NodeId>("\"x\"").is_err());
        assert_eq!(serde_json::to_string(&good.parse::<NodeId>().unwrap()).unwrap(), format!("\"{good}\""));
    }
}
