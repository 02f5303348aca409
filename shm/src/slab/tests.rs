//! The slab: sizes, exhaustion, reuse, and misuse that is noticed.

use std::collections::HashMap;

use super::*;
use crate::zone::Zone;

fn zone(pages: usize) -> Zone {
    Zone::new("test", "test", pages * PAGE).unwrap()
}

/// A small generator of numbers that look random, so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn places_never_overlap_and_all_come_back() {
    let zone = zone(64);
    let mut zone = zone.lock();
    let at_first = zone.free_pages().unwrap();
    let mut numbers = Numbers(1);
    let mut held: HashMap<Place, (usize, u8)> = HashMap::new();

    for step in 0..20_000 {
        if numbers.below(100) < 55 {
            let length = 1 + numbers.below(if step % 50 == 0 { 3 * PAGE } else { 2100 });
            if let Some(place) = zone.allocate(length).unwrap() {
                let mark = u8::try_from(step % 251).unwrap();
                zone.bytes_mut(place.offset(), length).unwrap().fill(mark);
                assert_eq!(held.insert(place, (length, mark)), None);
            }
        } else if let Some(&place) = held.keys().nth(numbers.below(held.len().max(1))) {
            let (length, mark) = held.remove(&place).unwrap();
            let bytes = zone.bytes(place.offset(), length).unwrap();
            assert!(bytes.iter().all(|&byte| byte == mark), "step {step}");
            zone.free(place).unwrap();
        }
        if step % 1000 == 0 {
            let mut places: Vec<_> = held.keys().copied().collect();
            places.sort_by_key(|place| place.offset());
            assert_eq!(zone.taken().unwrap(), places);
            repair(&mut zone);
        }
    }
    for place in held.into_keys() {
        zone.free(place).unwrap();
    }
    assert_eq!(zone.free_pages().unwrap(), at_first);
}

#[test]
fn says_when_it_is_full() {
    let zone = zone(8);
    let mut zone = zone.lock();
    let mut places = Vec::new();
    while let Some(place) = zone.allocate(100).unwrap() {
        places.push(place);
    }
    assert_eq!(places.len(), 7 * (PAGE / 128));
    assert_eq!(zone.allocate(2000).unwrap(), None);
    assert_eq!(zone.allocate(usize::MAX).unwrap(), None);
    zone.free(places.pop().unwrap()).unwrap();
    assert!(zone.allocate(128).unwrap().is_some());
}

#[test]
fn nothing_is_given_back_twice() {
    let zone = zone(8);
    let mut zone = zone.lock();
    let small = zone.allocate(64).unwrap().unwrap();
    let other = zone.allocate(64).unwrap().unwrap();
    let large = zone.allocate(2 * PAGE).unwrap().unwrap();
    zone.free(small).unwrap();
    zone.free(large).unwrap();
    assert_eq!(zone.free(small), Err(Corrupt));
    assert_eq!(zone.free(large), Err(Corrupt));
    let inside = Place::of_number(other.number() + 1).unwrap();
    assert_eq!(zone.free(inside), Err(Corrupt));
    assert_eq!(zone.free(Place::of_number(1).unwrap()), Err(Corrupt));
    assert_eq!(zone.free(Place::of_number(u32::MAX).unwrap()), Err(Corrupt));
}

#[test]
fn bytes_outside_are_out_of_reach() {
    let zone = zone(8);
    let mut zone = zone.lock();
    assert_eq!(zone.bytes(0, 1), Err(Corrupt));
    assert_eq!(zone.bytes(63, 2), Err(Corrupt));
    assert_eq!(zone.bytes(8 * PAGE, 1), Err(Corrupt));
    assert_eq!(zone.bytes(usize::MAX, 2), Err(Corrupt));
    assert_eq!(zone.set(8 * PAGE - 4, 0_u64), Err(Corrupt));
    assert!(zone.bytes(8 * PAGE, 0).is_ok());
}

/// Half a run, as left by a process that was killed while taking or giving it back.
#[test]
fn half_a_run_is_free_after_a_repair() {
    let zone = zone(16);
    let mut zone = zone.lock();
    let pages = zone.free_pages().unwrap();
    for page in [3, 4] {
        zone.set::<Descriptor>(descriptor(page), (0, 0, 0, INSIDE_RUN, 0))
            .unwrap();
    }
    zone.set(FREE_PAGES, 1_u32).unwrap();
    repair(&mut zone);
    assert_eq!(zone.free_pages().unwrap(), pages);
    assert!(zone.allocate(pages as usize * PAGE).unwrap().is_some());
}
