//! The bounds of a request head, with nginx's defaults.

/// What one request head may use. The bytes are counted as nginx counts its buffers, so that
/// the same requests are refused: a line never straddles two buffers, and what is left of a
/// buffer that the next line does not fit into is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `client_header_buffer_size`, bytes. A head that fits here costs nothing more.
    pub initial_buffer: usize,
    /// How many further buffers a head may take: the number of `large_client_header_buffers`.
    /// At the bound: 414 in the request line, 494 in the header.
    pub buffers: usize,
    /// Bytes of each further buffer: the size of `large_client_header_buffers`. It is the
    /// longest line, its line end included. At the bound: 414 or 494.
    pub line_max: usize,
    /// `max_headers`: header lines of one request. At the bound: 494.
    pub max_headers: usize,
    /// `ignore_invalid_headers`: drop header lines whose name has bytes other than letters,
    /// digits and dashes, instead of handing them on.
    pub ignore_invalid_headers: bool,
    /// `underscores_in_headers`: whether `_` is valid in a name.
    pub underscores_in_headers: bool,
    /// Whether to stop once the host is known, since the rest is to be read under other limits.
    pub stops_at_host: bool,
}

impl Limits {
    /// The most bytes that a head can have before it is refused. A receive buffer never needs
    /// to be longer.
    #[must_use]
    pub fn head_max(&self) -> usize {
        // Blank lines before the request line have an initial buffer of their own.
        let initial = self.initial_buffer.saturating_mul(2);
        initial.saturating_add(self.buffers.saturating_mul(self.line_max))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            initial_buffer: 1024,
            buffers: 4,
            line_max: 8192,
            max_headers: 1000,
            ignore_invalid_headers: true,
            underscores_in_headers: false,
            stops_at_host: false,
        }
    }
}
