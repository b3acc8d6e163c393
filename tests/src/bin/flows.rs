//! Opens real UDP and TCP flows over the loopback of the network namespace that it runs in, says on standard output how
//! many, and holds them until standard input closes.
//!
//! `cliffwatch-flows UDP TCP PER_SECOND unassured|assured|closed`, where 0 per second is as fast as it goes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool of the tests: it fails aloud"
)]

use std::future::pending;
use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{interval, sleep};

const UDP_PEER: &str = "127.0.0.1:7000";
const TCP_PEER: &str = "127.0.0.2:7001";
/// Both ends of at most 5,000 TCP flows, and as many UDP sockets.
const OPEN_FILES: u64 = 20_000;
/// A UDP flow becomes assured by an answer when it is older than 2 s (`nf_conntrack_proto_udp.c`).
const UDP_ASSURED_AFTER: Duration = Duration::from_millis(2_300);
/// Beyond one retransmission of a SYN.
const TCP_PATIENCE: Duration = Duration::from_millis(2_500);

static UDP_SENT: AtomicU64 = AtomicU64::new(0);
static TCP_CONNECTED: AtomicU64 = AtomicU64::new(0);
static TCP_FAILED: AtomicU64 = AtomicU64::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [udp, tcp, per_second, kind] = &arguments[..] else {
        panic!("UDP TCP PER_SECOND unassured|assured|closed")
    };
    let [udp, tcp, per_second] = [udp, tcp, per_second].map(|text| text.parse::<u32>().expect("a number"));
    let (assured, closed) = (kind == "assured", kind == "closed");
    let files = Rlimit { current: Some(OPEN_FILES), maximum: Some(OPEN_FILES) };
    setrlimit(Resource::Nofile, files).expect("so many open files");

    if let Some(peer) = unless_there(UdpSocket::bind(UDP_PEER).await) {
        tokio::spawn(answer_udp(peer, assured));
    }
    if let Some(peer) = unless_there(TcpListener::bind(TCP_PEER).await) {
        tokio::spawn(accept_tcp(peer));
    }
    open(udp, tcp, per_second, assured, closed).await;
    if tcp > 0 {
        sleep(TCP_PATIENCE).await;
    }
    if udp > 0 && assured {
        sleep(UDP_ASSURED_AFTER).await;
    }
    let (sent, connected) = (UDP_SENT.load(Relaxed), TCP_CONNECTED.load(Relaxed));
    let waiting = u64::from(tcp) - connected - TCP_FAILED.load(Relaxed);
    println!("{{\"udp\":{sent},\"tcp\":{connected},\"tcp_pending\":{waiting}}}");

    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.expect("a thread").expect("standard input");
}

/// A peer of ours, where an opener before us has not brought it.
fn unless_there<T>(bound: std::io::Result<T>) -> Option<T> {
    match bound {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => None,
        bound => Some(bound.expect("a peer")),
    }
}

async fn open(udp: u32, tcp: u32, per_second: u32, assured: bool, closed: bool) {
    let mut pace = (per_second > 0).then(|| interval(Duration::from_secs(1) / per_second));
    for flow in 0..udp.max(tcp) {
        match &mut pace {
            Some(pace) => drop(pace.tick().await),
            None => tokio::task::yield_now().await, // let the peers accept and answer
        }
        if flow < udp {
            tokio::spawn(udp_flow(assured));
        }
        if flow < tcp {
            tokio::spawn(tcp_flow(closed));
        }
    }
    tokio::task::yield_now().await;
}

async fn udp_flow(assured: bool) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a UDP socket");
    socket.connect(UDP_PEER).await.expect("a peer");
    // A full table refuses the datagram with an error: that is what is being tried.
    if socket.send(b"x").await.is_ok() {
        UDP_SENT.fetch_add(1, Relaxed);
    }
    if assured {
        sleep(UDP_ASSURED_AFTER).await;
        for _ in 0..2 {
            socket.send(b"x").await.ok();
            sleep(Duration::from_millis(50)).await;
        }
    }
    pending::<()>().await;
}

async fn tcp_flow(closed: bool) {
    match TcpStream::connect(TCP_PEER).await {
        Ok(_held) => {
            TCP_CONNECTED.fetch_add(1, Relaxed);
            if closed {
                return;
            }
            pending::<()>().await;
        }
        Err(_) => drop(TCP_FAILED.fetch_add(1, Relaxed)),
    }
}

async fn answer_udp(socket: UdpSocket, assured: bool) {
    let mut datagram = [0; 16];
    loop {
        let Ok((_, from)) = socket.recv_from(&mut datagram).await else { continue };
        if assured {
            socket.send_to(b"y", from).await.ok();
        }
    }
}

async fn accept_tcp(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        // Until the other end closes.
        tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok() });
    }
}
