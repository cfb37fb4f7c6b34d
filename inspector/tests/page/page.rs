//! What the page shows, and does.

use std::{env, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use cached_aside::AnyKey;
use cached_aside_inspector::Inspector;
use cached_aside_tests::RedisServer;
use redis::cmd;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    support::{eventually, filled, load_user, serve},
};

const ROW: &str = "[...document.querySelectorAll('#functions tbody tr')]";

/// The cells of the row of a function.
fn row(browser: &mut Browser, name: &str) -> Vec<String> {
    let cells = browser.value(&format!(
        "{ROW}.map(row => [...row.cells].map(cell => cell.textContent)).find(cells => cells[0].endsWith({}))",
        json!(name)
    ));
    serde_json::from_value(cells).unwrap_or_default()
}

/// Whether the page has asked nobody but its own server, and its policy had nothing to refuse.
fn is_content(browser: &Browser, own: &str) {
    let elsewhere: Vec<_> = browser
        .requests()
        .into_iter()
        .filter(|url| !url.starts_with(own) && !url.starts_with("data:"))
        .collect();
    assert_eq!(elsewhere, [""; 0]);
    assert_eq!(browser.complaints(), Vec::<&Value>::new());
}

/// With `UPDATE_EXPECT=1` the pictures of the documentation are taken again.
fn keep(browser: &mut Browser, name: &str) {
    if env::var_os("UPDATE_EXPECT").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures");
        fs::create_dir_all(&folder).expect("a folder");
        let picture = STANDARD.decode(browser.picture()).expect("base 64");
        fs::write(folder.join(name), picture).expect("a file");
    }
}

fn window(browser: &mut Browser, width: u32, height: u32) {
    let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
    browser.call("Emulation.setDeviceMetricsOverride", params);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_moves_and_is_sorted_by_keyboard_in_dark_and_on_a_phone() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let address = serve(Inspector::new(cache.clone())).await;
    let mut browser = Browser::start();
    window(&mut browser, 1_280, 460);
    let own = format!("http://{address}/cache");
    browser.open(&own);
    browser.until(&format!("{ROW}.length >= 3"));
    assert_eq!(row(&mut browser, "support::load_user")[1..4], ["0.0 %", "0", "1"]);
    assert_eq!(row(&mut browser, "support::load_user").last().unwrap(), "5m", "the TTL");
    assert_eq!(row(&mut browser, "support::rate")[1..3], ["–", "0"], "also what was never called");

    // Live, without being asked again.
    for _ in 0..3 {
        cache.scope(load_user(1)).await;
    }
    browser.until(&format!("{ROW}.some(row => row.cells[1].textContent === '75.0 %')"));

    // Sorted by keyboard alone.
    browser.value("document.querySelector('button[data-column=hits]').focus()");
    browser.press("Enter");
    browser.until(&format!("{ROW}[0].cells[0].textContent.endsWith('support::load_user')"));
    let order = browser.value("document.querySelector('th[aria-sort=descending]').textContent");
    assert_eq!(order, "Hits");
    assert_eq!(browser.value("document.activeElement.dataset.column"), "hits", "the focus stays");
    keep(&mut browser, "functions.png");

    let back = "getComputedStyle(document.body).backgroundColor";
    let scheme = |of: &str| json!({ "features": [{ "name": "prefers-color-scheme", "value": of }] });
    browser.call("Emulation.setEmulatedMedia", scheme("light"));
    assert_eq!(browser.value(back), "rgb(255, 255, 255)");
    browser.call("Emulation.setEmulatedMedia", scheme("dark"));
    assert_eq!(browser.value(back), "rgb(13, 17, 23)");

    window(&mut browser, 360, 640);
    browser.until("innerWidth === 360");
    for view in ["functions", "entry/user%3A1", "catalog", "servers", "problems"] {
        browser.value(&format!("void (location.hash = '{view}')"));
        let shown = if view.starts_with("entry") {
            "document.getElementById('found')"
        } else {
            "document.querySelector('#view h2')"
        };
        let current = "document.querySelector('nav a[aria-current]').getAttribute('href')";
        browser.until(&format!("{current}.startsWith('#{}') && {shown} !== null", &view[..4]));
        assert_eq!(
            browser.value("document.documentElement.scrollWidth"),
            360,
            "{view}: tables scroll by themselves"
        );
    }
    is_content(&browser, &own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_opens_with_who_invalidates_it_and_is_invalidated_after_a_confirmation() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let address = serve(Inspector::new(cache.clone()).allow_invalidation()).await;
    let mut browser = Browser::start();
    window(&mut browser, 1_100, 820);
    let own = format!("http://{address}/cache");
    browser.open(&format!("{own}#entry/"));
    browser.until("document.getElementById('key') !== null");
    // What arrives meanwhile leaves alone what is typed.
    let typed = "document.getElementById('key').focus(); document.getElementById('key').value = 'half'; \
                 readCatalog().then(() => document.activeElement.value)";
    assert_eq!(browser.value(typed), "half");
    browser.value("document.getElementById('key').value = 'user:1'; document.getElementById('key').focus()");
    browser.press("Enter");
    browser.until("document.getElementById('found')?.textContent === 'user:1'");
    let text = browser.text();
    for part in [
        "fresh for",
        "fingerprint",
        "this build",
        "json",
        "support::load_user",
        "support::save_user",
        "(by name)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("  \"name\": \"<img src=x onerror="), "the value is text, in lines: {text}");
    assert!(!text.contains("\\u{"), "{text}");
    keep(&mut browser, "entry.png");

    browser.value("document.getElementById('invalidate').click()");
    browser.until("document.getElementById('confirm') !== null");
    let there = || server.run::<bool>(cmd("EXISTS").arg("cached-aside:user:1"));
    assert!(there(), "nothing is invalidated without a confirmation");
    browser.value("document.getElementById('confirm').click()");
    browser.until("document.getElementById('status').textContent === 'user:1 was invalidated'");
    browser.until("document.body.innerText.includes('nothing stands there')");
    eventually("the entry is gone", || !there());

    browser.value("void (location.hash = 'catalog')");
    browser.until("document.querySelectorAll('#picture path').length >= 2");
    assert!(browser.text().contains("support::close → page::support::price"), "{}", browser.text());
    browser.value("void (location.hash = 'servers')");
    browser.until("document.body.innerText.includes('the breaker is closed')");
    assert!(browser.text().contains("on the recovery list"), "{}", browser.text());
    browser.value("void (location.hash = 'problems')");
    browser.until("document.body.innerText.includes('nothing invalidates')");
    is_content(&browser, &own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_key_is_text() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let address = serve(Inspector::new(cache).allow_invalidation()).await;
    let own = format!("http://{address}/cache");
    let mut browser = Browser::start();
    browser.open(&own);
    browser.until(&format!("{ROW}.length >= 3"));
    for (hostile, seen) in [
        (
            "<img src=x onerror=\"document.title='markup'\">",
            "<img src=x onerror=\"document.title='markup'\">",
        ),
        (
            "</script><script>document.title='markup'</script>",
            "</script><script>document.title='markup'</script>",
        ),
        ("'\"><svg/onload=document.title='markup'>", "'\"><svg/onload=document.title='markup'>"),
        ("a\u{202e}b\u{200b}\u{7}c", "a\\u{202e}b\\u{200b}\\u{7}c"),
        ("100%&key=other#/../?x", "100%&key=other#/../?x"),
    ] {
        let () = server.run(cmd("SET").arg(format!("cached-aside:{hostile}")).arg(hostile));
        browser.value(&format!("void (location.hash = '#entry/' + encodeURIComponent({}))", json!(hostile)));
        browser.until(&format!("document.getElementById('found')?.textContent === {}", json!(seen)));
        assert!(browser.text().contains("data of another program"), "{}", browser.text());
        assert_eq!(
            browser.value("document.querySelectorAll('img, main script, main svg').length"),
            0,
            "{hostile}"
        );
        assert_eq!(browser.value("document.title"), "cached-aside");
        assert_eq!(browser.value("document.getElementById('invalidate')"), Value::Null);
    }
    is_content(&browser, &own);
    // Markup that comes in all the same would not run.
    browser.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\"><b onclick=\"document.title=2\">')");
    browser.value("document.querySelector('b').click()");
    assert_eq!(browser.value("document.title"), "cached-aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_delivered_is_listed_as_text() {
    let server = RedisServer::start();
    let cache = filled(&server.url()).await;
    let address = serve(Inspector::new(cache.clone())).await;
    let own = format!("http://{address}/cache");
    let mut browser = Browser::start();
    browser.open(&format!("{own}#servers"));
    browser.until("document.body?.innerText.includes('every invalidation has been delivered')");
    server.kill();
    let hostile = "<img src=x onerror=\"document.title='markup'\">\u{202e}";
    let keys = (0..103).map(|id| AnyKey::new(&format!("{hostile}{id:03}")));
    assert!(cache.invalidate_keys(keys.collect::<Vec<_>>()).await.is_err());
    browser.until("document.querySelectorAll('#owed li').length === 101");
    let text = browser.text();
    assert!(text.contains("onerror=\"document.title='markup'\">\\u{202e}0"), "{text}");
    assert!(text.contains("and 3 more") && text.contains("Local copies in this process"), "{text}");
    assert_eq!(browser.value("document.querySelectorAll('img').length"), 0);
    is_content(&browser, &own);
    // Each leads to its entry.
    browser.value("document.querySelector('#owed a').click()");
    browser.until("document.getElementById('key')?.value.startsWith('<img src=x')");
    assert_eq!(browser.value("document.title"), "cached-aside");
}
