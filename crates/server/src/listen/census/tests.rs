use super::*;

fn limits() -> Limits {
    Limits {
        connections: 3,
        connections_per_peer: 2,
        ..Limits::default()
    }
}

fn peer(last: u8) -> Peer {
    Peer::Network(([192, 0, 2, last], 4000).into())
}

#[test]
fn the_idlest_connection_of_the_same_peer_makes_room() {
    let census = Arc::new(Census::new(&limits()));
    let first = census.admit(&peer(1)).unwrap();
    census.ticks.store(5, Relaxed);
    let second = census.admit(&peer(1)).unwrap();
    let other = census.admit(&peer(2)).unwrap();
    let third = census.admit(&peer(1)).unwrap();
    assert_eq!(census.len(), 3);
    let alive = |seat: &Seat| census.members().all.contains_key(&seat.id);
    assert!(!alive(&first) && alive(&second) && alive(&other) && alive(&third));
}

#[test]
fn a_connection_that_asked_for_something_outlives_one_that_never_did() {
    let census = Arc::new(Census::new(&limits()));
    let served = census.admit(&peer(1)).unwrap();
    drop(served.watch().begin());
    census.ticks.store(100, Relaxed);
    let silent = census.admit(&peer(2)).unwrap();
    let _third = census.admit(&peer(3)).unwrap();
    census.ticks.store(101, Relaxed);
    let _fourth = census.admit(&peer(4)).unwrap();
    let members = census.members();
    assert!(members.all.contains_key(&served.id) && !members.all.contains_key(&silent.id));
}

#[test]
fn connections_at_work_are_never_ended_to_make_room() {
    let census = Arc::new(Census::new(&limits()));
    let seats: Vec<_> = (1..=3)
        .map(|last| census.admit(&peer(last)).unwrap())
        .collect();
    let work: Vec<_> = seats.iter().map(|seat| seat.watch().begin()).collect();
    assert!(census.admit(&peer(9)).is_none());
    drop(work);
    assert!(census.admit(&peer(9)).is_some());
}

/// As HTTP/2 has them: beside each other, in any order.
#[test]
fn a_request_at_work_is_told_apart_from_answers_that_go_on() {
    let census = Arc::new(Census::new(&limits()));
    let seat = census.admit(&peer(1)).unwrap();
    let watch = seat.watch();
    assert!(!watch.only_goes_on(), "nothing is at work");
    let before = watch.begin();
    assert!(!watch.only_goes_on());
    let mut stream = watch.begin();
    stream.goes_on();
    assert!(!watch.only_goes_on(), "one is at work beside it");
    drop(stream);
    assert!(
        !watch.only_goes_on(),
        "the stream has ended, and it is still"
    );
    let mut streams = [watch.begin(), watch.begin()];
    streams.iter_mut().for_each(Working::goes_on);
    drop(before);
    assert!(watch.only_goes_on());
    let after = watch.begin();
    assert!(!watch.only_goes_on());
    drop(after);
    assert!(watch.only_goes_on());
    drop(streams);
    assert!(!watch.only_goes_on());
}

#[test]
fn leaving_gives_the_place_back() {
    let census = Arc::new(Census::new(&limits()));
    for _ in 0..100 {
        let seat = census.admit(&peer(1)).unwrap();
        drop(seat);
    }
    assert_eq!(census.len(), 0);
    assert!(census.members().by_origin.is_empty());
}

#[test]
fn each_kind_of_idleness_has_its_own_time() {
    let limits = Limits::default();
    let census = Arc::new(Census::new(&limits));
    let seat = census.admit(&peer(1)).unwrap();
    let watch = seat.watch();
    let after = |seconds: u64| {
        census
            .ticks
            .store(1 + u32::try_from(seconds).unwrap(), Relaxed)
    };
    after(11);
    assert!(watch.overdue(&limits), "never asked for anything");
    let work = watch.begin();
    after(10_000);
    assert!(
        !watch.overdue(&limits),
        "a request at work has deadlines of its own"
    );
    drop(work);
    after(10_290);
    assert!(!watch.overdue(&limits), "idle between two requests");
    watch.heard();
    after(10_301);
    assert!(watch.overdue(&limits), "a head that does not end");
    watch.head_since.store(0, Relaxed);
    watch.wrote(false);
    after(10_340);
    assert!(watch.overdue(&limits), "takes nothing of its answer");
    watch.wrote(true);
    watch.idle_since.store(10_300, Relaxed);
    assert!(!watch.overdue(&limits));
}

#[test]
fn an_ipv6_host_is_its_network_and_mapped_ipv4_is_ipv4() {
    let of = |text: &str| {
        Origin::of(&Peer::Network(std::net::SocketAddr::new(
            text.parse().unwrap(),
            1,
        )))
    };
    assert!(of("2001:db8:1:2::1") == of("2001:db8:1:2:ffff::9"));
    assert!(of("2001:db8:1:2::1") != of("2001:db8:1:3::1"));
    assert!(of("::ffff:192.0.2.1") == of("192.0.2.1"));
}

#[test]
fn a_proxy_is_not_one_peer_and_its_clients_are() {
    let census = Arc::new(Census::new(&Limits {
        connections: 8,
        ..limits()
    }));
    let waiting: Vec<_> = (0..4).map(|_| census.admit_proxy().unwrap()).collect();
    assert_eq!(census.len(), 4, "more than an address may have");
    let alive = |seat: &Seat| census.members().all.contains_key(&seat.id);
    let working: Vec<_> = waiting.iter().map(|seat| seat.watch().begin()).collect();
    assert!(waiting[0].turns_out(Some(&peer(1))));
    assert!(waiting[1].turns_out(Some(&peer(1))));
    assert!(waiting[1].turns_out(Some(&peer(1))), "counted once");
    assert!(
        !waiting[2].turns_out(Some(&peer(1))),
        "all of them are at work"
    );
    assert!(waiting[2].turns_out(Some(&peer(2))));
    assert!(waiting[3].turns_out(None));
    drop(working);
    // An idle one of the same client makes room, and nobody else's.
    assert!(waiting[3].turns_out(Some(&peer(1))));
    assert!(!alive(&waiting[0]) && alive(&waiting[1]) && alive(&waiting[2]) && alive(&waiting[3]));
    assert!(!waiting[0].turns_out(Some(&peer(5))), "it was ended");
    drop(waiting);
    let members = census.members();
    assert!(members.all.is_empty() && members.by_origin.is_empty());
}
