//! A binary tree over the bits of addresses, as both kinds of databases have it.

use std::net::IpAddr;

/// What is on a side of a node.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Nothing,
    Node(usize),
    /// The number of what is known of the addresses below.
    Leaf(usize),
}

/// Nodes, the root first.
pub(crate) struct Trie {
    pub(crate) nodes: Vec<[Side; 2]>,
    /// Bits of an address.
    width: u32,
}

impl Trie {
    pub(crate) fn new(width: u32) -> Self {
        Self {
            nodes: vec![[Side::Nothing; 2]],
            width,
        }
    }

    /// Says that the addresses of `network`, such as `10.0.0.0/8`, have `leaf`. In a tree of 128
    /// bits, one of 32 lies where `base` puts it.
    pub(crate) fn insert(&mut self, network: &str, base: &str, leaf: usize) {
        let (address, prefix) = network.split_once('/').expect("a prefix");
        let mut prefix: u32 = prefix.parse().expect("a number");
        let bits = match (address.parse().expect("an address"), self.width) {
            (IpAddr::V4(address), 32) => u128::from(address.to_bits()),
            (IpAddr::V4(address), _) => {
                prefix += 96;
                let IpAddr::V6(base) = base.parse().expect("an address") else {
                    panic!("{base} has 32 bits");
                };
                base.to_bits() | u128::from(address.to_bits())
            }
            (IpAddr::V6(address), _) => address.to_bits(),
        };
        let mut node = 0;
        for depth in 1..=prefix {
            let side = usize::from(bits >> (self.width - depth) & 1 == 1);
            if depth == prefix {
                self.nodes[node][side] = Side::Leaf(leaf);
                return;
            }
            let new = self.nodes.len();
            node = match self.nodes[node][side] {
                Side::Node(known) => known,
                // What was said of a larger network holds for the rest of it.
                above => {
                    self.nodes.push([above; 2]);
                    self.nodes[node][side] = Side::Node(new);
                    new
                }
            };
        }
    }
}
