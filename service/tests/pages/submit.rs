//! The page Submit: an address fills it, presets fill it, what is said stands at its field, and nothing is lost on the
//! way to the log-in.

use axum::http::StatusCode;

use crate::site::{Page, site};

/// The part of a page from one text to the next occurrence of another.
fn between<'p>(page: &'p Page, from: &str, to: &str) -> &'p str {
    let rest = page.text.split(from).nth(1).unwrap_or_else(|| panic!("no {from}: {}", page.text));
    rest.split(to).next().unwrap()
}

/// What stands in a field.
fn value(page: &Page, name: &str) -> String {
    between(page, &format!("id=\"f-{name}\" name=\"{name}\" value=\""), "\"").to_owned()
}

/// What is said of a field below it.
fn said<'p>(page: &'p Page, name: &str) -> &'p str {
    between(page, &format!("id=\"at-{name}\">"), "</div>")
}

#[tokio::test]
async fn an_address_fills_every_field_by_its_name_on_the_wire() {
    let site = site(&[]).await;
    let mut stranger = site.browser();
    let page = stranger
        .get(
            "/submit?n=4096&nb=128&p=1&q=2&order=column_major&pfact=crout&nbmin=4&ndiv=3&rfact=left&bcast=long&depth=0\
             &swap=mix&swap_threshold=32&l1=no_transposed&u=no_transposed&equil=false&align=4&title=mine&walltime_s=90\
             &cores=2&labels=a,b&visibility=private&unknown=1&%3Cb%3E=2",
        )
        .await;
    assert_eq!(page.status, StatusCode::OK);
    for (name, stands) in [
        ("n", "4096"),
        ("nb", "128"),
        ("p", "1"),
        ("q", "2"),
        ("nbmin", "4"),
        ("ndiv", "3"),
        ("depth", "0"),
        ("swap_threshold", "32"),
        ("align", "4"),
        ("title", "mine"),
        ("walltime_s", "90"),
        ("cores", "2"),
        ("labels", "a,b"),
    ] {
        assert_eq!(value(&page, name), stands, "{name}");
    }
    for word in ["column_major", "crout", "left", "long", "mix", "no_transposed", "false", "private"] {
        assert!(page.has(&format!("<option value=\"{word}\" selected>")), "{word}");
    }
    assert!(!page.has("unknown") && !page.has("<b>"));
    // It is priced at once, and the file is the one that would be run.
    assert!(page.has("4096         Ns") && page.has("128          NBs") && page.has("no node has joined yet"));
    // Every parameter leads to its lesson.
    for topic in ["n", "nb", "grid", "panel", "broadcast", "depth", "swap", "storage", "residual"] {
        assert!(page.has(&format!("href=\"/learn/{topic}\"")), "{topic}");
    }
    // A pasted file comes the same way.
    let dat = include_str!("../../../validation/browser/two-runs.dat");
    let input: String = dat.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let page = stranger.get(&format!("/submit?input={input}")).await;
    assert!(page.has("2 runs: cannot be predicted yet") && page.has("Its runs, one by one"), "{}", page.text);
}

#[tokio::test]
async fn presets_fill_the_form_for_the_node_there_is() {
    let site = site(&["--walltime-max", "40"]).await;
    let mut browser = site.browser();
    let page = browser.get("/submit?preset=first").await;
    assert!(
        page.has("No node has joined yet") && page.has("no time is told") && !value(&page, "n").is_empty(),
        "{}",
        page.text
    );

    site.join_node().await;
    let page = browser.get("/submit?preset=first").await;
    // 80 % of 120 Gflop/s for 30 s: 2/3 N^3 + 3/2 N^2 = 2880e9, so N = 16286; in whole blocks of 256.
    assert_eq!(
        [value(&page, "n"), value(&page, "nb"), value(&page, "p"), value(&page, "q")],
        ["16128", "256", "1", "1"]
    );
    assert!(page.has("node-one is expected to solve within 30 s") && page.has("about 29 s"), "{}", page.text);
    assert!(page.has("The time rests on the measured peak of node-one"));
    // What stands in the address goes before the preset.
    assert_eq!(value(&browser.get("/submit?preset=first&n=500").await, "n"), "500");

    let page = browser.get("/submit?preset=fill").await;
    let n: f64 = value(&page, "n").parse().unwrap();
    let need = 8.0 * n * n / (16_u64 << 30) as f64;
    assert!(n % 256.0 == 0.0 && (0.77..0.8).contains(&need), "{n} takes {need}");
    assert!(page.has("more than your longest walltime of 40 s") && page.has("would be through in time"));
    assert!(said(&page, "walltime_s").contains("would be ended after 40 s"), "{}", said(&page, "walltime_s"));

    let page = browser.get("/submit?preset=square").await;
    assert_eq!([value(&page, "p"), value(&page, "q")], ["2", "2"]);
    assert!(page.has("P × Q = 4 ranks; node-one has 4 cores."), "{}", page.text);

    assert_eq!(browser.get("/submit").await.text.matches("<details open>").count(), 0);
    let page = browser.get("/submit?preset=expert&n=777").await;
    assert!(page.has("<details open>") && value(&page, "n") == "777");

    let page = browser.get("/submit?preset=tune").await;
    assert_eq!((page.status, page.location.as_str()), (StatusCode::SEE_OTHER, "/sweeps/new?preset=tune"));
    let page = browser.get(&page.location).await;
    assert_eq!((value(&page, "nb").as_str(), value(&page, "grid").as_str()), ("64 96 128 192 256", "1x1"));
    let n: usize = value(&page, "n").parse().unwrap();
    assert!(
        n.is_multiple_of(768) && page.has("5 points") && page.has("10 runs") && !page.has("probably not what you mean")
    );
}

#[tokio::test]
async fn what_is_wrong_or_doubtful_stands_at_its_field() {
    let site = site(&[]).await;
    site.join_node().await;
    let mut browser = site.browser();
    let page = browser.get("/submit?n=20001&nb=20&p=4&q=2").await;
    for (name, words) in [
        ("n", "is not a multiple of NB 20"),
        ("nb", "outside 32 to 256"),
        ("p", "P 4 is above Q 2"),
        ("q", "8 ranks take turns on the 4 cores of node-one"),
    ] {
        assert!(said(&page, name).contains(words), "{name}: {}", said(&page, name));
        assert!(
            page.has(&format!("<a href=\"#f-{name}\">{}</a>", name.to_uppercase())),
            "{name} is named above the form"
        );
    }
    // Too large a matrix is said at N.
    let page = browser.get("/submit?n=60000").await;
    assert!(said(&page, "n").contains("make the problem smaller") && page.has("id=\"wrong-n\""), "{}", page.text);
    let page = browser.get("/submit?n=1000&node=nobody&cores=x").await;
    assert!(said(&page, "node").contains("expected a node") && said(&page, "cores").contains("found `x`"));
}

#[tokio::test]
async fn what_was_typed_comes_along_to_the_log_in_and_back() {
    let site = site(&[]).await;
    site.browser().sign_up("ada").await;
    let mut stranger = site.browser();
    let token = stranger.get("/submit").await.token();
    let fields = [("csrf", token.as_str()), ("way", "fields"), ("do", "submit"), ("n", "1234"), ("title", "a & b")];
    let page = stranger.post("/submit", &fields).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    let links: Vec<&str> =
        page.text.split("href=\"/login?next=").skip(1).map(|l| l.split('"').next().unwrap()).collect();
    let link = format!("/login?next={}", links.iter().find(|link| link.contains("n%3D1234")).unwrap());
    let form = stranger.get(&link).await;
    let next = form.field("next");
    assert_eq!(next.replace("&#38;", "&"), "/submit?way=fields&n=1234&title=a%20%26%20b");
    let next = next.replace("&#38;", "&");
    let sent = [
        ("csrf", form.token()),
        ("next", next.clone()),
        ("username", "ada".into()),
        ("password", crate::site::PASSWORD.into()),
    ];
    let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let back = stranger.post("/login", &sent).await;
    assert!(back.status == StatusCode::SEE_OTHER && back.location.starts_with(&next), "{}", back.location);
    let page = stranger.get(&back.location).await;
    assert_eq!((value(&page, "n").as_str(), value(&page, "title").as_str()), ("1234", "a &#38; b"));
    assert!(page.has("value=\"submit\">Submit</button>"));
}
