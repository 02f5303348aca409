//! Values of fixed size as bytes, in this machine's order: they never leave it.

use crate::zone::Corrupt;

/// Something that can be written to shared memory and read back, whatever bytes it finds there.
///
/// Implemented for the integers, for arrays and for tuples of up to eight records, which lie in
/// their order without padding.
pub trait Record: Sized {
    /// How many bytes it takes.
    const SIZE: usize;

    /// The value that the first [`Record::SIZE`] bytes stand for.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when there are fewer.
    fn read(bytes: &[u8]) -> Result<Self, Corrupt>;

    /// Writes itself to the first [`Record::SIZE`] bytes.
    ///
    /// # Errors
    ///
    /// [`Corrupt`] when there are fewer.
    fn write(&self, bytes: &mut [u8]) -> Result<(), Corrupt>;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Record for $type {
            const SIZE: usize = size_of::<Self>();

            #[inline]
            fn read(bytes: &[u8]) -> Result<Self, Corrupt> {
                bytes.first_chunk().map(|bytes| Self::from_ne_bytes(*bytes)).ok_or(Corrupt)
            }

            #[inline]
            fn write(&self, bytes: &mut [u8]) -> Result<(), Corrupt> {
                *bytes.first_chunk_mut().ok_or(Corrupt)? = self.to_ne_bytes();
                Ok(())
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl<T: Record + Copy + Default, const N: usize> Record for [T; N] {
    const SIZE: usize = T::SIZE * N;

    fn read(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut values = [T::default(); N];
        for (value, bytes) in values.iter_mut().zip(pieces::<T>(bytes, N)?) {
            *value = T::read(bytes)?;
        }
        Ok(values)
    }

    fn write(&self, bytes: &mut [u8]) -> Result<(), Corrupt> {
        let bytes = bytes.get_mut(..Self::SIZE).ok_or(Corrupt)?;
        for (value, bytes) in self.iter().zip(bytes.chunks_exact_mut(T::SIZE)) {
            value.write(bytes)?;
        }
        Ok(())
    }
}

fn pieces<T: Record>(
    bytes: &[u8],
    count: usize,
) -> Result<std::slice::ChunksExact<'_, u8>, Corrupt> {
    Ok(bytes
        .get(..T::SIZE * count)
        .ok_or(Corrupt)?
        .chunks_exact(T::SIZE))
}

macro_rules! tuple {
    ($($name:ident)*) => {
        impl<$($name: Record),*> Record for ($($name,)*) {
            const SIZE: usize = 0 $(+ $name::SIZE)*;

            fn read(bytes: &[u8]) -> Result<Self, Corrupt> {
                let mut rest = bytes;
                Ok(($({
                    let (this, after) = rest.split_at_checked($name::SIZE).ok_or(Corrupt)?;
                    rest = after;
                    let _ = rest;
                    $name::read(this)?
                },)*))
            }

            fn write(&self, bytes: &mut [u8]) -> Result<(), Corrupt> {
                #[expect(non_snake_case, reason = "one list of names serves types and fields")]
                let ($($name,)*) = self;
                let mut rest = bytes;
                $(
                    let (this, after) = rest.split_at_mut_checked($name::SIZE).ok_or(Corrupt)?;
                    $name.write(this)?;
                    rest = after;
                )*
                let _ = rest;
                Ok(())
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
tuple!(A B C D E F G);
tuple!(A B C D E F G H);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_back_as_they_went() {
        type Mixed = (u64, i32, [u16; 3], u8);
        assert_eq!(Mixed::SIZE, 19);
        let value: Mixed = (u64::MAX - 1, -5, [1, 2, 3], 200);
        let mut bytes = [0; 19];
        value.write(&mut bytes).unwrap();
        assert_eq!(Mixed::read(&bytes), Ok(value));
    }

    #[test]
    fn too_few_bytes_are_an_error() {
        for length in 0..19 {
            assert_eq!(
                <(u64, i32, [u16; 3], u8)>::read(&[0; 19][..length]),
                Err(Corrupt)
            );
            assert_eq!(
                (1_u64, 1_i32, [1_u16; 3], 1_u8).write(&mut [0; 19][..length]),
                Err(Corrupt)
            );
        }
    }
}
