//! Names of regions, as the codes in legacy GeoIP databases mean them.
//!
//! The databases name regions of the United States and of Canada by ISO 3166-2, and all others by
//! FIPS 10-4, which was withdrawn in 2008. Names are known here for the former.

/// States, territories and the places of armed forces, by postal code.
#[rustfmt::skip]
const UNITED_STATES: &[(&str, &str)] = &[
    ("AA", "Armed Forces Americas"),
    ("AE", "Armed Forces Europe, Middle East, & Canada"),
    ("AK", "Alaska"), ("AL", "Alabama"), ("AP", "Armed Forces Pacific"), ("AR", "Arkansas"),
    ("AS", "American Samoa"), ("AZ", "Arizona"), ("CA", "California"), ("CO", "Colorado"),
    ("CT", "Connecticut"), ("DC", "District of Columbia"), ("DE", "Delaware"), ("FL", "Florida"),
    ("FM", "Federated States of Micronesia"), ("GA", "Georgia"), ("GU", "Guam"), ("HI", "Hawaii"),
    ("IA", "Iowa"), ("ID", "Idaho"), ("IL", "Illinois"), ("IN", "Indiana"), ("KS", "Kansas"),
    ("KY", "Kentucky"), ("LA", "Louisiana"), ("MA", "Massachusetts"), ("MD", "Maryland"),
    ("ME", "Maine"), ("MH", "Marshall Islands"), ("MI", "Michigan"), ("MN", "Minnesota"),
    ("MO", "Missouri"), ("MP", "Northern Mariana Islands"), ("MS", "Mississippi"),
    ("MT", "Montana"), ("NC", "North Carolina"), ("ND", "North Dakota"), ("NE", "Nebraska"),
    ("NH", "New Hampshire"), ("NJ", "New Jersey"), ("NM", "New Mexico"), ("NV", "Nevada"),
    ("NY", "New York"), ("OH", "Ohio"), ("OK", "Oklahoma"), ("OR", "Oregon"),
    ("PA", "Pennsylvania"), ("PW", "Palau"), ("RI", "Rhode Island"), ("SC", "South Carolina"),
    ("SD", "South Dakota"), ("TN", "Tennessee"), ("TX", "Texas"), ("UT", "Utah"),
    ("VA", "Virginia"), ("VI", "Virgin Islands"), ("VT", "Vermont"), ("WA", "Washington"),
    ("WI", "Wisconsin"), ("WV", "West Virginia"), ("WY", "Wyoming"),
];

/// Provinces and territories.
#[rustfmt::skip]
const CANADA: &[(&str, &str)] = &[
    ("AB", "Alberta"), ("BC", "British Columbia"), ("MB", "Manitoba"), ("NB", "New Brunswick"),
    ("NL", "Newfoundland"), ("NS", "Nova Scotia"), ("NT", "Northwest Territories"),
    ("NU", "Nunavut"), ("ON", "Ontario"), ("PE", "Prince Edward Island"), ("QC", "Quebec"),
    ("SK", "Saskatchewan"), ("YT", "Yukon Territory"),
];

/// The name of `region` in the country with this code, where it is known.
pub(super) fn name(country: &str, region: &[u8]) -> Option<&'static str> {
    let regions = match country {
        "US" => UNITED_STATES,
        "CA" => CANADA,
        _ => return None,
    };
    let found = regions.iter().find(|(code, _)| code.as_bytes() == region);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_means_what_its_country_says() {
        assert_eq!(name("US", b"NE"), Some("Nebraska"));
        assert_eq!(name("CA", b"NT"), Some("Northwest Territories"));
        assert_eq!(name("CA", b"NE"), None);
        assert_eq!(name("DE", b"01"), None);
        assert_eq!(name("US", b""), None);
    }
}
