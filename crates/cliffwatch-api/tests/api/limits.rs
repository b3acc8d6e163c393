//! What a client cannot do to us.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{PATIENCE, get, parse, request};
use crate::world::World;

async fn answer_to(world: &World, text: &[u8]) -> Option<crate::client::Response> {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    // What is refused may be cut before all of it was sent.
    let _refused_early = stream.write_all(text).await.is_err();
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time");
    (ended.is_ok() && !answer.is_empty()).then(|| parse(&String::from_utf8(answer).unwrap()))
}

#[tokio::test]
async fn a_big_body_is_refused() {
    let world = World::open().await;
    let length = 65_537.to_string();
    let head = request(world.address, "POST", "/-/reload", &[("content-length", &length)]);
    let answer = answer_to(&world, &[head.as_bytes(), &[b'x'; 65_537]].concat()).await.unwrap();
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
    let head = request(world.address, "POST", "/-/reload", &[("transfer-encoding", "chunked")]);
    let chunk = [format!("{:x}\r\n", 40_000).as_bytes(), &[b'x'; 40_000], b"\r\n"].concat();
    let answer = answer_to(&world, &[head.as_bytes(), &chunk, &chunk, b"0\r\n\r\n"].concat()).await.unwrap();
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
}

#[tokio::test]
async fn big_headers_are_refused() {
    let world = World::open().await;
    let long = "x".repeat(40_000);
    let answer =
        answer_to(&world, request(world.address, "GET", "/healthz", &[("a", &long)]).as_bytes()).await;
    assert!(answer.is_none_or(|answer| answer.status == 431));
    assert_eq!(get(world.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn garbage_is_answered_or_cut() {
    let world = World::open().await;
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n\0"]
    {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _cut = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time").is_err();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    }
    assert_eq!(get(world.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let world = World::open().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let mut buffer = [0; 4_096];
    for _ in 0..3 {
        let text = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", world.address);
        stream.write_all(text.as_bytes()).await.unwrap();
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_takes_no_more() {
    let mut world = World::open().await;
    let address = world.address;
    let asked = tokio::spawn(crate::client::send(address, "POST", "/-/reload", &[]));
    let request = timeout(PATIENCE, world.still.reload_requested()).await.unwrap().unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let text = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n");
    idle.write_all(text.as_bytes()).await.unwrap();
    let _served = timeout(PATIENCE, idle.read(&mut [0; 4_096])).await.unwrap().unwrap();
    world.stop.cancel();
    let mut nothing = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut nothing)).await.expect("idle connections end").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    request.send(Ok(cliffwatch_engine::Changes::default())).unwrap();
    assert_eq!(asked.await.unwrap().status, 200);
    timeout(PATIENCE, &mut world.running).await.expect("an end").unwrap();
}

#[tokio::test]
async fn too_many_connections_wait_and_are_served_later() {
    let world = World::open().await;
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(TcpStream::connect(world.address).await.unwrap());
    }
    let waiting = tokio::spawn(get(world.address, "/healthz"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished(), "256 connections are the most at a time");
    drop(held);
    assert_eq!(timeout(PATIENCE, waiting).await.unwrap().unwrap().status, 200);
}
