use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::calls::Access;
use super::server::api;
use super::{ApiSources, CallRequest, Token, look_up};
use crate::calls::{StreamKind, ToldFault};
use crate::policy::{self, HotlineTable};

fn hotlines() -> Arc<HotlineTable> {
    Arc::new(policy::tests::hotlines("max_duration = \"1h\""))
}

/// Where the API answers, with a follower that answers each request with `answer`, and says what it was asked.
async fn served(
    access: Access,
    answer: Result<(), ToldFault>,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (calls, mut requests) = mpsc::channel(1);
    let (told, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            let what = match request {
                CallRequest::Open { id, call, reply } => {
                    let _ = reply.send(answer.clone());
                    assert_eq!(call.media[0].kind, StreamKind::Audio);
                    format!("open {id} {} {} {:?}", call.number, call.media[0].remote, call.duration)
                }
                CallRequest::Close { id, reply } => {
                    let _ = reply.send(false);
                    format!("close {id}")
                }
                CallRequest::List { reply } => {
                    let _ = reply.send(Vec::new());
                    "list".to_owned()
                }
            };
            let _ = told.send(what);
        }
    });
    let table = hotlines();
    let sources = ApiSources { numbers: Arc::new(move || Arc::clone(&table)), calls };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(axum::serve(listener, api(&sources, access)).into_future());
    (address, asked)
}

async fn send(address: &SocketAddr, request: Request<Body>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.expect("HTTP");
    tokio::spawn(connection);
    sender.send_request(request).await.expect("a response")
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header(header::HOST, "gw").body(Body::empty()).expect("a request")
}

async fn json_of(response: Response<Incoming>) -> Value {
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn numbers_are_listed_with_an_entity_tag() {
    let (address, _) = served(Access::Nobody, Ok(())).await;
    let response = send(&address, get("/v1/numbers")).await;
    let tag = response.headers()[header::ETAG].clone();
    let body = json_of(response).await;
    let expected = json!({
        "country": "VN", "number": "19003228", "international": "+8419003228", "policy": "vn", "rule": "moh",
        "rule_number": 7, "media_networks": ["198.51.100.0/25"], "max_duration_seconds": 3600, "video": false,
        "messages": false, "emergency": false,
    });
    assert_eq!(body["numbers"][1], expected);
    assert_eq!(
        (&body["numbers"][0]["emergency"], &body["numbers"][0]["international"]),
        (&json!(true), &Value::Null)
    );
    for (value, status) in [
        (tag.to_str().expect("text").to_owned(), StatusCode::NOT_MODIFIED),
        (format!("\"x\", W/{}", tag.to_str().expect("text")), StatusCode::NOT_MODIFIED),
        ("*".to_owned(), StatusCode::NOT_MODIFIED),
        ("\"x\"".to_owned(), StatusCode::OK),
    ] {
        let request = Request::get("/v1/numbers").header(header::IF_NONE_MATCH, &value);
        let response = send(&address, request.body(Body::empty()).expect("a request")).await;
        assert_eq!((response.status(), &response.headers()[header::ETAG]), (status, &tag), "{value}");
    }
}

#[tokio::test]
async fn one_number_is_told_in_any_form() {
    let (address, _) = served(Access::Nobody, Ok(())).await;
    for (path, is_free) in [
        ("19003228", true),
        ("+8419003228", true),
        ("1900-3228", true),
        ("tel:+84-1900-3228", true),
        ("sip:19003228@example.vn;user=phone", true),
        ("%2B8419003228", true),
        ("1900322", false),
        ("190032280", false),
        ("tel:19003228;npdi;rn=+84900000000", false),
        ("x", false),
    ] {
        let response = send(&address, get(&format!("/v1/numbers/{path}"))).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(json_of(response).await["free"], json!(is_free), "{path}");
    }
    assert_eq!(look_up(&hotlines(), "19003228").map(|number| number.rule_number), Some(7));
    let long = send(&address, get(&format!("/v1/numbers/{}", "1".repeat(600)))).await;
    assert_eq!(long.status(), StatusCode::BAD_REQUEST);
}

fn body() -> Value {
    json!({
        "subscriber": "10.20.0.11", "number": "19003228", "duration_seconds": 600,
        "media": [{ "kind": "audio", "subscriber_port": 40000, "remote": "198.51.100.7:5000" }],
    })
}

fn put(body: &Value, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::put("/v1/calls/a1@sbc");
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    request.body(Body::from(body.to_string())).expect("a request")
}

#[tokio::test]
async fn calls_are_told_by_whoever_has_the_token() {
    let (address, mut asked) = served(Access::Token(Token::new(b"t0ken")), Ok(())).await;
    let response = send(&address, put(&body(), Some("Bearer t0ken"))).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(asked.recv().await.as_deref(), Some("open a1@sbc 19003228 198.51.100.7:5000 600s"));
    for value in [None, Some("Bearer t0ke"), Some("Basic t0ken")] {
        let response = send(&address, put(&body(), value)).await;
        assert_eq!(
            (response.status(), &response.headers()[header::WWW_AUTHENTICATE]),
            (StatusCode::UNAUTHORIZED, &"Bearer".parse().expect("a value"))
        );
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem = json_of(response).await;
        assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!("token")));
    }
    assert_eq!(send(&address, get("/v1/calls")).await.status(), StatusCode::UNAUTHORIZED);
    assert!(asked.try_recv().is_err(), "nothing else reached the follower");
    let (address, _) = served(Access::Nobody, Ok(())).await;
    assert_eq!(send(&address, put(&body(), Some("Bearer t0ken"))).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn closing_twice_is_closing() {
    let (address, mut asked) = served(Access::Local, Ok(())).await;
    let request = Request::delete("/v1/calls/a%2Fb").body(Body::empty()).expect("a request");
    assert_eq!(send(&address, request).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(asked.recv().await.as_deref(), Some("close a/b"));
    assert_eq!(json_of(send(&address, get("/v1/calls")).await).await, json!([]));
}

#[tokio::test]
async fn problems_are_told_as_such() {
    let (address, _) = served(Access::Local, Err(ToldFault::Conflict)).await;
    let without = |key: &str| {
        let mut body = body();
        body.as_object_mut().expect("an object").remove(key);
        body
    };
    let with = |key: &str, value: Value| {
        let mut body = body();
        body[key] = value;
        body
    };
    for (request, status, code) in [
        (put(&body(), None), 409, "conflict"),
        (put(&without("number"), None), 400, "body"),
        (put(&with("duration_seconds", json!(0)), None), 400, "duration"),
        (put(&with("duration_seconds", json!(86_401)), None), 400, "duration"),
        (put(&with("surprise", json!(1)), None), 400, "body"),
        (put(&with("subscriber", json!("phone")), None), 400, "body"),
        (get("/v2/numbers"), 404, "not-found"),
        (get("/v1/calls/a"), 405, "method"),
    ] {
        let response = send(&address, request).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.status().as_u16(), status);
        let problem = json_of(response).await;
        assert_eq!((&problem["code"], &problem["type"]), (&json!(code), &json!("about:blank")));
    }
    let long = Body::from("x".repeat(20_000));
    let request = Request::put("/v1/calls/a").body(long).expect("a request");
    assert_eq!(send(&address, request).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}
