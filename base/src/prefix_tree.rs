//! Values by the leading bits of a number: the longest prefix that fits is found.

/// A radix tree with one node a prefix or fork. Bits are counted from the most significant one.
#[derive(Clone, Debug)]
pub struct PrefixTree<V> {
    nodes: Vec<Node<V>>,
}

#[derive(Clone, Debug)]
struct Node<V> {
    /// The prefix; bits that do not count are clear.
    bits: u128,
    /// How many bits count.
    length: u8,
    /// What the prefix stands for; a fork stands for nothing.
    value: Option<V>,
    /// What goes on with a clear bit, and with a set one. 0 is nothing: the root is no child.
    children: [u32; 2],
}

/// Where the root is, which is there from the start and has no bits.
const ROOT: usize = 0;

impl<V> Default for PrefixTree<V> {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new(0, 0, None)],
        }
    }
}

impl<V> Node<V> {
    fn new(bits: u128, length: u8, value: Option<V>) -> Self {
        Self {
            bits,
            length,
            value,
            children: [0; 2],
        }
    }

    fn holds(&self, bits: u128) -> bool {
        cut(bits, self.length) == self.bits
    }

    fn child_towards(&self, bits: u128) -> Option<usize> {
        let child = *self.children.get(side(bits, self.length)?)?;
        (child != 0).then_some(child as usize)
    }
}

impl<V> PrefixTree<V> {
    /// Sets the value of the first `length` bits of `bits` (at most 128); gives the old one.
    ///
    /// # Panics
    ///
    /// When there are more than four billion prefixes.
    pub fn insert(&mut self, bits: u128, length: u8, value: V) -> Option<V> {
        let length = length.min(128);
        let bits = cut(bits, length);
        let mut at = ROOT;
        loop {
            let node = &self.nodes[at];
            if node.length == length {
                return self.nodes[at].value.replace(value);
            }
            match node.child_towards(bits) {
                None => {
                    let leaf = self.push(Node::new(bits, length, Some(value)));
                    self.link(at, leaf);
                    return None;
                }
                Some(child)
                    if self.nodes[child].length <= length && self.nodes[child].holds(bits) =>
                {
                    at = child;
                }
                Some(child) => {
                    self.fork(at, child, bits, length, value);
                    return None;
                }
            }
        }
    }

    /// Removes the value of exactly this prefix, and gives it.
    pub fn remove(&mut self, bits: u128, length: u8) -> Option<V> {
        let mut at = ROOT;
        while self.nodes[at].length < length {
            at = self.nodes[at].child_towards(bits)?;
        }
        let node = &mut self.nodes[at];
        let is_it = node.length == length && node.holds(bits);
        is_it.then(|| node.value.take()).flatten()
    }

    /// The value of the longest prefix of `bits` that has one.
    #[must_use]
    pub fn find(&self, bits: u128) -> Option<&V> {
        let mut found = None;
        let mut next = Some(ROOT);
        while let Some(node) = next.and_then(|at| self.nodes.get(at))
            && node.holds(bits)
        {
            found = node.value.as_ref().or(found);
            next = node.child_towards(bits);
        }
        found
    }

    /// Puts the new prefix between `parent` and `child`, which it leaves or contains.
    fn fork(&mut self, parent: usize, child: usize, bits: u128, length: u8, value: V) {
        let common = (self.nodes[child].bits ^ bits)
            .leading_zeros()
            .min(u32::from(length));
        let common = u8::try_from(common)
            .unwrap_or(length)
            .min(self.nodes[child].length);
        let middle = if common == length {
            self.push(Node::new(bits, length, Some(value)))
        } else {
            let middle = self.push(Node::new(cut(bits, common), common, None));
            let leaf = self.push(Node::new(bits, length, Some(value)));
            self.link(middle, leaf);
            middle
        };
        self.link(middle, child);
        self.link(parent, middle);
    }

    fn push(&mut self, node: Node<V>) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn link(&mut self, parent: usize, child: usize) {
        let bits = self.nodes[child].bits;
        let side = side(bits, self.nodes[parent].length).expect("a child has more bits");
        self.nodes[parent].children[side] =
            u32::try_from(child).expect("fewer than four billion prefixes");
    }
}

/// The first `length` bits; the others are cleared.
fn cut(bits: u128, length: u8) -> u128 {
    let dropped = 128_u32.saturating_sub(length.into());
    bits & u128::MAX.checked_shl(dropped).unwrap_or(0)
}

/// The bit after the first `length` ones.
fn side(bits: u128, length: u8) -> Option<usize> {
    let shift = 127_u32.checked_sub(length.into())?;
    Some(usize::from(bits >> shift & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_is_found() {
        let mut tree = PrefixTree::default();
        let byte = |byte: u8| u128::from(byte) << 120;
        assert_eq!(tree.insert(byte(0b1010_0000), 3, "101"), None);
        assert_eq!(tree.insert(byte(0b1011_0000), 4, "1011"), None);
        assert_eq!(tree.insert(byte(0b1100_0000), 2, "11"), None);
        assert_eq!(tree.insert(u128::MAX, 128, "all"), None);
        assert_eq!(tree.find(byte(0b1010_1111)), Some(&"101"));
        assert_eq!(tree.find(byte(0b1011_1111)), Some(&"1011"));
        assert_eq!(tree.find(byte(0b1111_1111)), Some(&"11"));
        assert_eq!(tree.find(u128::MAX), Some(&"all"));
        assert_eq!(tree.find(byte(0b1000_0000)), None);
        assert_eq!(tree.insert(0, 0, "any"), None);
        assert_eq!(tree.find(byte(0b1000_0000)), Some(&"any"));
        assert_eq!(tree.insert(byte(0b1011_0000), 4, "new"), Some("1011"));
        assert_eq!(tree.remove(byte(0b1011_0000), 4), Some("new"));
        assert_eq!(tree.remove(byte(0b1011_0000), 4), None);
        assert_eq!(tree.remove(byte(0b1011_0000), 5), None);
        assert_eq!(tree.find(byte(0b1011_1111)), Some(&"101"));
    }

    /// The tree against a list, with prefixes that collide often.
    #[test]
    fn it_finds_what_a_list_finds() {
        let mut random = 1_u64;
        let mut next = move || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            random >> 40
        };
        for _ in 0..200 {
            let mut tree = PrefixTree::default();
            let mut list: Vec<(u128, u8, u64)> = Vec::new();
            for value in 0..60 {
                let bits = u128::from(next() & 0xff) << 120;
                let length = u8::try_from(next() % 9).unwrap();
                let known = list
                    .iter()
                    .position(|(known, l, _)| *l == length && cut(bits, length) == *known);
                let old = known.map(|at| list.remove(at).2);
                if next() % 4 == 0 {
                    assert_eq!(tree.remove(bits, length), old);
                    continue;
                }
                assert_eq!(tree.insert(bits, length, value), old);
                list.push((cut(bits, length), length, value));
            }
            for byte in 0..=255_u128 {
                let bits = byte << 120;
                let fitting = list.iter().filter(|(known, l, _)| cut(bits, *l) == *known);
                let longest = fitting.max_by_key(|(_, l, _)| *l).map(|(.., value)| value);
                assert_eq!(tree.find(bits), longest);
            }
        }
    }
}
