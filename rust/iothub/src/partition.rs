//! The partition of the outbox, as the store sees it.

use iothub_proto::{
    Errno,
    store::{Flash, Geometry},
};
use ncs::flash;

/// The partition, and its shape once it was opened.
#[derive(Debug)]
pub(crate) struct Partition(Option<Geometry>);

impl Partition {
    pub(crate) const CLOSED: Self = Self(None);
}

impl Flash for Partition {
    /// Without sectors where there is no partition, so that the store refuses it.
    fn geometry(&mut self) -> Geometry {
        *self.0.get_or_insert_with(|| match flash::open() {
            Ok(flash::Geometry {
                sector_size,
                sectors,
                write_size,
            }) => Geometry {
                sector_size,
                sectors,
                write_size,
            },
            Err(errno) => {
                log::error!("the partition iothub_outbox cannot be opened: {errno}");
                Geometry {
                    sector_size: 0,
                    sectors: 0,
                    write_size: 0,
                }
            }
        })
    }

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Errno> {
        flash::read(at, bytes).map_err(number)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        flash::write(at, bytes).map_err(number)
    }

    fn erase(&mut self, at: u32, len: u32) -> Result<(), Errno> {
        flash::erase(at, len).map_err(number)
    }

    fn sync(&mut self) -> Result<(), Errno> {
        flash::sync().map_err(number)
    }
}

fn number(errno: ncs::Errno) -> Errno {
    Errno(errno.get())
}
