//! The map against a model, in every order of operations that a seed gives.

use std::collections::HashMap;

use super::*;

fn map(size: usize) -> SharedMap {
    SharedMap::open(Rc::new(Zone::new("test", "test", size).unwrap())).unwrap()
}

fn key(number: usize) -> Vec<u8> {
    format!("key number {number}").into_bytes()
}

#[test]
fn finds_what_was_put_in() {
    let map = map(100_000);
    let mut map = map.lock();
    assert!(map.is_empty());
    for number in 0..100 {
        map.insert(&key(number), &number.to_ne_bytes()).unwrap();
    }
    map.insert(b"", b"empty key").unwrap();
    map.insert(b"empty value", b"").unwrap();
    assert_eq!(map.len(), 102);
    assert_eq!(map.get(&key(42)), Some(42_usize.to_ne_bytes().as_slice()));
    assert_eq!(map.get(b""), Some(b"empty key".as_slice()));
    assert_eq!(map.get(b"empty value"), Some(b"".as_slice()));
    assert_eq!(map.get(b"nothing"), None);

    map.insert(&key(42), b"another, longer value than the one before it")
        .unwrap();
    assert_eq!(
        map.get(&key(42)),
        Some(b"another, longer value than the one before it".as_slice())
    );
    assert!(map.remove(&key(42)));
    assert!(!map.remove(&key(42)));
    assert_eq!((map.get(&key(42)), map.len()), (None, 101));
}

#[test]
fn a_map_opened_again_is_the_same_map() {
    let first = map(100_000);
    first.lock().insert(b"a", b"1").unwrap();
    let second = SharedMap::open(Rc::clone(first.zone())).unwrap();
    assert_eq!(second.lock().get(b"a"), Some(b"1".as_slice()));
}

#[test]
fn forgets_the_least_recently_used() {
    let map = map(40_000);
    let mut map = map.lock();
    let mut number = 0;
    while map.insert(&key(number), &[0; 40]).is_ok() {
        number += 1;
    }
    assert!(number > 100);
    assert_eq!(map.len(), number);

    assert_eq!(map.update(&key(0), |value| value.fill(1)), Some(()));
    map.insert_evicting(b"one more", &[0; 40]).unwrap();
    assert_eq!(map.get(&key(0)), Some([1; 40].as_slice()), "used just now");
    assert_eq!(map.get(&key(1)), None, "the oldest");
    assert_eq!(map.oldest().unwrap().0, key(2));
    assert!(map.get(b"one more").is_some());
}

#[test]
fn refuses_what_would_push_everything_out() {
    let map = map(40_000);
    let mut map = map.lock();
    map.insert(b"a", b"1").unwrap();
    assert_eq!(map.insert_evicting(b"b", &[0; 20_000]), Err(Full));
    assert_eq!(map.insert_evicting(&[0; 70_000], b""), Err(Full));
    assert_eq!(map.len(), 1);
}

#[test]
fn retains_in_order_of_use() {
    let map = map(100_000);
    let mut map = map.lock();
    for number in 0..10 {
        map.insert(&key(number), &[0]).unwrap();
    }
    map.update(&key(0), |_| ());
    let mut seen = Vec::new();
    map.retain(|key, value| {
        seen.push(key.to_vec());
        value[0] = 7;
        !key.ends_with(b"3")
    });
    let expected: Vec<_> = (1..10).chain([0]).map(key).collect();
    assert_eq!(seen, expected);
    assert_eq!((map.len(), map.get(&key(3))), (9, None));
    assert_eq!(map.get(&key(4)), Some([7].as_slice()));
}

/// Against std's map, with entries of all sizes, and rebuilt again and again.
#[test]
fn agrees_with_a_model() {
    let map = map(1_000_000);
    let mut map = map.lock();
    let mut model: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut state = 7_u32;
    let mut random = |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    for step in 0..20_000 {
        let key = key(random(500) as usize);
        match random(3) {
            0 => assert_eq!(map.remove(&key), model.remove(&key).is_some()),
            1 => assert_eq!(map.get(&key), model.get(&key).map(Vec::as_slice)),
            _ => {
                let value = vec![u8::try_from(step % 256).unwrap(); random(1000) as usize];
                map.insert(&key, &value).unwrap();
                model.insert(key, value);
            }
        }
        if step % 2000 == 0 {
            map.is_damaged.set(true);
            assert!(map.mend());
        }
        assert_eq!(map.len(), model.len());
    }
    for (key, value) in &model {
        assert_eq!(map.get(key), Some(value.as_slice()));
    }
}

#[test]
fn a_rebuild_keeps_the_order_of_use() {
    let map = map(100_000);
    let mut map = map.lock();
    for number in 0..20 {
        map.insert(&key(number), b"x").unwrap();
    }
    for number in [5, 3, 9] {
        map.update(&key(number), |_| ());
    }
    let order = |map: &mut MapGuard<'_>| {
        let mut seen = Vec::new();
        map.retain(|key, _| {
            seen.push(key.to_vec());
            true
        });
        seen
    };
    let before = order(&mut map);
    map.is_damaged.set(true);
    map.mend();
    assert_eq!(order(&mut map), before);
}

/// Any four bytes of the bookkeeping may be anything: nothing may panic, hang or reach outside,
/// and the map must work afterwards.
#[test]
fn survives_damage_anywhere() {
    for garbage in [0, 1, 0x7fff_ffff, u32::MAX] {
        for offset in (64..640).chain(4096..4096 + 1200).step_by(4) {
            let map = map(33_000);
            let mut guard = map.lock();
            for number in 0..10 {
                guard.insert(&key(number), b"value").unwrap();
            }
            guard.zone.set(offset, garbage).unwrap();
            for number in 0..30 {
                guard.update(&key(number), |_| ());
                guard.remove(&key(number / 2));
                let _ = guard.insert_evicting(&key(number), b"new");
            }
            drop(guard);
            map.lock().retain(|_, _| true);
        }
    }
}
