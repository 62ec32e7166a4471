//! Every route of the OpenAPI document, asked by those who must not be answered.

use std::path::Path;

use serde_json::{Value, json};
use service::secret::{Secret, TokenKind};

use crate::support::{Call, PASSWORD, World, at, get, post};

/// An id that nothing has.
const ABSENT: &str = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";

/// Where pages send their forms.
const PAGES: [&str; 30] = [
    "/login",
    "/signup",
    "/logout",
    "/recover",
    "/submit",
    "/account/password",
    "/account/recovery-codes",
    "/account/tokens",
    "/account/tokens/1/revoke",
    "/account/sessions/others/end",
    "/account/sessions/{id}/end",
    "/jobs/{id}/submit",
    "/jobs/{id}/cancel",
    "/jobs/{id}/requeue",
    "/jobs/{id}/delete",
    "/jobs/{id}/visibility",
    "/sweeps/{id}/submit",
    "/sweeps/{id}/cancel",
    "/sweeps/new",
    "/operator/nodes/{id}/drain",
    "/operator/nodes/{id}/undrain",
    "/operator/nodes/{id}/revoke",
    "/operator/join-tokens",
    "/operator/join-tokens/1/revoke",
    "/operator/quotas",
    "/operator/quotas/clear",
    "/operator/invites",
    "/operator/invites/1/revoke",
    "/operator/users/ada/disable",
    "/operator/users/ada/enable",
];

/// An operation of the document.
struct Operation {
    method: &'static str,
    path: String,
    name: String,
    tag: String,
    /// Whether the document says that nobody may call without a proof.
    closed: bool,
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&service::http::openapi()).unwrap();
    let methods = [("get", "GET"), ("put", "PUT"), ("post", "POST"), ("delete", "DELETE"), ("patch", "PATCH")];
    let mut all = vec![];
    for (path, item) in document["paths"].as_object().unwrap() {
        for (key, method) in methods {
            let operation = &item[key];
            if operation.is_null() {
                continue;
            }
            let open = operation["security"].as_array().unwrap().iter().any(|way| way == &json!({}));
            all.push(Operation {
                method,
                path: path.clone(),
                name: operation["operationId"].as_str().unwrap().to_owned(),
                tag: operation["tags"][0].as_str().unwrap().to_owned(),
                closed: !open,
            });
        }
    }
    assert!(all.len() > 60);
    all
}

impl Operation {
    fn is_of_nodes(&self) -> bool {
        self.tag == "agent"
    }

    fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// The request of somebody who knows what this address wants, about the thing with that id.
    fn call(&self, id: &str) -> Call {
        let values = [
            ("{id}", if self.path.contains("/me/tokens") { "77" } else { id }),
            ("{name}", if self.path.contains("/admin/") { "ada" } else { "HPL.out" }),
            ("{name}", "hpl"),
            ("{benchmark}", "hpl"),
            ("{subject}", "user:ada"),
            ("{stream}", "out"),
            ("{kind}", "artifacts"),
            ("{node}", ABSENT),
            ("{attempt}", ABSENT),
        ];
        let path = values.iter().fold(self.path.clone(), |path, (name, value)| path.replace(name, value));
        let call = at(self.method, &path);
        match self.body() {
            Some(body) => call.json(body),
            None => call,
        }
    }

    fn body(&self) -> Option<Value> {
        let run = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}});
        Some(match self.name.as_str() {
            "submit_job" | "estimate" => run,
            "extend_job" => json!({"walltime_s": 7200}),
            "set_job_visibility" => json!({"visibility": "public"}),
            "hold_job" | "flag_result" | "unflag_result" => json!({"why": "a test"}),
            "create_user" => json!({"username": "mallory", "password": PASSWORD, "admin": true}),
            "sign_up" => json!({"username": "mallory", "password": PASSWORD}),
            "log_in" => json!({"username": "ada", "password": PASSWORD}),
            "recover" => json!({"username": "ada", "recovery_code": "x", "new_password": PASSWORD}),
            "change_password" => json!({"password": PASSWORD, "new_password": "entirely new words"}),
            "renew_recovery_codes" => json!({"password": PASSWORD}),
            "create_token" => json!({"name": "x", "scopes": ["read"]}),
            "create_invite" => json!({"uses": 1, "days": 1}),
            "create_join_token" => json!({"nodes": 2}),
            "set_quota" => json!({"running_max": 100}),
            _ if self.is_of_nodes() && self.changes() => json!({}),
            _ => return None,
        })
    }
}

/// The addresses in the sources of the pages that take a form.
fn forms_of_the_sources() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/pages")];
    let mut found = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let routes = text.lines().flat_map(|line| line.split(".route(\"").skip(1));
                let posts = routes.filter(|route| route.contains("post(")).filter_map(|route| route.split('"').next());
                found.extend(posts.map(str::to_owned));
            }
        }
    }
    found
}

#[test]
fn every_form_of_the_pages_is_looked_at() {
    let found = forms_of_the_sources();
    assert_eq!(found.len(), PAGES.len(), "{found:?}");
    for form in found {
        let same = |page: &str| {
            let (one, other) = (page.split('/'), form.split('/'));
            one.clone().count() == other.clone().count()
                && one.zip(other).all(|(one, other)| one == other || other.starts_with('{'))
        };
        assert!(PAGES.into_iter().any(same), "{form} is not in the list");
    }
}

/// A job of ada's that nobody else sees; its id.
async fn private_job(world: &World, cookie: &str) -> String {
    let run =
        json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}, "visibility": "private"});
    let made = post("/jobs", run).cookie(cookie).send(world).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.text("/jobs/0/id")
}

#[tokio::test]
async fn no_route_changes_anything_for_a_page_of_another_site() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let job = private_job(&world, &cookie).await;
    let before = get(&format!("/jobs/{job}")).cookie(&cookie).send(&world).await.body;
    let audit = world.audit().await;
    let mut asked = 0;
    for operation in operations().iter().filter(|o| o.changes() && !o.is_of_nodes()) {
        for (name, value) in [
            ("origin", "http://evil.test"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("x-nothing-is-said", "1"),
        ] {
            let answer = operation.call(&job).header("cookie", &cookie).header(name, value).send(&world).await;
            assert_eq!(answer.verdict(), (403, "cross_origin"), "{} {name}: {value}", operation.name);
            assert!(answer.set_cookies().is_empty(), "{}", operation.name);
            asked += 1;
        }
    }
    for page in PAGES {
        let form = at("POST", &page.replace("{id}", &job)).header("content-type", "application/x-www-form-urlencoded");
        let answer = form.header("cookie", &cookie).header("origin", "http://evil.test").send(&world).await;
        assert_eq!(answer.status, 403, "{page}: {}", answer.body);
        let form = at("POST", &page.replace("{id}", &job)).header("content-type", "application/x-www-form-urlencoded");
        let without_token = form.cookie(&cookie).send(&world).await;
        assert!(without_token.status >= 400 && without_token.status < 500, "{page}: {}", without_token.body);
    }
    assert!(asked > 100, "{asked}");
    assert_eq!(get(&format!("/jobs/{job}")).cookie(&cookie).send(&world).await.body, before);
    assert_eq!(world.audit().await, audit);
}

#[tokio::test]
async fn what_needs_a_log_in_is_refused_without_one_and_what_needs_an_administrator_to_all_others() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let eve = world.sign_up("eve").await.cookie();
    let job = private_job(&world, &cookie).await;
    let request = json!({"name": "t", "scopes": ["read", "submit"]});
    let token = post("/me/tokens", request).cookie(&eve).send(&world).await.text("/token");
    for operation in operations() {
        if operation.closed {
            let answer = operation.call(&job).send(&world).await;
            assert_eq!(answer.verdict(), (401, "unauthenticated"), "{}: {}", operation.name, answer.body);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        if operation.tag == "admin" {
            let answer = operation.call(&job).cookie(&eve).send(&world).await;
            assert_eq!(answer.verdict(), (403, "forbidden"), "{}: {}", operation.name, answer.body);
            let answer = operation.call(&job).bearer(&token).send(&world).await;
            assert_eq!(answer.verdict(), (403, "wrong_scope"), "{}: {}", operation.name, answer.body);
        }
    }
}

#[tokio::test]
async fn a_private_job_is_as_absent_for_all_but_its_owner() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let eve = world.sign_up("eve").await.cookie();
    let job = private_job(&world, &cookie).await;
    let make = async |cookie: &str, scopes: Value| {
        post("/me/tokens", json!({"name": "t", "scopes": scopes})).cookie(cookie).send(&world).await.text("/token")
    };
    let token = make(&eve, json!(["read", "submit"])).await;
    let way = |who: &str, call: Call| match who {
        "a session" => call.cookie(&eve),
        "a token" => call.bearer(&token),
        _ => call,
    };
    let mut asked = 0;
    for operation in operations().iter().filter(|o| o.path.contains("{id}") && !o.path.contains("/me/")) {
        for who in ["nobody", "a session", "a token"] {
            let there = way(who, operation.call(&job)).send(&world).await;
            let absent = way(who, operation.call(ABSENT)).send(&world).await;
            assert!(there.status >= 400, "{} {who}", operation.name);
            assert_eq!(there.without_id(), absent.without_id(), "{} {who}", operation.name);
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked}");
    for path in [format!("/jobs/{job}"), format!("/jobs/{job}/history")] {
        assert_eq!(get(&path).cookie(&cookie).send(&world).await.status, 200);
    }
    for list in ["/jobs", "/jobs?owner=ada", "/results", "/results?user=ada&all=true", "/results.csv"] {
        for call in [get(list), get(list).cookie(&eve), get(list).bearer(&token)] {
            assert!(!call.send(&world).await.body.to_string().contains(&job), "{list}");
        }
    }
    // A token sees no more than its scopes, not even of its owner's things; nor does an administrator's.
    let mine = make(&cookie, json!(["read"])).await;
    assert_eq!(get(&format!("/jobs/{job}")).bearer(&mine).send(&world).await.status, 200);
    let grace = world.admin("grace").await.cookie();
    for (scopes, status) in [(json!(["metrics"]), 404), (json!(["read", "submit"]), 404), (json!(["admin"]), 200)] {
        let token = make(&grace, scopes.clone()).await;
        assert_eq!(get(&format!("/jobs/{job}")).bearer(&token).send(&world).await.status, status, "{scopes}");
        let cancel = at("POST", &format!("/api/v1/jobs/{job}/cancel")).bearer(&token).send(&world).await;
        assert!(cancel.status >= 400, "{scopes}: {}", cancel.body);
    }
}

#[tokio::test]
async fn a_public_job_is_changed_by_its_owner_alone() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let eve = world.sign_up("eve").await.cookie();
    let run = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}});
    let job = post("/jobs", run).cookie(&cookie).send(&world).await.text("/jobs/0/id");
    let before = get(&format!("/jobs/{job}")).send(&world).await.body;
    for operation in operations().iter().filter(|o| o.path.contains("/jobs/{id}") && o.changes()) {
        let answer = operation.call(&job).cookie(&eve).send(&world).await;
        assert_eq!(answer.verdict(), (403, "forbidden"), "{}: {}", operation.name, answer.body);
    }
    assert_eq!(get(&format!("/jobs/{job}")).send(&world).await.body, before);
}

#[tokio::test]
async fn a_token_of_another_kind_opens_no_route() {
    let world = World::open().await;
    world.sign_up("ada").await;
    let kinds = [TokenKind::User, TokenKind::Node, TokenKind::Attempt, TokenKind::Join, TokenKind::Invite];
    let tokens = kinds.map(|kind| Secret::new(kind).reveal().to_owned());
    for operation in operations().iter().filter(|o| o.tag != "operation") {
        for token in &tokens {
            let answer = operation.call(ABSENT).bearer(token).send(&world).await;
            // An attempt that is not there is not there, whatever the token; a join token is looked up with the body.
            let ok = answer.status == 401 || operation.is_of_nodes() && matches!(answer.status, 400 | 404 | 415 | 422);
            assert!(ok, "{} {} {}", operation.name, &token[..6], answer.body);
            assert!(!answer.body.to_string().contains(&token[6..]), "{}", operation.name);
        }
    }
}

#[tokio::test]
async fn every_kind_of_answer_has_the_headers() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let calls = [
        get("/me").cookie(&cookie),
        get("/me"),
        get("/jobs"),
        get("/jobs?limit=x"),
        get("/nothing"),
        at("PATCH", "/api/v1/me"),
        get("/results.csv"),
        get("/key"),
        at("GET", "/healthz"),
        at("GET", "/readyz"),
        at("GET", "/metrics"),
        at("POST", "/agent/v1/claim"),
        post("/login", json!({"username": "ada", "password": PASSWORD})),
        post("/login", json!({"username": "ada", "password": PASSWORD})).header("origin", "http://evil.test"),
        at("POST", "/api/v1/logout").cookie(&cookie),
    ];
    for call in calls {
        let answer = call.send(&world).await;
        let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let policy = header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(header("x-request-id").len() == 36 && header("strict-transport-security").is_empty());
        assert!(header("server").is_empty() && header("access-control-allow-origin").is_empty());
    }
}
