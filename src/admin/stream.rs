//! Answers whose length is not known: the body of a response that takes its parts from a channel.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::tap::TapLines;

/// The body of an answer.
pub(super) enum Content {
    /// A body that is known as a whole.
    Whole(Full<Bytes>),
    /// Parts as they come; ends when the sender is dropped.
    Parts(mpsc::Receiver<Bytes>),
    /// One that may have megabytes.
    Large(Large),
    /// The statements of `/tap`.
    Lines(Box<TapLines>),
}

/// A page that may have megabytes, and the permit of its reader: the permit is kept until all but the last part is sent.
pub(super) struct Large {
    left: Bytes,
    _place: OwnedSemaphorePermit,
}

/// How many bytes of a page wait in hyper's buffers. The parts are copies, which do not keep the page.
const PART: usize = 64 << 10;

impl Large {
    pub fn new(page: Bytes, place: OwnedSemaphorePermit) -> Self {
        Large { left: page, _place: place }
    }

    fn next(&mut self) -> Option<Bytes> {
        let part = self.left.split_to(self.left.len().min(PART));
        (!part.is_empty()).then(|| Bytes::copy_from_slice(&part))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Content::Whole(body) => Pin::new(body).poll_frame(cx),
            Content::Large(page) => Poll::Ready(page.next().map(|part| Ok(Frame::data(part)))),
            Content::Parts(parts) => parts.poll_recv(cx).map(|part| part.map(|part| Ok(Frame::data(part)))),
            Content::Lines(lines) => {
                lines.poll_next(cx).map(|lines| lines.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Whole(body) => body.is_end_stream(),
            Content::Large(page) => page.left.is_empty(),
            Content::Parts(_) | Content::Lines(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Whole(body) => body.size_hint(),
            Content::Large(page) => SizeHint::with_exact(page.left.len() as u64),
            Content::Parts(_) | Content::Lines(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_large_page_is_sent_in_parts_and_keeps_its_permit() {
        let places = Arc::new(Semaphore::new(1));
        let page = Bytes::from(vec![7; 2 * PART + 1]);
        let mut large = Large::new(page, places.clone().try_acquire_owned().unwrap());
        let sizes: Vec<_> = std::iter::from_fn(|| large.next().map(|part| part.len())).collect();
        assert_eq!(sizes, [PART, PART, 1]);
        assert_eq!(places.available_permits(), 0);
        drop(large);
        assert_eq!(places.available_permits(), 1);
    }
}
