use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;

use super::*;

fn kind() -> Kind {
    Kind { function: 0, value: ConstTypeId::of::<u64>(), codec: "codec", version: 0 }
}

fn lead(flights: &Flights) -> Ticket {
    match flights.join(kind(), "k", false) {
        Turn::Lead(ticket) => ticket,
        Turn::Follow(_) => panic!("somebody else leads"),
    }
}

fn follow(flights: &Flights) -> oneshot::Receiver<FollowerMessage> {
    match flights.join(kind(), "k", false) {
        Turn::Lead(_) => panic!("nobody leads"),
        Turn::Follow(message) => message,
    }
}

fn shared(message: &mut oneshot::Receiver<FollowerMessage>) -> bool {
    matches!(message.try_recv(), Ok(FollowerMessage::Shared(SharedResult::None)))
}

fn promoted(message: &mut oneshot::Receiver<FollowerMessage>) -> Option<Ticket> {
    match message.try_recv() {
        Ok(FollowerMessage::Lead(ticket)) => Some(ticket),
        Ok(_) | Err(TryRecvError::Closed | TryRecvError::Empty) => None,
    }
}

/// The rule, in each of the moments at which a follower can arrive.
#[test]
fn a_follower_takes_only_what_began_after_it_came() {
    for accepted in [false, true] {
        let flights = Arc::new(Flights::default());
        let ticket = lead(&flights);
        let mut before_the_body = follow(&flights);
        let body = ticket.next_epoch();
        let mut during_the_body = follow(&flights);
        let fill = ticket.next_epoch();
        let mut during_the_fill = follow(&flights);
        ticket.complete(&SharedResult::None, if accepted { fill } else { body });

        assert!(shared(&mut before_the_body), "accepted: {accepted}");
        let next = if accepted {
            assert!(shared(&mut during_the_body), "the fill was accepted, and sent after it came");
            promoted(&mut during_the_fill).expect("the fill was sent before it came: it begins anew")
        } else {
            let next = promoted(&mut during_the_body).expect("the body began before it came: it begins anew");
            assert!(matches!(during_the_fill.try_recv(), Err(TryRecvError::Empty)), "it follows the next");
            next
        };
        // Whatever the next leader observes began after they all came.
        let step = next.next_epoch();
        next.complete(&SharedResult::None, step);
        assert!(accepted || shared(&mut during_the_fill));
        assert_eq!(flights.len(), 0);
    }
}

#[test]
fn a_leader_that_goes_away_hands_over_at_once() {
    let flights = Arc::new(Flights::default());
    let ticket = lead(&flights);
    let gone = follow(&flights);
    let mut second = follow(&flights);
    let mut third = follow(&flights);
    ticket.next_epoch();
    drop(gone);
    drop(ticket);
    let ticket = promoted(&mut second).expect("the first that is still there leads");
    assert!(matches!(third.try_recv(), Err(TryRecvError::Empty)));
    drop(ticket);
    drop(promoted(&mut third).expect("then the next"));
    assert_eq!(flights.len(), 0);
    drop(lead(&flights));
    assert_eq!(flights.len(), 0);
}

#[test]
fn a_promotion_that_is_never_taken_up_is_handed_on() {
    let flights = Arc::new(Flights::default());
    let ticket = lead(&flights);
    let second = follow(&flights);
    let mut third = follow(&flights);
    drop(ticket);
    // The message was sent, its receiver goes away without reading it.
    drop(second);
    assert!(promoted(&mut third).is_some());
}

#[test]
fn a_failure_is_told_to_those_whom_a_result_would_have_been() {
    let flights = Arc::new(Flights::default());
    let ticket = lead(&flights);
    let mut before = follow(&flights);
    let step = ticket.next_epoch();
    let mut after = follow(&flights);
    ticket.fail(step);
    assert!(
        matches!(before.try_recv(), Ok(FollowerMessage::Failed(bodies)) if bodies.available_permits() == 8)
    );
    assert!(promoted(&mut after).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hangs_whatever_leaders_do() {
    let flights = Arc::new(Flights::default());
    let callers: Vec<_> = (0..2_000_u32)
        .map(|number| {
            let flights = flights.clone();
            tokio::spawn(async move {
                let ticket = match flights.join(kind(), "k", false) {
                    Turn::Lead(ticket) => ticket,
                    Turn::Follow(message) => match message.await.expect("a message comes") {
                        FollowerMessage::Lead(ticket) => ticket,
                        FollowerMessage::Shared(_) | FollowerMessage::Failed(_) => return,
                    },
                };
                let step = ticket.next_epoch();
                tokio::task::yield_now().await;
                match number % 4 {
                    0 => ticket.complete(&SharedResult::None, step),
                    1 => ticket.fail(step),
                    2 => drop(ticket),
                    _ => {
                        ticket.next_epoch();
                        ticket.complete(&SharedResult::None, Epoch::NONE);
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(Duration::from_secs(20), caller).await.expect("nobody hangs").unwrap();
    }
    assert_eq!(flights.len(), 0);
}

/// Who loads anew is given what a body gave that began after it came, and nothing that was only found or stored since.
#[test]
fn who_loads_anew_takes_no_load_that_had_begun() {
    let follow_anew = |flights: &Flights| match flights.join(kind(), "k", true) {
        Turn::Lead(_) => panic!("nobody leads"),
        Turn::Follow(message) => message,
    };
    let flights = Arc::new(Flights::default());
    let mut ticket = lead(&flights);
    let mut before_the_body = follow_anew(&flights);
    ticket.begin_load();
    let (mut during_the_body, mut usual) = (follow_anew(&flights), follow(&flights));
    let fill = ticket.next_epoch();
    ticket.complete(&SharedResult::None, fill);
    assert!(shared(&mut before_the_body));
    assert!(shared(&mut usual), "the fill was accepted");
    let next = promoted(&mut during_the_body).expect("that body had begun before");
    let (mut forced, mut usual) = (follow_anew(&flights), follow(&flights));
    let look = next.next_epoch();
    next.complete(&SharedResult::None, look);
    assert!(shared(&mut usual));
    let next = promoted(&mut forced).expect("what was found is not what was loaded");
    drop(next);
    assert_eq!(flights.len(), 0);
}

/// What was loaded and not stored may be newer than what stands there. Only who loads anew itself ends that.
#[test]
fn who_loads_anew_takes_nothing_that_was_not_stored() {
    let follow_anew = |flights: &Flights| match flights.join(kind(), "k", true) {
        Turn::Lead(_) => panic!("nobody leads"),
        Turn::Follow(message) => message,
    };
    let flights = Arc::new(Flights::default());
    let mut ticket = lead(&flights);
    let (mut usual, mut forced, mut other) = (follow(&flights), follow_anew(&flights), follow_anew(&flights));
    let began = ticket.begin_load();
    ticket.complete(&SharedResult::None, began);
    assert!(shared(&mut usual));
    let mut next = promoted(&mut forced).expect("it was not stored");
    let began = next.begin_load();
    next.complete(&SharedResult::None, began);
    assert!(shared(&mut other), "what stood there instead has ended");
    assert_eq!(flights.len(), 0);
}

/// Each part of a kind tells two loads of one key apart.
#[test]
fn loads_of_one_key_that_carry_different_things_are_not_shared() {
    let flights = Arc::new(Flights::default());
    let kinds = [
        kind(),
        Kind { function: 1, ..kind() },
        Kind { value: ConstTypeId::of::<u32>(), ..kind() },
        Kind { codec: "other", ..kind() },
        Kind { version: 1, ..kind() },
    ];
    let join = |kind| match flights.join(kind, "k", false) {
        Turn::Lead(ticket) => Ok(ticket),
        Turn::Follow(message) => Err(message),
    };
    let tickets = kinds.map(|kind| join(kind).expect("nobody else carries this"));
    assert_eq!(flights.len(), kinds.len());
    for (ticket, kind) in tickets.into_iter().zip(kinds) {
        let mut message = join(kind).expect_err("the same is shared");
        let step = ticket.next_epoch();
        ticket.complete(&SharedResult::None, step);
        assert!(shared(&mut message));
    }
    assert_eq!(flights.len(), 0);
}
