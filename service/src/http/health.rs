//! Whether the service lives, and whether it is ready to be sent requests: `ok` or `not ok`, and no more.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Shared};
use crate::db::events;
use crate::disk::DiskState;
use crate::http::layers::OwnWords;

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a look is good for: whoever asks more often costs nothing.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last look at whether the service is ready.
#[derive(Debug, Clone, Default)]
pub struct Probe(Arc<Mutex<Option<(Instant, bool)>>>);

impl Probe {
    /// Whether the database can be read and written within a second; at most a second old.
    async fn database_answers(&self, app: &App) -> bool {
        let mut last = self.0.lock().await;
        if let Some((at, ok)) = *last
            && at.elapsed() < GOOD_FOR
        {
            return ok;
        }
        let reads = async { events::answers(&mut *app.db.read().await?).await };
        // A unit that changes nothing: it shows that the writer takes its turns, and puts nothing on the disk.
        let writes = app.db.write(|_| Box::pin(async { Ok(()) }));
        let ok = timeout(PATIENCE, async { tokio::join!(reads, writes) }).await;
        let ok = matches!(ok, Ok((Ok(()), Ok(()))));
        *last = Some((Instant::now(), ok));
        ok
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

/// Whether the service takes requests at all
#[utoipa::path(get, path = "/healthz", tag = "operation",
    responses((status = 200, description = "`ok`", content_type = "text/plain", body = String)))]
async fn healthz() -> Response {
    answer(true)
}

/// Whether the service can do its work
///
/// It is not ready if the database does not answer within a second, the disk is nearly full, or the service stops.
#[utoipa::path(get, path = "/readyz", tag = "operation",
    responses((status = 200, description = "`ok`", content_type = "text/plain", body = String),
              (status = 503, description = "`not ok`", content_type = "text/plain", body = String)))]
async fn readyz(State(app): State<Shared>) -> Response {
    let well = !app.stop.is_cancelled() && app.disk.state() != DiskState::Critical;
    answer(well && app.probe.database_answers(&app).await)
}

fn answer(ok: bool) -> Response {
    let (status, text) = if ok { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ok\n") };
    let mut response = (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
    response.extensions_mut().insert(OwnWords);
    response
}
