//! An object fetched in blocks as they are needed, for row groups that are too large to be fetched at once. Columns are walked side by
//! side, so the last few blocks are held.

use std::collections::VecDeque;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// What is fetched at once, and how many of them are held.
const BLOCK_BYTES: u64 = 4 << 20;
const BLOCKS_HELD: usize = 16;

type Fetch = Box<dyn Fn(u64, u64) -> Result<Bytes, ParquetError> + Send + Sync>;

/// An object of so many bytes.
#[derive(Clone)]
pub(super) struct Blocks(Arc<Inner>);

struct Inner {
    size: u64,
    /// The bytes from an offset to another.
    fetch: Fetch,
    /// The newest last.
    held: Mutex<VecDeque<(u64, Bytes)>>,
}

impl Blocks {
    pub(super) fn new(size: u64, fetch: impl Fn(u64, u64) -> Result<Bytes, ParquetError> + Send + Sync + 'static) -> Blocks {
        Blocks(Arc::new(Inner { size, fetch: Box::new(fetch), held: Mutex::default() }))
    }

    fn block(&self, number: u64) -> Result<Bytes, ParquetError> {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = held.iter().find(|(known, _)| *known == number) {
            return Ok(bytes.clone());
        }
        let start = number * BLOCK_BYTES;
        let bytes = (self.0.fetch)(start, (start + BLOCK_BYTES).min(self.0.size))?;
        held.push_back((number, bytes.clone()));
        if held.len() > BLOCKS_HELD {
            held.pop_front();
        }
        Ok(bytes)
    }

    /// The bytes from an offset to the end of its block.
    fn rest_of_block(&self, at: u64) -> Result<Bytes, ParquetError> {
        if at >= self.0.size {
            return Ok(Bytes::new());
        }
        let block = self.block(at / BLOCK_BYTES)?;
        let from = usize::try_from(at % BLOCK_BYTES).unwrap_or(usize::MAX).min(block.len());
        Ok(block.slice(from..))
    }
}

impl Length for Blocks {
    fn len(&self) -> u64 {
        self.0.size
    }
}

impl ChunkReader for Blocks {
    type T = BlocksFrom;

    fn get_read(&self, start: u64) -> Result<BlocksFrom, ParquetError> {
        Ok(BlocksFrom { blocks: self.clone(), at: start, block: Cursor::default() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let first = self.rest_of_block(start)?;
        if first.len() >= length {
            return Ok(first.slice(..length));
        }
        let mut bytes = BytesMut::with_capacity(length.min(usize::try_from(self.0.size).unwrap_or(length)));
        let mut next = first;
        while bytes.len() < length {
            if next.is_empty() {
                return Err(ParquetError::EOF(format!("{length} bytes at {start} are asked for, {} are there", bytes.len())));
            }
            bytes.extend_from_slice(&next[..next.len().min(length - bytes.len())]);
            next = self.rest_of_block(start + bytes.len() as u64)?;
        }
        Ok(bytes.freeze())
    }
}

/// What follows an offset.
pub(super) struct BlocksFrom {
    blocks: Blocks,
    /// Where the next block begins.
    at: u64,
    block: Cursor<Bytes>,
}

impl Read for BlocksFrom {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.block.read(into)?;
        if read > 0 || into.is_empty() {
            return Ok(read);
        }
        let block = self.blocks.rest_of_block(self.at).map_err(io::Error::other)?;
        self.at += block.len() as u64;
        self.block = Cursor::new(block);
        self.block.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_in_blocks_is_what_lies_there() {
        let all: Bytes = (0..3 * BLOCK_BYTES + 5).map(|at| (at % 251) as u8).collect();
        let whole = all.clone();
        let blocks = Blocks::new(all.len() as u64, move |from, to| Ok(whole.slice(from as usize..to as usize)));
        let near = BLOCK_BYTES as usize - 3;
        for (start, length) in [(0, 4), (near, 3), (near, 4), (near, 2 * BLOCK_BYTES as usize), (all.len() - 5, 5), (9, 0)] {
            assert_eq!(blocks.get_bytes(start as u64, length).unwrap(), all.slice(start..start + length));
            let mut read = vec![0; length];
            blocks.get_read(start as u64).unwrap().read_exact(&mut read).unwrap();
            assert_eq!(read, all.slice(start..start + length));
        }
        assert!(blocks.get_bytes(all.len() as u64 - 2, 3).is_err());
        assert!(blocks.get_bytes(all.len() as u64 + 9, 1).is_err());
        assert_eq!(blocks.get_read(all.len() as u64).unwrap().read(&mut [0]).unwrap(), 0);
    }
}
