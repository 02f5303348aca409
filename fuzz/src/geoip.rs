//! Legacy GeoIP databases.

use http_modules::pure::database::{Database, Kind, TEXT_MAX};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Takes the input for a database and asks it about addresses.
///
/// # Panics
///
/// When something is told that a database of its kind does not tell, or more than its limits.
pub fn geoip(data: &[u8]) {
    let Ok(database) = Database::parse(data.to_vec()) else {
        return;
    };
    let kind = database.kind();
    for address in addresses(data).map(Some).into_iter().chain([None]) {
        if database.country(address).is_some() {
            assert_eq!(kind, Kind::Country);
        }
        if let Some(name) = database.name(address) {
            assert!(kind == Kind::Name && name.len() <= TEXT_MAX);
        }
        if let Some(place) = database.place(address) {
            assert_eq!(kind, Kind::City);
            for text in [place.region, place.city, place.postal_code] {
                assert!(text.len() <= TEXT_MAX && !text.contains(&0));
            }
            assert!((-180.0..=1498.0).contains(&place.latitude));
            assert!(place.area_code < 1000);
        }
    }
}

/// Addresses at both ends, and some that the input chooses.
pub(crate) fn addresses(data: &[u8]) -> [IpAddr; 6] {
    let chosen = data
        .iter()
        .fold(0_u128, |bits, &byte| bits.rotate_left(9) ^ u128::from(byte));
    [
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv4Addr::BROADCAST.into(),
        Ipv4Addr::from_bits((chosen >> 96) as u32).into(),
        Ipv6Addr::UNSPECIFIED.into(),
        Ipv6Addr::from_bits(u128::MAX).into(),
        Ipv6Addr::from_bits(chosen).into(),
    ]
}
