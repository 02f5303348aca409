//! Values by network: the smallest network that has the address decides.

use base::cidr::Cidr;
use base::prefix_tree::PrefixTree;
use http::Bytes;
use std::net::IpAddr;

/// Networks of both families.
#[derive(Default)]
pub(super) struct Networks {
    v4: PrefixTree<Bytes>,
    v6: PrefixTree<Bytes>,
}

impl Networks {
    /// Sets the value of a network; gives the one that it had.
    pub(super) fn insert(&mut self, network: Cidr, value: Bytes) -> Option<Bytes> {
        let (tree, bits) = self.of(network.address());
        tree.insert(bits, network.prefix(), value)
    }

    /// Removes a network; says whether it was there.
    pub(super) fn remove(&mut self, network: Cidr) -> bool {
        let (tree, bits) = self.of(network.address());
        tree.remove(bits, network.prefix()).is_some()
    }

    /// The value for `address`.
    pub(super) fn find(&self, address: IpAddr) -> Option<&Bytes> {
        match address {
            IpAddr::V4(_) => self.v4.find(bits(address)),
            IpAddr::V6(_) => self.v6.find(bits(address)),
        }
    }

    fn of(&mut self, address: IpAddr) -> (&mut PrefixTree<Bytes>, u128) {
        let tree = match address {
            IpAddr::V4(_) => &mut self.v4,
            IpAddr::V6(_) => &mut self.v6,
        };
        (tree, bits(address))
    }
}

/// The address with its first bit as the most significant one.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
