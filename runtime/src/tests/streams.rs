//! Reading, writing and connecting.

use super::{Journal, PATIENCE_MS, pair, run_until, worker};
use crate::share::OPERATIONS;
use crate::{ConnectOptions, Stream};
use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use sys::socket::{Address, Kind};

#[test]
fn readiness_follows_what_was_read() {
    let worker = worker();
    let (stream, mut far) = pair(&worker);
    let mut buf = [0; 4];
    let mut kind = || stream.try_read(&mut buf).unwrap_err().kind();
    assert_eq!(kind(), io::ErrorKind::WouldBlock);
    assert!(!stream.is_readable_hint());

    far.write_all(b"hello!").unwrap();
    assert_eq!(kind(), io::ErrorKind::WouldBlock, "not known yet");
    let mut readable = pin!(stream.readable());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(readable.as_mut().poll(&mut cx).is_pending());
    worker.turn(Some(PATIENCE_MS));
    assert!(matches!(readable.poll(&mut cx), Poll::Ready(Ok(()))));

    assert_eq!(stream.try_read(&mut buf).unwrap(), 4);
    assert!(stream.is_readable_hint(), "there may be more");
    assert_eq!(stream.try_read(&mut buf).unwrap(), 2);
    assert!(!stream.is_readable_hint(), "a short read took all");
}

#[test]
fn readiness_follows_what_was_appended() {
    let worker = worker();
    let (stream, mut far) = pair(&worker);
    let mut buf = b"a".to_vec();
    let mut kind = || stream.try_read_append(&mut buf, 4).unwrap_err().kind();
    assert_eq!(kind(), io::ErrorKind::WouldBlock);
    assert!(!stream.is_readable_hint());

    far.write_all(b"hello!").unwrap();
    drop(far);
    let mut readable = pin!(stream.readable());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(readable.as_mut().poll(&mut cx).is_pending());
    worker.turn(Some(PATIENCE_MS));
    assert!(matches!(readable.poll(&mut cx), Poll::Ready(Ok(()))));

    assert_eq!(stream.try_read_append(&mut buf, 4).unwrap(), 4);
    assert!(stream.is_readable_hint(), "there may be more");
    assert_eq!(stream.try_read_append(&mut buf, 4).unwrap(), 2);
    assert_eq!(buf, b"ahello!");
    assert!(stream.is_readable_hint(), "the end is still to be seen");
    assert_eq!(stream.try_read_append(&mut buf, 4).unwrap(), 0);
}

#[test]
fn an_end_behind_a_short_read_is_seen() {
    let worker = worker();
    let (stream, mut far) = pair(&worker);
    far.write_all(b"last").unwrap();
    drop(far);
    let journal = Journal::new();
    let seen = journal.clone();
    worker.spawn(async move {
        stream.closed_by_peer().await.unwrap();
        assert!(stream.peer_closed());
        let mut buf = [0; 64];
        for _ in 0..2 {
            seen.add(stream.try_read(&mut buf).unwrap());
        }
    });
    run_until(&worker, || journal.len() == 2);
    assert_eq!(journal.entries(), [4, 0]);
}

#[test]
fn a_large_write_waits_for_room() {
    const SIZE: usize = 4 << 20;
    let worker = worker();
    let (stream, mut far) = pair(&worker);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        far.read_to_end(&mut all).map(|_| all)
    });
    worker.spawn(async move {
        let bytes = vec![7; SIZE];
        let mut sent = 0;
        while sent < SIZE {
            let half = sent + (SIZE - sent) / 2;
            let slices = [
                IoSlice::new(&bytes[sent..half]),
                IoSlice::new(&bytes[half..]),
            ];
            match stream.try_writev(&slices) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    stream.writable().await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    run_until(&worker, || worker.active_tasks() == 0);
    let all = reader.join().unwrap().unwrap();
    assert_eq!(all.len(), SIZE);
    assert!(all.iter().all(|&byte| byte == 7));
}

#[test]
fn a_deadline_ends_the_wait_until_another_is_set() {
    let worker = worker();
    let (stream, _far) = pair(&worker);
    let stream = Rc::new(stream);
    stream.set_deadline(Some(worker.now() + 10));
    // Consumes what a new stream is taken for.
    assert!(stream.try_read(&mut [0]).is_err());
    let journal = Journal::new();
    let (waiter, seen) = (Rc::clone(&stream), journal.clone());
    worker.spawn(async move {
        for _ in 0..2 {
            seen.add(waiter.readable().await.unwrap_err().kind());
        }
    });
    run_until(&worker, || worker.active_tasks() == 0);
    assert_eq!(journal.entries(), [io::ErrorKind::TimedOut; 2]);
    stream.set_deadline(None);
    let cx = Context::from_waker(Waker::noop());
    assert!(stream.poll_readable(&cx).is_pending());
    assert_eq!(stream.deadline(), None);
}

#[test]
fn connects_and_talks() {
    let worker = worker();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Ip(listener.local_addr().unwrap());
    let peer = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"welcome").unwrap();
    });
    let journal = Journal::new();
    let (seen, inside) = (journal.clone(), Rc::clone(&worker));
    worker.spawn(async move {
        let options = ConnectOptions {
            bind: Some(Address::Ip("127.0.0.1:0".parse().unwrap())),
            timeout: Some(PATIENCE_MS),
            nodelay: true,
            ..ConnectOptions::default()
        };
        let stream = Stream::connect(&inside, &address, &options).await.unwrap();
        stream.readable().await.unwrap();
        let mut buf = [0; 64];
        seen.add(stream.try_read(&mut buf).unwrap());
    });
    run_until(&worker, || worker.active_tasks() == 0);
    peer.join().unwrap();
    assert_eq!(journal.entries(), [7]);
    assert_eq!(worker.live_slots(), 0);
}

/// An answer was once lost when a reset came with it in the moment in which more was written: the
/// writer met the reset first, and the answer was not known to be there.
#[test]
fn what_came_before_a_reset_is_read_after_a_write_that_failed() {
    let worker = worker();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nonblocking(true).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let stream = Stream::from_fd(&worker, near.into()).unwrap();
    worker.turn(Some(0));
    let mut buf = [0; 8];
    let kind = stream.try_read(&mut buf).unwrap_err().kind();
    assert_eq!(kind, io::ErrorKind::WouldBlock);

    far.write_all(b"answer").unwrap();
    sys::socket::set_linger(far.as_fd(), Some(0)).unwrap();
    drop(far);
    // Without a turn, so that nothing is known of it.
    while stream.try_write(b"more").is_ok() {}
    assert_eq!(stream.try_read(&mut buf).unwrap(), 6);
}

#[test]
fn a_refused_connection_is_an_error() {
    let worker = worker();
    // Holds a port at which nobody listens.
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = Address::Ip(taken.local_addr().unwrap());
    let journal = Journal::new();
    let (seen, inside) = (journal.clone(), Rc::clone(&worker));
    worker.spawn(async move {
        let result = Stream::connect(&inside, &address, &ConnectOptions::default()).await;
        seen.add(result.unwrap_err().kind());
    });
    run_until(&worker, || worker.active_tasks() == 0);
    assert_eq!(journal.entries(), [io::ErrorKind::ConnectionRefused]);
    assert_eq!(worker.live_slots(), 0);
}

#[test]
fn datagrams_are_read_one_by_one() {
    let worker = worker();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = Address::Ip(server.local_addr().unwrap());
    let inside = Rc::clone(&worker);
    let journal = Journal::new();
    let seen = journal.clone();
    worker.spawn(async move {
        let options = ConnectOptions {
            kind: Kind::Datagram,
            ..ConnectOptions::default()
        };
        let stream = Stream::connect(&inside, &address, &options).await.unwrap();
        stream.try_write(b"ask").unwrap();
        let mut buf = [0; 64];
        for _ in 0..2 {
            while let Err(error) = stream.try_read(&mut buf).map(|len| seen.add(len)) {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                stream.readable().await.unwrap();
            }
        }
    });
    let (_, client) = server.recv_from(&mut [0; 8]).unwrap();
    server.send_to(b"one", client).unwrap();
    server.send_to(b"three", client).unwrap();
    run_until(&worker, || worker.active_tasks() == 0);
    assert_eq!(journal.entries(), [3, 5], "one event for both");
}

#[test]
fn who_is_never_out_of_work_lets_others_have_their_turn() {
    const ALL: usize = 10 * OPERATIONS as usize;
    let worker = worker();
    let journal = Journal::new();
    for name in ["one", "other"] {
        let (stream, mut far) = pair(&worker);
        far.write_all(&[0; ALL]).unwrap();
        let journal = journal.clone();
        worker.spawn(async move {
            for _ in 0..ALL {
                while stream.try_read(&mut [0]).is_err() {
                    stream.readable().await.unwrap();
                }
                journal.add(name);
            }
            drop(far);
        });
    }
    assert_eq!(journal.len(), 2 * OPERATIONS as usize, "each has its share");
    run_until(&worker, || journal.len() == 2 * ALL);
    let entries = journal.entries();
    let longest = entries.chunk_by(|one, next| one == next).map(<[_]>::len);
    assert!(longest.max() <= Some(2 * OPERATIONS as usize));
    assert_eq!(worker.active_tasks(), 0);
}
