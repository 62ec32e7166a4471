//! What the OpenAPI document says of the whole.

use hpl_spec::api::{PROBLEM_JSON, Problem};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, Ref, RefOr, Response};
use utoipa::{Modify, OpenApi, ToSchema};

/// The frame that the routes are put into.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "High Performance Linpack as a service",
        description = "Submit HPL runs, watch them, get verified results. Errors are application/problem+json \
                       with a stable `code`. Times are milliseconds since the Unix epoch.",
        license(name = "MIT OR Apache-2.0"),
    ),
    modifiers(&Doors),
    components(schemas(Problem)),
    tags(
        (name = "accounts", description = "Accounts, sessions, tokens"),
        (name = "jobs", description = "Jobs, sweeps, benchmarks, nodes"),
        (name = "watch", description = "Events, logs, artifacts"),
        (name = "results", description = "Results, leaderboards, certificates"),
        (name = "leaderboards", description = "Who is the fastest"),
        (name = "operation", description = "For those who run the service"),
        (name = "admin", description = "What administrators do"),
        (name = "agent", description = "What nodes say"),
    )
)]
struct Frame;

/// Where nobody has proved anything yet.
const ENTRANCES: [&str; 5] = ["/api/v1/signup", "/api/v1/login", "/api/v1/recover", "/healthz", "/readyz"];
/// What a token may not do; see [`super::accounts::by_session`].
const SESSION_ONLY: [&str; 6] = [
    "/api/v1/logout",
    "/api/v1/me/password",
    "/api/v1/me/recovery-codes",
    "/api/v1/me/sessions",
    "/api/v1/me/sessions/{id}",
    "/api/v1/me/tokens",
];

/// How callers prove who they are.
struct Doors;

impl Modify for Doors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("hpl_u_ for people, hpl_n_ for nodes, hpl_a_ for attempts, hpl_j_ to join"))
            .build();
        let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("__Host-hpl")));
        let parts = document.components.get_or_insert_default();
        parts.add_security_scheme("token", SecurityScheme::Http(token));
        parts.add_security_scheme("session", session);
    }
}

/// The document without its routes.
pub fn document() -> utoipa::openapi::OpenApi {
    Frame::openapi()
}

/// Says of every operation what is the same for many: that any error is a [`Problem`], and who may call.
pub fn complete(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            let responses = &mut operation.responses.responses;
            responses.entry("default".into()).or_insert_with(|| RefOr::T(Response::new("An error")));
            for (status, response) in responses.iter_mut() {
                let RefOr::T(response) = response else { continue };
                let error = status == "default" || status.starts_with(['4', '5']);
                if error {
                    explain(response);
                }
                // The standard asks for one.
                if response.description.is_empty() {
                    response.description = if error { "An error" } else { "It is done" }.into();
                }
            }
            if operation.security.is_none() {
                operation.security = Some(who_may(path, operation));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// Makes an answer a problem, unless it has a form of its own.
fn explain(response: &mut Response) {
    let problem = Ref::from_schema_name(Problem::name());
    let own = response.content.keys().any(|media| media != "application/json" && media != PROBLEM_JSON);
    if !own {
        response.content.clear();
        response.content.insert(PROBLEM_JSON.into(), RefOr::T(Content::new(Some(RefOr::Ref(problem)))));
    }
}

/// By what callers of an operation prove who they are; the empty one is nobody.
fn who_may(path: &str, operation: &Operation) -> Vec<SecurityRequirement> {
    let is = |word: &str| operation.tags.iter().flatten().any(|tag| tag == word);
    let (token, session) = (requirement("token"), requirement("session"));
    let anybody = SecurityRequirement::default();
    if ENTRANCES.contains(&path) {
        vec![anybody]
    } else if SESSION_ONLY.contains(&path) {
        vec![session]
    } else if is("admin") || path.starts_with("/api/v1/me") {
        vec![token, session]
    } else {
        vec![anybody, token, session]
    }
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, Vec::<String>::new())
}
