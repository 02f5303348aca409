//! The allocator inside a zone: pages of chunks of one size, and runs of whole pages.
//!
//! ```text
//! 0    the lock                           256  a descriptor a page
//! 64   head: root, counts, lists          then the pages, page-aligned
//! ```
//!
//! The descriptors alone are the truth: which chunks of a page are taken is one bitmap. The lists
//! of pages with room are derived from them, and derived anew after an owner was killed; at most
//! the chunk that it was taking or giving back is then lost.

use std::num::NonZeroU32;

use crate::zone::{Corrupt, Guard};

/// Size of a page in bytes, whatever the machine's is.
pub(crate) const PAGE: usize = 4096;

/// Where the head begins, in bytes.
pub(crate) const HEADER: usize = 64;

/// Places are numbered in units of this many bytes.
const UNIT: usize = 32;

/// Largest zone that 32-bit places can number, in bytes.
pub(crate) const LARGEST_ZONE: usize = UNIT << 31;

/// Chunk sizes in bytes: multiples of the unit, at most 64 to a page.
const CLASSES: [usize; 11] = [64, 96, 128, 192, 256, 384, 512, 768, 1024, 1344, 2048];

const ROOT: usize = HEADER;
const REPAIRS: usize = HEADER + 4;
const PAGES: usize = HEADER + 8;
const FREE_PAGES: usize = HEADER + 12;
const SEARCH_FROM: usize = HEADER + 16;
/// For each class, the first page with room, plus one; 0 for none.
const WITH_ROOM: usize = HEADER + 20;
const DESCRIPTORS: usize = 256;

const _: () = assert!(WITH_ROOM + 4 * CLASSES.len() <= DESCRIPTORS);

/// `Descriptor::kind` of a page that nobody has.
const FREE: u32 = 0;
/// Of a page of chunks: this plus the class.
const CHUNKS: u32 = 1;
/// Of the first page of a run.
const RUN: u32 = 100;
/// Of the others.
const INSIDE_RUN: u32 = 101;

/// Taken bitmap, next and previous page with room (plus one), kind, pages of the run.
type Descriptor = (u64, u32, u32, u32, u32);
const DESCRIPTOR: usize = 24;
const NEXT: usize = 8;
const PREVIOUS: usize = 12;
const KIND: usize = 16;

/// Something allocated in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(NonZeroU32);

impl Place {
    /// The place as a number to keep in the zone; never 0.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The place that `number` stands for; `None` for 0.
    #[must_use]
    pub const fn of_number(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Where it is, in bytes from the zone's start.
    #[must_use]
    pub const fn offset(self) -> usize {
        self.0.get() as usize * UNIT
    }

    fn at(offset: usize) -> Result<Self, Corrupt> {
        let number = u32::try_from(offset / UNIT).map_err(|_| Corrupt)?;
        Self::of_number(number).ok_or(Corrupt)
    }
}

/// Prepares a zone whose bytes are all zero.
pub(crate) fn format(zone: &mut Guard<'_>) -> Result<(), Corrupt> {
    let pages = pages_in(zone.size())?;
    zone.set(PAGES, pages)?;
    zone.set(FREE_PAGES, pages)
}

/// How many pages, each with its descriptor, a zone of `size` bytes holds.
fn pages_in(size: usize) -> Result<u32, Corrupt> {
    let mut pages = size.saturating_sub(DESCRIPTORS) / (PAGE + DESCRIPTOR);
    while pages > 0 && first_page(pages) + pages * PAGE > size {
        pages -= 1;
    }
    u32::try_from(pages).map_err(|_| Corrupt)
}

const fn first_page(pages: usize) -> usize {
    (DESCRIPTORS + pages * DESCRIPTOR).next_multiple_of(PAGE)
}

/// Derives lists and counts from the descriptors: after an owner was killed, or damage was found.
///
/// Never fails for the whole: what makes no sense counts as taken.
pub(crate) fn repair(zone: &mut Guard<'_>) {
    // Cannot fail: head and descriptors are always inside the zone.
    let _ = rebuild_lists(zone);
}

fn rebuild_lists(zone: &mut Guard<'_>) -> Result<(), Corrupt> {
    let pages = pages_in(zone.size())?;
    zone.set(PAGES, pages)?;
    let repairs: u32 = zone.get(REPAIRS)?;
    zone.set(REPAIRS, repairs.wrapping_add(1))?;
    for class in 0..CLASSES.len() {
        zone.set(WITH_ROOM + 4 * class, 0_u32)?;
    }
    let mut free: u32 = 0;
    let mut run_left = 0;
    for page in 0..pages {
        let (taken, _, _, kind, run) = zone.get::<Descriptor>(descriptor(page))?;
        match kind {
            // The last chunk went, and the page had not followed yet.
            CHUNKS..RUN if taken == 0 => {
                zone.set::<Descriptor>(descriptor(page), (0, 0, 0, FREE, 0))?;
                free += 1;
            }
            // A run is written from its last page to its first, and cleared the other way around,
            // so that pages of half a run have nobody.
            INSIDE_RUN if run_left > 0 => run_left -= 1,
            FREE | INSIDE_RUN => {
                zone.set::<Descriptor>(descriptor(page), (0, 0, 0, FREE, 0))?;
                free += 1;
            }
            RUN => run_left = run.saturating_sub(1),
            _ => {
                if let Some(class) = class_of_kind(kind) {
                    zone.set::<Descriptor>(descriptor(page), (taken, 0, 0, kind, 0))?;
                    if taken != full(class) {
                        link(zone, page, class)?;
                    }
                }
            }
        }
    }
    zone.set(FREE_PAGES, free)?;
    zone.set(SEARCH_FROM, 0_u32)
}

impl Guard<'_> {
    /// The place that everything in the zone is found from, once it has been set.
    ///
    /// # Errors
    ///
    /// [`Corrupt`], though never in a zone made by `Zone::new`.
    pub fn root(&self) -> Result<Option<Place>, Corrupt> {
        Ok(Place::of_number(self.get(ROOT)?))
    }

    /// Sets the place that everything in the zone is found from.
    ///
    /// # Errors
    ///
    /// [`Corrupt`], though never in a zone made by `Zone::new`.
    pub fn set_root(&mut self, root: Place) -> Result<(), Corrupt> {
        self.set_in_order(ROOT, root.number())
    }

    /// How often the zone had to be repaired after a process was killed in the middle of a change.
    /// Structures in it compare it with what they last saw.
    ///
    /// # Errors
    ///
    /// [`Corrupt`], though never in a zone made by `Zone::new`.
    pub fn repairs(&self) -> Result<u32, Corrupt> {
        self.get(REPAIRS)
    }

    /// How many pages of 4096 bytes nobody has.
    ///
    /// # Errors
    ///
    /// [`Corrupt`], though never in a zone made by `Zone::new`.
    pub fn free_pages(&self) -> Result<u32, Corrupt> {
        self.get(FREE_PAGES)
    }

    /// Takes `length` bytes, of unknown content and aligned to 32; `None` when there is no room.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when the allocator finds itself damaged.
    pub fn allocate(&mut self, length: usize) -> Result<Option<Place>, Corrupt> {
        match CLASSES.iter().position(|&size| length <= size) {
            Some(class) => allocate_chunk(self, class),
            None => allocate_run(self, length.div_ceil(PAGE)),
        }
    }

    /// Gives back what [`Guard::allocate`] returned.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when it is not taken: nothing is changed then.
    pub fn free(&mut self, place: Place) -> Result<(), Corrupt> {
        let (page, inside) = page_of(self, place)?;
        let (taken, _, _, kind, run) = self.get::<Descriptor>(descriptor(page))?;
        if kind == RUN && inside == 0 {
            return free_run(self, page, run);
        }
        let class = class_of_kind(kind).ok_or(Corrupt)?;
        let bit = bit_of(class, inside)
            .filter(|bit| taken & bit != 0)
            .ok_or(Corrupt)?;
        let left = taken & !bit;
        self.set_in_order(descriptor(page), left)?;
        if left == 0 {
            if taken != full(class) {
                unlink(self, page, class)?;
            }
            self.set_in_order(descriptor(page) + KIND, FREE)?;
            count_free(self, 1)?;
            note_free(self, page)?;
        } else if taken == full(class) {
            link(self, page, class)?;
        }
        Ok(())
    }

    /// Every place that is taken, in their order.
    ///
    /// # Errors
    ///
    /// [`Corrupt`], though never in a zone made by `Zone::new`.
    pub fn taken(&self) -> Result<Vec<Place>, Corrupt> {
        let mut places = Vec::new();
        let pages = count_pages(self)?;
        for page in 0..pages {
            let (taken, _, _, kind, _) = self.get::<Descriptor>(descriptor(page))?;
            let start = first_page(pages as usize) + page as usize * PAGE;
            if kind == RUN {
                places.push(Place::at(start)?);
            } else if let Some(class) = class_of_kind(kind) {
                let chunks =
                    (0..PAGE / size_of_class(class)).filter(|chunk| taken >> chunk & 1 == 1);
                for chunk in chunks {
                    places.push(Place::at(start + chunk * size_of_class(class))?);
                }
            }
        }
        Ok(places)
    }
}

fn allocate_chunk(zone: &mut Guard<'_>, class: usize) -> Result<Option<Place>, Corrupt> {
    let page = match zone.get::<u32>(WITH_ROOM + 4 * class)?.checked_sub(1) {
        Some(page) => page,
        None => {
            let Some(page) = find_free(zone, 1)? else {
                return Ok(None);
            };
            let kind = CHUNKS + u32::try_from(class).map_err(|_| Corrupt)?;
            zone.set_in_order::<Descriptor>(descriptor(page), (0, 0, 0, kind, 0))?;
            uncount_free(zone, 1)?;
            link(zone, page, class)?;
            page
        }
    };
    let (taken, _, _, kind, _) = zone.get::<Descriptor>(descriptor(page))?;
    let free = (!taken).trailing_zeros();
    let chunk = free as usize;
    if class_of_kind(kind) != Some(class) || chunk >= PAGE / size_of_class(class) {
        return Err(Corrupt);
    }
    let taken = taken | 1 << free;
    zone.set_in_order(descriptor(page), taken)?;
    if taken == full(class) {
        unlink(zone, page, class)?;
    }
    let pages = count_pages(zone)? as usize;
    let offset = first_page(pages) + page as usize * PAGE + chunk * size_of_class(class);
    Place::at(offset).map(Some)
}

fn allocate_run(zone: &mut Guard<'_>, wanted: usize) -> Result<Option<Place>, Corrupt> {
    let Ok(wanted) = u32::try_from(wanted) else {
        return Ok(None);
    };
    let Some(first) = find_free(zone, wanted)? else {
        return Ok(None);
    };
    for page in (first + 1..first + wanted).rev() {
        zone.set::<Descriptor>(descriptor(page), (0, 0, 0, INSIDE_RUN, 0))?;
    }
    zone.set_in_order::<Descriptor>(descriptor(first), (0, 0, 0, RUN, wanted))?;
    uncount_free(zone, wanted)?;
    let pages = count_pages(zone)? as usize;
    Place::at(first_page(pages) + first as usize * PAGE).map(Some)
}

fn free_run(zone: &mut Guard<'_>, first: u32, pages: u32) -> Result<(), Corrupt> {
    let end = first
        .checked_add(pages)
        .filter(|&end| pages > 0 && end <= u32::MAX / 2);
    for page in first..end.ok_or(Corrupt)? {
        zone.set_in_order::<Descriptor>(descriptor(page), (0, 0, 0, FREE, 0))?;
    }
    count_free(zone, pages)?;
    note_free(zone, first)
}

/// The first of `wanted` pages in a row that nobody has.
fn find_free(zone: &mut Guard<'_>, wanted: u32) -> Result<Option<u32>, Corrupt> {
    if wanted > zone.get::<u32>(FREE_PAGES)? {
        return Ok(None);
    }
    let mut start: u32 = zone.get(SEARCH_FROM)?;
    let mut page = start;
    let mut is_first_free = true;
    while page < count_pages(zone)? {
        let kind: u32 = zone.get(descriptor(page) + KIND)?;
        page += 1;
        if kind != FREE {
            start = page;
        } else if is_first_free {
            // Nothing before this page is free: the next search need not look there.
            zone.set(SEARCH_FROM, page - 1)?;
            is_first_free = false;
        }
        if page - start == wanted {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

fn note_free(zone: &mut Guard<'_>, page: u32) -> Result<(), Corrupt> {
    let from: u32 = zone.get(SEARCH_FROM)?;
    zone.set(SEARCH_FROM, from.min(page))
}

fn count_free(zone: &mut Guard<'_>, pages: u32) -> Result<(), Corrupt> {
    let free: u32 = zone.get(FREE_PAGES)?;
    zone.set(FREE_PAGES, free.checked_add(pages).ok_or(Corrupt)?)
}

fn uncount_free(zone: &mut Guard<'_>, pages: u32) -> Result<(), Corrupt> {
    let free: u32 = zone.get(FREE_PAGES)?;
    zone.set(FREE_PAGES, free.checked_sub(pages).ok_or(Corrupt)?)
}

/// Puts `page` at the head of its class's list of pages with room.
fn link(zone: &mut Guard<'_>, page: u32, class: usize) -> Result<(), Corrupt> {
    let head = WITH_ROOM + 4 * class;
    let next: u32 = zone.get(head)?;
    zone.set(descriptor(page) + NEXT, next)?;
    zone.set(descriptor(page) + PREVIOUS, 0_u32)?;
    if let Some(next) = next.checked_sub(1) {
        zone.set(descriptor(next) + PREVIOUS, page + 1)?;
    }
    zone.set(head, page + 1)
}

fn unlink(zone: &mut Guard<'_>, page: u32, class: usize) -> Result<(), Corrupt> {
    let next: u32 = zone.get(descriptor(page) + NEXT)?;
    let previous: u32 = zone.get(descriptor(page) + PREVIOUS)?;
    if let Some(next) = next.checked_sub(1) {
        zone.set(descriptor(next) + PREVIOUS, previous)?;
    }
    match previous.checked_sub(1) {
        Some(previous) => zone.set(descriptor(previous) + NEXT, next),
        None => zone.set(WITH_ROOM + 4 * class, next),
    }
}

fn count_pages(zone: &Guard<'_>) -> Result<u32, Corrupt> {
    zone.get(PAGES)
}

const fn descriptor(page: u32) -> usize {
    DESCRIPTORS + page as usize * DESCRIPTOR
}

fn class_of_kind(kind: u32) -> Option<usize> {
    let class = usize::try_from(kind.checked_sub(CHUNKS)?).ok()?;
    (class < CLASSES.len()).then_some(class)
}

fn size_of_class(class: usize) -> usize {
    CLASSES.get(class).copied().unwrap_or(PAGE)
}

/// The bitmap of a page of which every chunk is taken.
fn full(class: usize) -> u64 {
    u64::MAX >> (64 - PAGE / size_of_class(class))
}

/// The bit of the chunk that begins `inside` its page; `None` when none does.
fn bit_of(class: usize, inside: usize) -> Option<u64> {
    let size = size_of_class(class);
    let chunk = inside / size;
    (inside.is_multiple_of(size) && chunk < PAGE / size).then(|| 1 << chunk)
}

/// The page that `place` lies in, and how many bytes into it.
fn page_of(zone: &Guard<'_>, place: Place) -> Result<(u32, usize), Corrupt> {
    let pages = count_pages(zone)?;
    let behind = place
        .offset()
        .checked_sub(first_page(pages as usize))
        .ok_or(Corrupt)?;
    let page = u32::try_from(behind / PAGE).map_err(|_| Corrupt)?;
    if page < pages {
        Ok((page, behind % PAGE))
    } else {
        Err(Corrupt)
    }
}

const _: () = assert!(<(u64, u32, u32, u32, u32) as crate::record::Record>::SIZE == DESCRIPTOR);

#[cfg(test)]
mod tests;
